"""What governance is remembered by: one chain of entries, requests and rulings, promotions, roles, tokens."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from oracle.errors import Unavailable
from oracle.governance.approval import Promotion, Request, Ruling
from oracle.governance.audit import GENESIS, Entry, digest
from oracle.store import Grant, Store, Token, TokenChange
from tests.store.rows import NOON

HOUR = dt.timedelta(hours=1)


def entry(entry_id: str = "e1", **more: object) -> Entry:
    told = {"at": NOON, "actor": "ann", "action": "request", "target": "oracle/3", "outcome": "allowed"}
    return Entry(entry_id=entry_id, **{**told, **more})  # type: ignore[arg-type]


REQUEST = Request(
    request_id="q1",
    at=NOON,
    model="oracle",
    version=3,
    label="v1.1.0",
    expected=2,
    requester="ann",
    reason="better",
    expires=NOON + HOUR,
    evidence="{}",
    evidence_digest="d",
)
RULING = Ruling(request_id="q1", step="decided", at=NOON, decision="approved", actor="bea", reason="seen")
PROMOTION = Promotion(
    promotion_id="p1",
    at=NOON,
    model="oracle",
    version=3,
    label="v1.1.0",
    kind="promote",
    replaced=2,
    request_id="q1",
    actor="bea",
    approver="bea",
    document="{}",
)
TOKEN = Token(
    token_id="t1",
    name="app",
    secret_hash="h",
    scopes="predict results",
    created=NOON,
    created_by="ann",
    expires=NOON + HOUR,
    per_minute=60,
)


def test_each_entry_carries_the_hash_of_the_one_before(store: Store):
    first, second = store.audit.append(entry()), store.audit.append(entry("e2", address="10.0.0.1", before='{"a":1}'))
    assert (first.position, first.previous, second.position, second.previous) == (1, GENESIS, 2, first.hash)
    assert store.audit.links() == [first, second]
    assert store.audit.links(after=1) == [second] == store.audit.latest(1)
    assert second.hash == digest(2, first.hash, entry("e2", address="10.0.0.1", before='{"a":1}'))
    assert (store.audit.head().position, store.audit.head().hash) == (2, second.hash)


def test_an_entry_that_is_written_twice_stands_there_once(store: Store):
    once = store.audit.append(entry())
    assert store.audit.append(entry(actor="mallory")) == once == store.audit.get("e1")
    assert store.audit.head().position == 1


def test_entries_of_many_writers_are_one_chain(opened: Callable[..., Store]):
    stores = [opened() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: stores[i % 4].audit.append(entry(f"e{i}")), range(24)))
    links = stores[0].audit.links()
    assert [link.position for link in links] == list(range(1, 25))
    assert all(link.previous == before.hash for before, link in itertools.pairwise(links))
    assert all(link.hash == digest(link.position, link.previous, link.entry) for link in links)


def test_the_first_word_on_a_request_stands_and_only_it_is_in_the_trail(store: Store):
    assert store.approvals.ask(REQUEST, entry())
    assert not store.approvals.ask(replace(REQUEST, requester="mallory"), entry())
    assert store.approvals.open(NOON) == [REQUEST] == store.approvals.of_version("oracle", 3)
    assert store.approvals.rule(RULING, entry("e2")) == RULING
    second = replace(RULING, actor="mallory", decision="rejected")
    assert store.approvals.rule(second, entry("e3")) == RULING
    used = replace(RULING, step="used", decision="used")
    assert store.approvals.rule(used, entry("e4")) == used
    assert store.approvals.rulings("q1") == [RULING, used]
    assert (store.approvals.open(NOON), store.approvals.get("q1")) == ([], REQUEST)
    assert [link.entry.entry_id for link in store.audit.links()] == ["e1", "e2", "e4"]


def test_a_request_that_expired_is_open_no_more(store: Store):
    store.approvals.ask(REQUEST, entry())
    assert store.approvals.open(NOON + HOUR) == []


def test_what_served_at_a_moment_is_the_last_promotion_before_it(store: Store):
    back = replace(
        PROMOTION, promotion_id="p2", at=NOON + HOUR, version=2, replaced=3, kind="rollback", request_id=None
    )
    assert store.promotions.add(PROMOTION, entry())
    assert not store.promotions.add(replace(PROMOTION, version=9), entry("e2"))
    store.promotions.add(back, entry("e3"))
    assert store.promotions.at("oracle", NOON - HOUR) is None
    assert store.promotions.at("oracle", NOON) == PROMOTION == store.promotions.at("oracle", NOON + HOUR / 2)
    assert store.promotions.at("oracle", NOON + HOUR) == back
    assert store.promotions.at("another", NOON + HOUR) is None
    assert store.promotions.of_version("oracle", 2) == [back]


def test_the_last_grant_of_a_name_counts(store: Store):
    assert not store.people.anybody()
    for i, roles in enumerate(("scientist", "scientist approver", "")):
        grant = Grant(grant_id=f"g{i}", at=NOON, name="ann", roles=roles, actor="root")
        assert store.people.grant(grant, entry(f"e{i}"))
        assert store.people.roles("ann") == frozenset(roles.split())
    assert store.people.anybody()
    assert store.people.roles("bob") == frozenset()
    assert list(store.people.all()) == ["ann"]


def test_a_token_that_replaces_another_ends_it_in_the_same_breath(store: Store):
    assert store.tokens.add(TOKEN, entry())
    change = TokenChange(token_id="t1", at=NOON, change="rotated", actor="ann", until=NOON + HOUR)
    new = replace(TOKEN, token_id="t2")
    assert store.tokens.add(new, entry("e2"), instead_of=change)
    assert store.tokens.all() == [(TOKEN, (change,)), (new, ())]
    gone = TokenChange(token_id="t2", at=NOON, change="revoked", actor="ann", until=NOON)
    assert store.tokens.end(gone, entry("e3"))
    assert not store.tokens.end(replace(gone, actor="bob"), entry("e4"))
    assert store.tokens.all()[1] == (new, (gone,))


@pytest.mark.parametrize(
    "change", ["UPDATE audit_log SET actor = 'mallory'", "DELETE FROM audit_log", "DELETE FROM promotions"]
)
def test_what_was_written_is_neither_changed_nor_deleted(store: Store, change: str):
    store.promotions.add(PROMOTION, entry())
    with pytest.raises((Unavailable, sa.exc.IntegrityError), match="append-only"):
        store.database.write(lambda connection: connection.exec_driver_sql(change))
    assert store.audit.head().position == 1
