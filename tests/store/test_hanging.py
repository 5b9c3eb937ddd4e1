"""A PostgreSQL that hangs, is stopped or killed under load: answers go on, and all of them are in it afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.errors import Unavailable
from oracle.store import GroupCommit, Spool, Standby, Store
from tests.store.postgres import PostgreSQL
from tests.store.rows import prediction, scoring
from tests.store.test_standby import now, until

pytestmark = pytest.mark.services
PATIENCE = 0.5


@pytest.fixture
def address(postgres: PostgreSQL) -> str:
    return postgres.fresh("oracle_hanging")


@pytest.fixture
def commit(address: str, tmp_path: Path) -> Iterator[GroupCommit]:
    store = Store(address, patience=PATIENCE, silence=2.0)
    standby = Standby(store, Spool(tmp_path / "spool", "w"), now, patience=PATIENCE, every=0.05)
    found = GroupCommit(store, patience=PATIENCE, standby=standby)
    yield found
    found.close()
    store.close()


class Load:
    """Eight submitters that each wait for their row; it remembers what was acknowledged, and the longest waits."""

    def __init__(self, commit: GroupCommit) -> None:
        self.told: list[str] = []
        self.waits: list[tuple[float, float]] = []
        self._commit, self._stop = commit, threading.Event()
        self._workers = [threading.Thread(target=self._work, args=(w,)) for w in range(8)]

    def __enter__(self) -> Load:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.join(30)

    def _work(self, worker: int) -> None:
        number = 0
        while not self._stop.wait(0.002):
            name, begun = f"{worker}-{number}", time.perf_counter()
            assert self._commit.submit(prediction(name, answer=name), scoring(name)).result(30) is None
            self.waits.append((begun, time.perf_counter() - begun))
            self.told.append(f"p{name}")
            number += 1

    def more(self, count: int = 100) -> None:
        seen = len(self.told)
        until(lambda: len(self.told) > seen + count, 30)


HOW: dict[str, Callable[[PostgreSQL], Callable[[], None]]] = {
    "frozen": lambda server: server.freeze(),
    "stopped": lambda server: (server.stop(), server.start)[1],
    "killed": lambda server: (server.kill(), server.start)[1],
}


@pytest.mark.parametrize("how", HOW)
def test_no_answer_waits_long_and_none_is_lost(
    postgres: PostgreSQL, address: str, commit: GroupCommit, how: str, tmp_path: Path
):
    with Load(commit) as load:
        load.more()
        end = HOW[how](postgres)
        try:
            until(lambda: commit.away is not None, 10)
            known = time.perf_counter()
            load.more(400)
        finally:
            end()
        until(lambda: commit.away is None, 30)
        load.more()
    assert max(wait for _, wait in load.waits) < PATIENCE + 1.5, "the first ones wait for the patience, and not longer"
    usual = sorted(wait for begun, wait in load.waits if begun > known)
    assert usual[len(usual) // 2] < 0.1, "nobody else waits for a store that is known to be away"
    store = Store(address)
    kept = [p.prediction_id for p in store.predictions.between()]
    assert set(load.told) == set(kept)
    assert len(kept) == len(set(kept))
    assert store.scorings.count() == len(kept)
    assert not list((tmp_path / "spool").glob("*.journal"))
    store.close()


def test_a_frozen_server_keeps_no_reader_waiting_and_a_slow_question_has_its_time(postgres: PostgreSQL, address: str):
    patient, hasty = Store(address), Store(address, patience=0.3, silence=0.3)
    with pytest.raises(Unavailable, match="said nothing for"):
        hasty.database.read(lambda c: c.exec_driver_sql("SELECT pg_sleep(3)").all())
    with hasty.database.at_leisure():
        hasty.database.read(lambda c: c.exec_driver_sql("SELECT pg_sleep(0.6)").all())
    patient.database.read(lambda c: c.exec_driver_sql("SELECT pg_sleep(0.6)").all())
    thaw = postgres.freeze()
    try:
        begun = time.perf_counter()
        with pytest.raises(Unavailable):
            hasty.check()
        assert time.perf_counter() - begun < 4.0
    finally:
        thaw()
    hasty.check()
    for store in (patient, hasty):
        store.close()


def test_a_process_that_begins_without_its_store_brings_everything_in_later(
    postgres: PostgreSQL, address: str, tmp_path: Path
):
    postgres.stop()
    with pytest.raises(Unavailable):
        Store(address, patience=PATIENCE)
    store = Store(address, patience=PATIENCE, silence=2.0, later=True)
    assert not store.made
    standby = Standby(store, Spool(tmp_path / "spool", "w"), now, patience=PATIENCE, every=0.05)
    commit = GroupCommit(store, patience=PATIENCE, standby=standby)
    assert commit.away is not None
    begun = time.perf_counter()
    assert commit.submit(prediction()).result(10) is None
    assert time.perf_counter() - begun < 0.2
    postgres.start()
    until(lambda: commit.away is None, 30)
    assert store.predictions.get("p1") is not None
    assert store.made
    commit.close()
    store.close()


def test_a_database_that_is_not_there_is_told_at_once_and_is_no_outage(address: str):
    with pytest.raises(Unavailable, match="does not exist"):
        Store(address.replace("/oracle_hanging", "/nowhere"), later=True)
