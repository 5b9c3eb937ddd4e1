"""Sweeps on a Ray of their own, as a user runs them: to the end, killed and resumed, interrupted, and as a job."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.data.dataset import Dataset
from oracle.settings import Settings
from oracle.tracking.connection import Tracking, connect
from oracle.tuning.children import parent_of
from oracle.tuning.ledger import Ledger
from tests.models import world
from tests.tracking.stores import fresh_home
from tests.training.commands import Ended, environment, oracle

PATIENCE = 120
"""Seconds that something may take to come about on a busy machine."""
TRIALS = 8
QUICK = ("--families", "conditional_logit,market_logit", "--cpus", "2")


@dataclass(frozen=True)
class Place:
    home: Path
    dataset: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home / "sweeps" / "world")

    @property
    def tracking(self) -> Tracking:
        return connect(Settings(home=self.home))

    def command(self, *more: object) -> list[str]:
        words = ["tune", "--data", self.dataset, "--trials", TRIALS, *QUICK, "--json", *more]
        return [str(Path(sys.executable).with_name("oracle")), *map(str, words)]

    def children(self) -> list[Any]:
        parent = parent_of(self.tracking, self.ledger.asked()["id"])
        return [r for r in self.runs() if r.data.tags.get("mlflow.parentRunId") == parent]

    def runs(self) -> list[Any]:
        tracking = self.tracking
        return list(tracking.client.search_runs([tracking.experiment_id]))


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    dataset = tmp_path_factory.mktemp("data") / "world"
    Dataset(str(dataset)).append(world.results())
    return Place(fresh_home(tmp_path_factory), dataset)


@contextlib.contextmanager
def running(place: Place, *more: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a sweep in a session of its own; whatever is left of it ends with the block."""
    process = subprocess.Popen(
        place.command(*more),
        env=environment(place.home),
        cwd=place.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Return once the condition holds; the process must not end before."""
    for _ in range(PATIENCE * 10):
        if condition():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"ended with {process.wait(0.1)} before the condition held")
    raise AssertionError("the condition never held")


def ended(place: Place) -> int:
    return sum(r.ended for r in place.ledger.records("members"))


def gone(place: Place) -> bool:
    """Return whether no process is left that was started for this home: Ray's carry it in their environment."""
    marked = f"ORACLE_HOME={place.home}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marked in (folder / "environ").read_bytes().split(b"\0"):
                return False
    return True


def until_gone(place: Place) -> None:
    """Return once every process of the home has ended."""
    waiting = threading.Event()
    for _ in range(PATIENCE * 5):
        if gone(place):
            return
        waiting.wait(0.2)
    raise AssertionError("processes of the sweep outlived it")


def whole(place: Place) -> None:
    """Assert that MLflow holds every trial exactly once, all ended, under a run that has ended."""
    runs = place.children()
    tags = [(r.data.tags["oracle.phase"], r.data.tags["oracle.trial"]) for r in runs]
    assert len(tags) == len(set(tags)) == TRIALS
    assert {r.info.status for r in runs} == {"FINISHED"}
    everything = place.runs()
    assert len(everything) == TRIALS + 1
    assert {r.info.status for r in everything} == {"FINISHED"}
    for run in runs:
        steps = [m.step for m in place.tracking.client.get_metric_history(run.info.run_id, "fold.log_loss")]
        assert steps == list(range(int(run.data.metrics["trial.folds"])))


@pytest.mark.cluster
def test_a_sweep_whose_driver_is_killed_goes_on_and_each_trial_is_there_once(place: Place) -> None:
    with running(place) as process:
        until(lambda: ended(place) >= 2, process)
        process.kill()
        process.wait(60)
    until_gone(place)
    before = {r.number: r.point for r in place.ledger.records("members")}
    assert 0 < len(before) < TRIALS
    resumed = oracle(place.home, *place.command("--resume")[1:])
    assert resumed.code == 0, resumed.err
    assert resumed.document["complete"] is True
    assert resumed.document["trials"]["done"] == TRIALS
    whole(place)
    after = {r.number: r.point for r in place.ledger.records("members")}
    assert {n: after[n] for n in before} == before
    until_gone(place)
    as_documented(place, resumed)


def as_documented(place: Place, done: Ended) -> None:
    """Assert that a finished sweep left what the docs say, has nothing left to do, and that its recipe trains."""
    verdicts = {one["verdict"] for one in done.document["verdict"].values()}
    assert verdicts <= {"better", "not better", "not enough evidence"}
    assert "trials done" in done.err, "progress stands on standard error"
    parent = place.tracking.client.get_run(done.document["run_id"])
    assert parent.data.metrics["sweep.trials"] == TRIALS
    kept = {f.path for f in place.tracking.client.list_artifacts(parent.info.run_id)}
    assert {"recipe.json", "tuned.json", "outcome.json", "trials.json", "trials.csv", "plots"} <= kept
    again = oracle(place.home, *place.command("--resume")[1:])
    assert again.document == done.document
    trained = oracle(place.home, "train", "--data", place.dataset, "--recipe", done.document["recipe"], "--json")
    assert trained.code == 0, trained.err
    files = [f.path for f in place.tracking.client.list_artifacts(trained.document["run_id"])]
    assert "recipe.json" in files


@pytest.mark.cluster
def test_ctrl_c_ends_with_130_and_leaves_nothing_running(place: Place) -> None:
    with running(place) as process:
        until(lambda: ended(place) >= 1, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["error"]["kind"] == "Stopped"
    until_gone(place)
    statuses = {r.info.status for r in place.runs()}
    assert "RUNNING" not in statuses
    assert "KILLED" in statuses


@pytest.mark.cluster
def test_a_time_budget_ends_the_search_with_the_best_so_far(place: Place) -> None:
    done = oracle(place.home, *place.command("--time-budget", "1")[1:])
    assert done.code == 0, done.err
    assert done.document["complete"] is False
    assert done.document["recommends"] == "shipped"
    assert {v["verdict"] for v in done.document["verdict"].values()} == {"not enough evidence"}
    assert "RUNNING" not in {r.info.status for r in place.runs()}
    until_gone(place)
