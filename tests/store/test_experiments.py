"""Experiments: the first writer wins, the log only grows, and a plan that was edited is known as such."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from oracle.errors import BadInput
from oracle.store import Store
from oracle.store.experiments import ExperimentEnded, ExperimentExists, NoSuchExperiment, fingerprint
from tests.store.rows import NOON, experiment

LATER = NOON + dt.timedelta(days=1)


def test_an_experiment_is_started_ramped_and_ended_and_each_step_is_in_the_log(store: Store):
    assert store.experiments.start(experiment()) == experiment()
    assert store.experiments.running() == [experiment()]
    ramped = store.experiments.ramp("t1", (0.3,), "ben", "all is well", LATER)
    assert ramped.shares == (0.3,)
    ended = store.experiments.end("t1", "rolled_back", "too slow", "the guardrails", LATER)
    assert (ended.status, ended.ended_at, ended.reason) == ("rolled_back", LATER, "too slow")
    assert store.experiments.running() == []
    assert store.experiments.get("t1") == ended
    log = [(c.what, c.actor, c.why, c.shares) for c in store.experiments.changes("t1")]
    assert log == [
        ("started", "anna", None, (0.1,)),
        ("ramped", "ben", "all is well", (0.3,)),
        ("rolled_back", "the guardrails", "too slow", (0.0,)),
    ]


def test_the_same_again_changes_nothing(store: Store):
    for _ in range(2):
        store.experiments.start(experiment())
        store.experiments.ramp("t1", (0.2,), "ben", None, LATER)
    store.experiments.end("t1", "stopped", "first", "anna", LATER)
    second = store.experiments.end("t1", "shipped", "second", "ben", LATER)
    assert (second.status, second.reason) == ("stopped", "first")
    assert [c.what for c in store.experiments.changes("t1")] == ["started", "ramped", "stopped"]
    assert store.experiments.latest() == 3


def test_of_many_who_start_at_once_one_wins(opened: Callable[..., Store]):
    stores = [opened() for _ in range(4)]

    def start(number: int) -> str:
        try:
            stores[number].experiments.start(experiment(f"t{number}"))
        except ExperimentExists:
            return "refused"
        return "started"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(start, range(4))) == ["refused"] * 3 + ["started"]
    assert len(stores[0].experiments.all()) == 1


def test_a_name_is_used_once_and_one_experiment_runs_at_a_time(store: Store):
    store.experiments.start(experiment())
    with pytest.raises(ExperimentExists, match="oracle ab stop t1"):
        store.experiments.start(experiment("t2"))
    store.experiments.end("t1", "stopped", "enough", "anna", LATER)
    with pytest.raises(ExperimentExists, match="another name"):
        store.experiments.start(experiment(started_at=LATER))
    store.experiments.start(experiment("t2"))


def test_what_is_not_there_or_has_ended_is_refused(store: Store):
    assert store.experiments.get("t1") is None
    with pytest.raises(NoSuchExperiment, match="none was started yet"):
        store.experiments.ramp("t1", (0.2,), "anna", None, LATER)
    store.experiments.start(experiment())
    with pytest.raises(NoSuchExperiment, match="t1"):
        store.experiments.end("tt", "stopped", "x", "anna", LATER)
    with pytest.raises(BadInput, match="stopped, rolled_back, shipped"):
        store.experiments.end("t1", "running", "x", "anna", LATER)
    store.experiments.end("t1", "stopped", "x", "anna", LATER)
    with pytest.raises(ExperimentEnded, match="stopped"):
        store.experiments.ramp("t1", (0.2,), "anna", None, LATER)


@pytest.mark.parametrize("shares", [(1.5,), (-0.1,), (0.1, 0.1), (), (float("nan"),)])
def test_an_impossible_split_is_refused(store: Store, shares: tuple[float, ...]):
    with pytest.raises(BadInput, match="1 shares, each from 0 to 1"):
        store.experiments.start(experiment(shares=shares))
    store.experiments.start(experiment())
    with pytest.raises(BadInput, match="split"):
        store.experiments.ramp("t1", shares, "anna", None, LATER)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE experiments SET plan = 'x'",
        f"UPDATE experiments SET plan = 'x', fingerprint = '{fingerprint('x')}'",
    ],
    ids=["the plan", "the plan and its hash"],
)
def test_a_plan_that_was_edited_is_known_as_such(store: Store, edit: str):
    store.experiments.start(experiment())
    assert not store.experiments.get("t1").edited
    store.database.write(lambda connection: connection.exec_driver_sql(edit))
    assert store.experiments.get("t1").edited
    assert store.experiments.running()[0].edited


@pytest.mark.parametrize("change", ["UPDATE experiment_changes SET actor = 'nobody'", "DELETE FROM experiment_changes"])
def test_the_database_itself_keeps_the_log_from_being_changed(store: Store, change: str):
    store.experiments.start(experiment())
    with pytest.raises((sa.exc.SQLAlchemyError, Exception), match="append-only"):
        store.database.write(lambda connection: connection.exec_driver_sql(change))
    assert [c.actor for c in store.experiments.changes("t1")] == ["anna"]
