"""Tokens: what is kept of them, when they count, and how many requests they are good for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.governance.access import (
    SCOPES,
    Buckets,
    Known,
    Snapshot,
    Stranger,
    recognise,
    scopes_of,
    secret_hash,
    shown_by,
    snapshot,
    written,
)

NOON = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ID, SECRET = "0123456789ab", "5" * 64
TEXT = written(ID, SECRET).encode()


@dataclass(frozen=True)
class Token:
    token_id: str = ID
    name: str = "app"
    secret_hash: str = secret_hash(ID, SECRET)
    scopes: str = "predict"
    expires: dt.datetime = NOON + HOUR
    per_minute: int = 60


@dataclass(frozen=True)
class Change:
    change: Literal["revoked", "rotated"]
    until: dt.datetime


def met(text: bytes, at: dt.datetime = NOON, *changes: Change) -> Known | Stranger:
    return recognise(snapshot([(Token(), changes)]), text, at.timestamp())


def test_a_token_is_known_by_its_hash_until_it_expires():
    found = met(TEXT)
    assert isinstance(found, Known)
    assert (found.name, found.scopes) == ("app", {"predict"})
    assert SECRET not in repr(found)
    assert met(TEXT, NOON + HOUR) == Stranger("expired", "app")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"", "malformed"),
        (TEXT[:-1], "malformed"),
        (TEXT + b"0", "malformed"),
        (TEXT.upper(), "malformed"),
        (b" " + TEXT, "malformed"),
        (TEXT + b"\n", "malformed"),
        (written(ID, "6" * 64).encode(), "wrong secret"),
        (written("ffffffffffff", SECRET).encode(), "unknown"),
        (TEXT.replace(b"5", "\u0665".encode()), "malformed"),
    ],
)
def test_anything_else_is_a_stranger_who_is_not_named(text: bytes, cause: str):
    assert met(text) == Stranger(cause)  # type: ignore[arg-type]


def test_the_earliest_end_counts():
    revoked, rotated = Change("revoked", NOON), Change("rotated", NOON + HOUR / 2)
    assert met(TEXT, NOON, revoked) == Stranger("revoked", "app")
    assert isinstance(met(TEXT, NOON, rotated), Known)
    assert met(TEXT, NOON + HOUR / 2, rotated) == Stranger("rotated", "app")
    assert met(TEXT, NOON, rotated, revoked) == Stranger("revoked", "app")
    assert met(TEXT, NOON + HOUR, Change("rotated", NOON + 2 * HOUR)) == Stranger("expired", "app")


def test_a_snapshot_says_whether_any_token_opens_anything():
    assert not Snapshot().any_at(0.0)
    found = snapshot([(Token(), ())])
    assert found.any_at(NOON.timestamp())
    assert not found.any_at((NOON + HOUR).timestamp())


def test_a_hash_is_of_no_use_for_another_id():
    assert secret_hash(ID, SECRET) != secret_hash("0123456789ac", SECRET)


@pytest.mark.parametrize("header", [b"Basic x", b"x", b"", b"Bearer", b"Bearer\tx", b"BearerX x"])
def test_only_the_scheme_bearer_shows_a_token(header: bytes):
    assert shown_by(header) == b""


def test_scopes_come_in_the_order_of_the_house_and_strays_are_refused():
    assert scopes_of(["events", "predict", "events"]) == ("predict", "events")
    for words in ([], ["everything"], ["Predict"], [" predict"]):
        with pytest.raises(BadInput) as caught:
            scopes_of(words)
        assert caught.value.allowed == ", ".join(SCOPES)


def test_a_minutes_worth_may_come_at_once_and_then_as_it_refills():
    buckets = Buckets()
    assert [buckets.take("app", 3, 10.0) for _ in range(3)] == [0.0] * 3
    assert buckets.take("app", 3, 10.0) == pytest.approx(20.0)
    assert buckets.take("app", 3, 20.0) == pytest.approx(10.0)
    assert buckets.take("app", 3, 30.0) == 0.0


def test_nobodys_limit_touches_anothers():
    buckets = Buckets()
    while buckets.take("greedy", 5, 0.0) == 0.0:
        pass
    assert buckets.take("other", 5, 0.0) == 0.0


def test_each_of_several_processes_grants_its_share():
    buckets = Buckets(share=0.25)
    granted = sum(buckets.take("app", 40, 0.0) == 0.0 for _ in range(40))
    assert granted == 10
    assert Buckets(share=0.01).take("app", 1, 0.0) == 0.0, "the least is one"


@settings(max_examples=20)
@given(st.lists(st.floats(0, 2), max_size=50), st.integers(1, 1000))
def test_never_more_than_a_minutes_worth_beyond_the_time_that_passed(waits: list[float], per_minute: int):
    buckets, now, granted = Buckets(), 0.0, 0
    for wait in waits:
        now += wait
        granted += buckets.take("app", per_minute, now) == 0.0
    assert granted <= per_minute * (1 + now / 60) + 1e-6
