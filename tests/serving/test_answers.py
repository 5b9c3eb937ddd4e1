"""The bytes of an answer: those of the message, signed anew for each request, kept for cards that come again."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.race import CardPrediction, RunnerPrediction
from oracle.serving.answers import AnswerCache, CacheCounts, signed, written
from oracle.serving.body import read_card
from oracle.serving.exotics import CombinationMessage, ExoticsMessage
from oracle.serving.messages import CardMessage, ModelMessage, PredictionMessage, answer
from tests.serving.hostile import changed

AT = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
MODEL = ModelMessage(name="equine-oracle", version="3", semver="1.2.0")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(min_size=1, max_size=20).filter(lambda t: t.strip() and t.isprintable())


def card(**changes: Any) -> CardMessage:
    return read_card(json.dumps(changed(**changes)).encode())


def said(of: CardMessage, number: Any, notes: tuple[str, ...] = ()) -> CardPrediction:
    runners = tuple(
        RunnerPrediction(r.horse, r.number, None, None, 0.0, 0.0, None, None, True)
        if r.withdrawn
        else RunnerPrediction(
            r.horse, r.number, at + 1, number(), number(), number(), number(), number(), known=bool(at % 2)
        )
        for at, r in enumerate(of.runners)
    )
    return CardPrediction(runners, "market", 3, notes)


@given(
    data=st.data(),
    horse=TEXTS,
    notes=st.lists(TEXTS, max_size=3),
    identity=st.none() | TEXTS,
    at=st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)),
    semver=st.none() | st.just("1.0.0"),
    combinations=st.booleans(),
)
def test_the_bytes_are_those_of_the_message(
    data: st.DataObject,
    horse: str,
    notes: list[str],
    identity: str | None,
    at: dt.datetime,
    semver: str | None,
    combinations: bool,
):
    asked = card(race_id=identity, runners=[{"horse": horse, "horse_id": 7}, {"horse": '馬 \\ "x"', "odds": 3.25}])
    told = said(asked, lambda: data.draw(NUMBERS), tuple(notes))
    model = ModelMessage(name="ü", version="7", semver=semver)
    pair = CombinationMessage(
        horses=("a", horse), numbers=(None, 2), prob=0.1, fair_odds=data.draw(st.none() | NUMBERS)
    )
    exotics = ExoticsMessage(place=(pair,), quinella=(), exacta=(pair, pair), trifecta=()) if combinations else None
    message = answer(asked, told, model=model, prediction_id="a" * 32, at=at, exotics=exotics)
    found = signed(written(asked, told, model, exotics), "a" * 32, at)
    assert found == message.model_dump_json().encode()
    assert PredictionMessage.model_validate_json(found) == message


def test_one_writing_is_signed_for_many_requests():
    asked = card()
    rest = written(asked, said(asked, lambda: 0.25), MODEL)
    one, other = (json.loads(signed(rest, name, AT)) for name in ("one", 'o"ther'))
    assert (one.pop("prediction_id"), other.pop("prediction_id")) == ("one", 'o"ther')
    assert one == other
    assert one["at"] == "2026-03-04T05:06:07Z"


def test_a_moment_is_told_in_utc():
    abroad = AT.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert signed(b"}", "a", abroad) == signed(b"}", "a", AT)


def test_what_is_kept_is_found_again_and_counted():
    cache: AnswerCache[str] = AnswerCache()
    assert cache.get("a") is None
    cache.put("a", "A", 10)
    assert cache.get("a") == "A"
    assert cache.counts == CacheCounts(hits=1, misses=1, evicted=0, entries=1, bytes=10)


def test_what_was_used_longest_ago_makes_room():
    cache: AnswerCache[str] = AnswerCache(entries=2)
    for key in "ab":
        cache.put(key, key, 1)
    cache.get("a")
    cache.put("c", "c", 1)
    assert [cache.get(key) for key in "abc"] == ["a", None, "c"]
    assert cache.counts.evicted == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=60), st.integers(0, 5), st.integers(0, 100))
def test_neither_entries_nor_bytes_ever_exceed_their_bound(puts: list[tuple[int, int]], entries: int, room: int):
    cache: AnswerCache[int] = AnswerCache(entries, room)
    sizes: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, size, size)
        sizes[key] = size
        counts = cache.counts
        assert counts.entries <= entries
        assert counts.bytes <= room
        found = cache.get(key)
        assert found is None or found == sizes[key]
    kept = [key for key in range(10) if cache.get(key) is not None]
    assert cache.counts.bytes == sum(sizes[key] for key in kept)


@pytest.mark.parametrize(("entries", "room"), [(0, 100), (5, 9)])
def test_a_value_that_does_not_fit_is_not_kept_and_an_older_one_under_its_key_goes(entries: int, room: int):
    cache: AnswerCache[str] = AnswerCache(entries, room)
    cache.put("a", "small", 1)
    cache.put("a", "large", 10)
    assert cache.get("a") is None
    assert cache.counts.bytes == 0


def test_many_threads_leave_the_cache_whole():
    cache: AnswerCache[int] = AnswerCache(entries=50, most_bytes=400)

    def work(seed: int) -> None:
        for i in range(2_000):
            key = (i * (seed + 7)) % 97
            if cache.get(key) is None:
                cache.put(key, key, 1 + key % 20)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = cache.counts
    assert counts.hits + counts.misses == 16_000
    kept = [key for key in range(97) if cache.get(key) is not None]
    assert (counts.entries, counts.bytes) == (len(kept), sum(1 + key % 20 for key in kept))
