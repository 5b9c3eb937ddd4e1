"""Many answers, one commit: each future tells the truth, and what may be lost goes second."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle.store.commit
from oracle.errors import Unavailable
from oracle.store import GroupCommit, Store, embedded
from tests.store.rows import prediction, scoring

LIMIT = 20.0


@pytest.fixture
def commit(store: Store) -> Iterator[GroupCommit]:
    writer = GroupCommit(store)
    yield writer
    writer.close()


def test_a_future_resolves_to_none_for_a_new_row_and_to_the_kept_answer_for_a_retry(commit: GroupCommit, store: Store):
    assert commit.submit(prediction(answer="first"), scoring()).result(LIMIT) is None
    assert commit.submit(prediction(answer="second"), scoring()).result(LIMIT) == "first"
    assert commit.submit(prediction(2, answer="other")).result(LIMIT) is None
    assert (store.predictions.count(), store.scorings.count()) == (2, 1)
    assert (commit.rows, commit.shed, commit.depth) == (3, 0, 0)
    assert commit.last_commit_seconds > 0


def test_when_a_future_has_resolved_another_reader_finds_the_row(opened: Callable[..., Store], commit: GroupCommit):
    other = opened()
    for number in range(5):
        commit.submit(prediction(number)).result(LIMIT)
        assert other.predictions.get(f"p{number}") is not None


@given(ids=st.lists(st.integers(0, 8), min_size=1, max_size=30))
@settings(max_examples=20)
def test_whatever_comes_twice_is_kept_once_and_everybody_gets_the_answer_that_is_kept(commit: GroupCommit, store, ids):
    asked = [prediction(f"{i}-of-many", answer=f"answer {n} of {ids}") for n, i in enumerate(ids)]
    futures = [commit.submit(p) for p in asked]
    for p, future in zip(asked, futures, strict=True):
        said = future.result(LIMIT)
        kept = store.predictions.get(p.prediction_id)
        assert (p.answer if said is None else said) == kept.answer


def test_rows_that_wait_are_committed_together(tmp_path: Path):
    store = embedded(tmp_path)
    commit = GroupCommit(store)
    other = sqlite3.connect(tmp_path / "oracle.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    futures = [commit.submit(prediction(n), scoring(f"c{n}")) for n in range(200)]
    assert not any(f.done() for f in futures)
    other.execute("COMMIT")
    other.close()
    assert {f.result(LIMIT) for f in futures} == {None}
    assert commit.commits <= 3
    commit.close()
    assert (store.predictions.count(), store.scorings.count()) == (200, 200)
    store.close()


def test_on_an_event_loop_the_same_is_awaited(commit: GroupCommit, store: Store):
    async def ask() -> list[str | None]:
        first = await commit.keep(prediction(answer="first"), scoring())
        rest = await asyncio.gather(*(commit.keep(prediction(1, answer=f"again {n}")) for n in range(20)))
        return [first, *rest]

    assert asyncio.run(ask()) == [None, *["first"] * 20]
    assert store.predictions.count() == 1


def test_a_caller_who_has_gone_harms_nobody_and_his_row_stays(commit: GroupCommit, store: Store):
    async def leave() -> None:
        going = commit.keep(prediction(1))
        going.cancel()
        await commit.keep(prediction(2))

    asyncio.run(leave())
    commit.submit(prediction(3)).cancel()
    assert commit.submit(prediction(4)).result(LIMIT) is None
    assert store.predictions.count() == 4


def test_a_row_that_is_at_fault_fails_alone(commit: GroupCommit, store: Store):
    futures = [commit.submit(prediction(n, card=None if n == 3 else "{}")) for n in range(8)]
    with pytest.raises(Exception, match=r"(?i)null"):
        futures[3].result(LIMIT)
    assert [f.result(LIMIT) for n, f in enumerate(futures) if n != 3] == [None] * 7
    assert store.predictions.count() == 7


def test_shadow_scorings_ride_along_and_each_is_kept_once(commit: GroupCommit, store: Store):
    assert commit.note([scoring(version=str(v)) for v in (4, 5, 4)]) == 0
    commit.submit(prediction(), scoring()).result(LIMIT)
    commit.close()
    assert store.scorings.count() == 3
    assert commit.noted == 0


def test_shadow_scorings_are_shed_and_counted_when_too_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(oracle.store.commit, "MOST_NOTED", 5)
    store = embedded(tmp_path)
    commit = GroupCommit(store)
    other = sqlite3.connect(tmp_path / "oracle.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = commit.submit(prediction())
    shed = commit.note([scoring(f"c{n}") for n in range(300)])
    assert shed == commit.shed > 0
    other.execute("COMMIT")
    other.close()
    assert waiting.result(LIMIT) is None
    commit.close()
    assert store.scorings.count() == 300 - shed
    store.close()


def test_a_database_that_stays_away_is_told_after_the_patience_and_the_writer_lives_on(tmp_path: Path):
    embedded(tmp_path).close()
    store = Store(f"sqlite:///{tmp_path / 'oracle.db'}", patience=0.2)
    commit = GroupCommit(store, patience=0.2)
    other = sqlite3.connect(tmp_path / "oracle.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    futures = [commit.submit(prediction(n)) for n in range(3)]
    for future in futures:
        with pytest.raises(Unavailable, match="locked"):
            future.result(LIMIT)
    other.execute("COMMIT")
    other.close()
    assert commit.submit(prediction(1)).result(LIMIT) is None
    commit.close()
    assert store.predictions.count() == 1
    store.close()


def test_more_than_can_wait_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(oracle.store.commit, "MOST_WAITING", 3)
    store = embedded(tmp_path)
    commit = GroupCommit(store)
    other = sqlite3.connect(tmp_path / "oracle.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    futures = [commit.submit(prediction(n)) for n in range(40)]
    with pytest.raises(Unavailable, match="wait to be written"):
        futures[-1].result(0)
    other.execute("COMMIT")
    other.close()
    commit.close()
    store.close()


def test_closing_writes_what_was_handed_in_and_refuses_what_comes_later(store: Store):
    others = {t for t in threading.enumerate() if t.name == "group-commit"}  # of other tests of this process
    commit = GroupCommit(store)
    with ThreadPoolExecutor(4) as pool:
        futures = [
            f
            for batch in pool.map(lambda w: [commit.submit(prediction(f"{w}-{n}")) for n in range(25)], range(4))
            for f in batch
        ]
    commit.note([scoring()])
    commit.close()
    commit.close()
    assert {f.result(0) for f in futures} == {None}
    assert (store.predictions.count(), store.scorings.count()) == (100, 1)
    with pytest.raises(Unavailable, match="closed"):
        commit.submit(prediction("late")).result(0)
    assert commit.note([scoring("late")]) == 1
    assert not {t for t in threading.enumerate() if t.name == "group-commit"} - others
