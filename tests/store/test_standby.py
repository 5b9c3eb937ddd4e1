"""Answers go on while the store is away, none is lost, and all are in it when it is back."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import oracle.store.spool
from oracle.errors import Unavailable
from oracle.store import GroupCommit, Spool, SpoolFull, Standby, Store, embedded
from oracle.store.journal import Journal, left_behind
from oracle.store.spool import Entry, packed, unpacked
from tests.store.rows import prediction, scoring

LIMIT = 20.0
REPOSITORY = Path(__file__).parents[2]


def until(true: Callable[[], bool], limit: float = LIMIT) -> None:
    begun = time.perf_counter()
    while not true():
        assert time.perf_counter() - begun < limit, "it never came"
        threading.Event().wait(0.005)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class House:
    """A store that can be sent away, and the writers of one machine."""

    def __init__(self, home: Path) -> None:
        self.home, self.folder = home, home / "spool"
        embedded(home).close()
        self._lock: sqlite3.Connection | None = None
        self._open: list[tuple[Store, GroupCommit]] = []

    def writer(self, name: str = "w", **given: int) -> GroupCommit:
        store = Store(f"sqlite:///{self.home / 'oracle.db'}", patience=0.05)
        standby = Standby(store, Spool(self.folder, name, **given), now, patience=0.05, every=0.02)
        self._open.append((store, GroupCommit(store, patience=0.05, standby=standby)))
        return self._open[-1][1]

    def away(self) -> None:
        self._lock = sqlite3.connect(self.home / "oracle.db", isolation_level=None)
        self._lock.execute("BEGIN IMMEDIATE")

    def back(self) -> None:
        if self._lock is not None:
            self._lock.execute("COMMIT")
            self._lock.close()
            self._lock = None

    def kept(self) -> dict[str, str]:
        store = embedded(self.home)
        found = {p.prediction_id: p.answer for p in store.predictions.between()}
        store.close()
        return found

    def close(self) -> None:
        self.back()
        for store, commit in self._open:
            commit.close()
            store.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def test_an_entry_comes_back_as_it_was():
    entry = Entry(prediction("ü", latency_ms=0.1 + 0.2, experiment="t"), scoring(form=2**40))
    assert unpacked(packed(entry)) == entry
    assert unpacked(packed(Entry(None, scoring()))) == Entry(None, scoring())


@pytest.mark.parametrize("spoilt", [b"", b"{}", b"[1]", b'{"v":2,"prediction":null,"scoring":null}'])
def test_a_record_of_somebody_else_is_refused(spoilt: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever way it is spoilt
        unpacked(spoilt)


def test_answers_go_on_while_the_store_is_away_and_are_in_it_afterwards(house: House):
    commit = house.writer()
    assert commit.submit(prediction(0, answer="before")).result(LIMIT) is None
    house.away()
    futures = [commit.submit(prediction(n, answer=f"a{n}"), scoring(f"c{n}")) for n in range(1, 300)]
    assert {f.result(LIMIT) for f in futures} == {None}
    assert commit.away is not None
    assert commit.standby.waiting == 299
    commit.note([scoring(version="4")])
    assert len(house.kept()) == 1
    begun = time.perf_counter()
    commit.submit(prediction("quick")).result(LIMIT)
    assert time.perf_counter() - begun < 0.05, "nobody waits for a store that is known to be away"
    house.back()
    until(lambda: commit.away is None)
    assert len(house.kept()) == 301
    assert house.kept()["p7"] == "a7"
    assert (commit.standby.waiting, left_behind(house.folder)) == (0, [])
    assert (commit.standby.brought_in, commit.standby.otherwise) == (301, 0)
    assert commit.submit(prediction("after")).result(LIMIT) is None
    assert "pafter" in house.kept()


def test_a_repeated_request_gets_the_answer_that_was_given_before_and_during_an_outage(house: House):
    commit = house.writer()
    commit.submit(prediction("b", answer="before")).result(LIMIT)
    house.away()
    commit.submit(prediction("d", answer="during")).result(LIMIT)

    async def ask() -> list[str | None]:
        return await asyncio.gather(*(commit.keep(prediction(n, answer="again")) for n in "bdd"))

    assert asyncio.run(ask()) == ["before", "during", "during"]
    twice = [commit.submit(prediction("n", answer=f"new {n}")) for n in range(2)]
    assert [f.result(LIMIT) for f in twice] == [None, "new 0"]
    assert [commit.answer(f"p{n}") for n in "bdnx"] == ["before", "during", "new 0", None]
    house.back()
    until(lambda: commit.away is None)
    assert house.kept() == {"pb": "before", "pd": "during", "pn": "new 0"}


def test_load_that_never_rests_is_brought_in_in_order_and_the_store_takes_over_again(house: House):
    """While the journal is read out, answers go on to its end; none falls between the two."""
    commit = house.writer()
    stop, told = threading.Event(), []

    def ask(worker: int) -> None:
        while not stop.is_set():
            name = f"{worker}-{len(told)}-{time.perf_counter_ns()}"
            if commit.submit(prediction(name)).result(LIMIT) is None:
                told.append(f"p{name}")

    workers = [threading.Thread(target=ask, args=(w,)) for w in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(2):
        house.away()
        until(lambda: commit.away is not None)
        seen = len(told)
        until(lambda seen=seen: len(told) > seen + 30)
        house.back()
        until(lambda: commit.away is None)
    stop.set()
    for worker in workers:
        worker.join(LIMIT)
    until(lambda: not commit.standby.pending())
    assert set(told) == set(house.kept())


def test_what_a_closed_process_leaves_is_brought_in_by_the_next_one_which_knows_its_answers(house: House):
    house.away()
    first = house.writer("first")
    first.submit(prediction(answer="of the first")).result(LIMIT)
    first.close()
    second = house.writer("second")
    until(lambda: second.standby.waiting == 1)
    second.submit(prediction(2)).result(LIMIT)
    assert second.answer("p1") == "of the first"
    assert second.submit(prediction(answer="of the second")).result(LIMIT) == "of the first"
    house.back()
    until(lambda: set(house.kept()) == {"p1", "p2"})
    until(lambda: left_behind(house.folder) == [])
    assert house.kept()["p1"] == "of the first"


def test_a_spool_that_is_full_refuses_with_its_own_error_and_takes_again_when_it_is_read_out(house: House):
    commit = house.writer(most_bytes=3000)
    house.away()
    told = [commit.submit(prediction(n, card="c" * 500)) for n in range(12)]
    refused = [f for f in told if isinstance(f.exception(LIMIT), SpoolFull)]
    assert 0 < len(refused) < 12
    with pytest.raises(SpoolFull, match="ORACLE_STORE__SPOOL_MEGABYTES"):
        refused[0].result()
    house.back()
    until(lambda: commit.away is None)
    assert len(house.kept()) == 12 - len(refused)
    assert commit.submit(prediction("more")).result(LIMIT) is None


def test_a_disk_that_takes_nothing_is_told_to_the_caller_and_harms_nothing_else(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    commit = house.writer()
    house.away()
    commit.submit(prediction(1)).result(LIMIT)
    monkeypatch.setattr("oracle.store.journal._write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(Unavailable, match="No space left"):
        commit.submit(prediction(2)).result(LIMIT)
    monkeypatch.undo()
    assert commit.submit(prediction(3)).result(LIMIT) is None
    house.back()
    until(lambda: commit.away is None)
    assert set(house.kept()) == {"p1", "p3"}


def test_a_row_that_the_store_does_not_take_is_kept_aside_and_keeps_no_other_out(house: House):
    house.away()
    commit = house.writer()
    commit.submit(prediction(1)).result(LIMIT)
    commit.submit(prediction(2, card=None)).result(LIMIT)
    commit.submit(prediction(3)).result(LIMIT)
    house.back()
    until(lambda: commit.away is None)
    assert set(house.kept()) == {"p1", "p3"}
    assert commit.standby.refused == 1
    aside = list(house.folder.glob("*.refused"))
    assert len(aside) == 1
    assert b'"prediction_id":"p2"' in aside[0].read_bytes()


def test_where_two_processes_answered_one_request_the_first_row_stands_and_it_is_counted(house: House):
    house.away()
    one, two = house.writer("one"), house.writer("two")
    one.submit(prediction(answer="one")).result(LIMIT)
    two.submit(prediction(answer="two")).result(LIMIT)
    house.back()
    until(lambda: one.away is None and two.away is None)
    assert len(house.kept()) == 1
    assert one.standby.otherwise + two.standby.otherwise == 1


def test_without_anybody_who_stands_by_a_row_is_given_up_as_ever(tmp_path: Path):
    store = embedded(tmp_path)
    commit = GroupCommit(store)
    assert (commit.away, commit.answer("p1")) == (None, None)
    commit.close()
    store.close()


KILLED = """
import sys, threading
from pathlib import Path
from oracle.store import GroupCommit, Spool, Standby, Store
from tests.store.rows import prediction
from tests.store.test_standby import now
store = Store(f"sqlite:///{sys.argv[1]}/oracle.db", patience=0.05)
spool = Spool(Path(sys.argv[1]) / "spool", sys.argv[2])
commit = GroupCommit(store, patience=0.05, standby=Standby(store, spool, now, patience=0.05, every=0.02))
number = 0
said = threading.Lock()
def work(w):
    global number
    while True:
        with said:
            number += 1
            name = f"{sys.argv[2]}-{number}"
        if commit.submit(prediction(name, card="c" * 2000, answer=name)).result() is None:
            with said:
                print(f"p{name}", flush=True)
for w in range(4):
    threading.Thread(target=work, args=(w,)).start()
"""


@contextmanager
def process(house: House, name: str, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    with told.open("wb") as out:
        command = [sys.executable, "-c", KILLED, str(house.home), name]
        made = subprocess.Popen(command, stdout=out, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    try:
        yield made
    finally:
        made.kill()
        made.wait(LIMIT)


@pytest.mark.slow
def test_an_answer_that_was_given_outlives_a_kill_in_the_outage_and_one_while_it_is_brought_in(
    house: House, tmp_path: Path
):
    house.away()
    files = [tmp_path / "told-a", tmp_path / "told-b"]
    with process(house, "a", files[0]) as first:
        until(lambda: files[0].read_bytes().count(b"\n") > 1500, 60)
        first.send_signal(signal.SIGKILL)
        first.wait(LIMIT)
    with process(house, "b", files[1]) as second:
        until(lambda: files[1].read_bytes().count(b"\n") > 300, 60)
        house.back()
        until(lambda: len(house.kept()) > 200, 60)  # some are in
        second.send_signal(signal.SIGKILL)
        second.wait(LIMIT)
    acknowledged = {line for file in files for line in file.read_text().split("\n")[:-1]}
    last = house.writer("last")
    until(lambda: not last.standby.pending(), 60)
    assert acknowledged <= set(house.kept())
    assert len(acknowledged) > 1800
    assert left_behind(house.folder) == []


def test_a_journal_of_another_release_is_kept_and_not_thrown_away(house: House):
    foreign = Journal.make(house.folder, "foreign")
    foreign.append([b'{"v":9}', packed(Entry(prediction(5), None))])
    foreign.close()
    commit = house.writer()
    until(lambda: "p5" in house.kept())
    until(lambda: commit.standby.refused == 1)
    assert b'{"v":9}' in next(house.folder.glob("*.refused")).read_bytes()
    assert oracle.store.spool.MOST_BYTES > 10**8
