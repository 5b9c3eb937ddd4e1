"""Nothing acknowledged is lost and nothing is there twice, whoever is killed while he writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.store import GroupCommit, Store
from tests.store.postgres import PostgreSQL
from tests.store.rows import prediction, scoring

WRITER = """
import sys, threading
sys.path.insert(0, sys.argv[3])
from oracle.store import GroupCommit, Store
from tests.store.rows import prediction, scoring
address, name = sys.argv[1:3]
commit = GroupCommit(Store(address))
said = threading.Lock()

def submit(worker):
    number = 0
    while True:
        key = f"{name}-{worker}-{number}"
        future = commit.submit(prediction(key, card="c" * 2000, answer=key), scoring(key))
        if future.result() is None:
            with said:
                sys.stdout.write(f"p{key}\\n")
                sys.stdout.flush()
        number += 1

for worker in range(8):
    threading.Thread(target=submit, args=(worker,)).start()
"""
REPOSITORY = str(Path(__file__).parents[2])
LIMIT = 60.0


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition, with a limit."""
    begun = time.perf_counter()
    pause = threading.Event()
    while not true():
        assert time.perf_counter() - begun < LIMIT, "it never came"
        pause.wait(0.02)


def writer(address: str, name: str, told: Path) -> subprocess.Popen[bytes]:
    with told.open("wb") as out:
        command = [sys.executable, "-c", WRITER, address, name, REPOSITORY]
        return subprocess.Popen(command, stdout=out, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": REPOSITORY})


def test_a_killed_writer_loses_no_acknowledged_prediction(address: str, opened: Callable[..., Store], tmp_path: Path):
    """Two processes write to one database under load and are killed at once, in the middle of it."""
    opened()
    files = [tmp_path / f"told-{i}" for i in range(2)]
    processes = [writer(address, f"w{i}", file) for i, file in enumerate(files)]
    until(lambda: all(file.read_bytes().count(b"\n") >= 150 for file in files))
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
    acknowledged = [line for file in files for line in file.read_text().split("\n")[:-1]]
    store = opened()
    kept = [p.prediction_id for p in store.predictions.between()]
    assert len(acknowledged) >= 300
    assert len(set(kept)) == len(kept)
    assert set(acknowledged) <= set(kept)
    assert store.scorings.count() == len(kept)


@pytest.mark.services
@pytest.mark.parametrize("how", ["the server is killed and restarted", "the connections are cut, again and again"])
def test_a_database_that_goes_away_and_comes_back_costs_no_row_and_doubles_none(postgres: PostgreSQL, how: str):
    store = Store(postgres.address)
    before = store.predictions.count()
    commit = GroupCommit(store, patience=30)
    told: list[str | None] = []
    stop = threading.Event()

    def submit(worker: int) -> None:
        number = 0
        while not stop.is_set():
            key = f"{how}-{worker}-{number}"
            told.append(commit.submit(prediction(key, answer=key), scoring(key)).result(LIMIT))
            number += 1

    workers = [threading.Thread(target=submit, args=(w,)) for w in range(8)]
    for worker in workers:
        worker.start()
    rounds = 2 if "killed" in how else 8
    for _ in range(rounds):
        seen = len(told)
        until(lambda seen=seen: len(told) > seen + 50)
        if "killed" in how:
            postgres.kill()
            postgres.start()
        else:
            postgres.terminate_others()
    seen = len(told)
    until(lambda: len(told) > seen + 50)
    stop.set()
    for worker in workers:
        worker.join(LIMIT)
    commit.close()
    assert set(told) == {None}, "each was written by its own attempt"
    assert store.predictions.count() - before == len(told)
    assert len({p.prediction_id for p in store.predictions.between()}) == store.predictions.count()
    store.close()
