"""A sweep that is killed, wherever, and resumed: each trial exactly once in MLflow, none left RUNNING."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.tracking.connection import Tracking
from oracle.tuning.children import parent_of
from oracle.tuning.ledger import Ledger, State
from oracle.tuning.phase import Phase
from tests.tracking.stores import fresh_tracking
from tests.tuning.invented import FOLDS, TOTAL, Killed, begun, run


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return fresh_tracking(tmp_path_factory)


def children_of(tracking: Tracking, sweep: str) -> list:
    parent = parent_of(tracking, sweep)
    found = tracking.client.search_runs([tracking.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    return sorted(found, key=lambda r: int(r.data.tags["oracle.trial"]))


def as_it_should_be(tracking: Tracking, sweep: str, phase: Phase) -> None:
    runs = children_of(tracking, sweep)
    assert [r.data.tags["oracle.trial"] for r in runs] == [str(n) for n in range(TOTAL)]
    assert [r.info.status for r in runs] == ["FINISHED"] * TOTAL
    assert [r.data.tags["stopped_early"] for r in runs] == ["false", "true", "false"]
    for record, child in zip(phase.records, runs, strict=True):
        folds = 1 if record.number == 1 else FOLDS
        curve = tracking.client.get_metric_history(child.info.run_id, "fold.log_loss")
        assert [(m.step, m.value) for m in curve] == [(i, f["log_loss"]) for i, f in enumerate(record.folds)]
        assert len(record.folds) == folds
        assert child.data.params["members.win.l2"] == str(record.point["win/l2"])
        assert child.data.metrics["trial.against_shipped"] == record.value
    assert [r.state for r in phase.records] == [State.FINISHED, State.STOPPED_EARLY, State.FINISHED]


def test_trials_become_children_with_parameters_metrics_curve_and_duration(tracking: Tracking, tmp_path: Path) -> None:
    phase = begun(tracking, tmp_path, "whole")
    run(phase)
    as_it_should_be(tracking, "whole", phase)
    child = children_of(tracking, "whole")[0]
    assert child.data.metrics["trial.seconds"] == 2.0
    assert child.data.metrics["trial.folds"] == 2.0
    assert child.data.params["trial.member"] == "win"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [4, 6, 7, 8, 10, 12, 13, 16, 18])
def test_killed_at_any_step_and_resumed_it_is_as_if_nothing_had_happened(
    tracking: Tracking, tmp_path: Path, step: int, after: bool
) -> None:
    sweep = f"killed-{step}-{after}"
    with pytest.raises(Killed):
        run(begun(tracking, tmp_path, sweep, dies_at=step, after=after))
    points = {r.number: r.point for r in Ledger(tmp_path).records("members")}
    phase = begun(tracking, tmp_path, sweep)
    run(phase, starts=1)
    as_it_should_be(tracking, sweep, phase)
    assert {n: phase.records[n].point for n in points} == points, "an unfinished trial goes on with what it tried"


def test_what_is_proposed_after_a_kill_is_what_would_have_been(tracking: Tracking, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(begun(tracking, tmp_path / "a", "a", dies_at=14))
    killed, whole = begun(tracking, tmp_path / "a", "a"), begun(tracking, tmp_path / "b", "b")
    run(killed, starts=1)
    run(whole)
    assert [r.point for r in killed.records] == [r.point for r in whole.records]


def test_a_finished_phase_has_nothing_left_and_may_be_given_more(tracking: Tracking, tmp_path: Path) -> None:
    run(begun(tracking, tmp_path, "more"))
    again = begun(tracking, tmp_path, "more")
    assert again.remaining == 0
    again.total += 1
    assert again.remaining == 1


def test_trials_that_were_cut_off_are_killed_until_they_go_on(tracking: Tracking, tmp_path: Path) -> None:
    phase = begun(tracking, tmp_path, "cut")
    for name in ("reference", "one"):
        config = phase.suggest(name)
        phase.started(name)
        if name == "reference":
            from tests.tuning.invented import result

            for fold in range(FOLDS):
                phase.judged(name, result(fold, 0))
            phase.completed(name)
    assert config is not None
    phase.completed("one")
    phase.children.interrupt()
    (child,) = children_of(tracking, "cut")
    assert (child.info.status, child.data.tags["interrupted"]) == ("KILLED", "true")
    again = begun(tracking, tmp_path, "cut")
    run(again, starts=1)
    as_it_should_be(tracking, "cut", again)


def test_trials_wait_until_what_is_shipped_has_been_measured(tracking: Tracking, tmp_path: Path) -> None:
    phase = begun(tracking, tmp_path, "waits")
    assert phase.suggest("first") is not None
    assert phase.suggest("second") is None


def test_a_trial_that_raises_is_failed_with_its_reason_and_counted(tracking: Tracking, tmp_path: Path) -> None:
    from tests.tuning.invented import result

    phase = begun(tracking, tmp_path, "fails")
    phase.suggest("reference")
    phase.started("reference")
    for fold in range(FOLDS):
        phase.judged("reference", result(fold, 0))
    phase.completed("reference")
    phase.suggest("one")
    phase.started("one")
    phase.failed("one", "ValueError: no")
    (child,) = children_of(tracking, "fails")
    assert (child.info.status, child.data.tags["failure"]) == ("FAILED", "ValueError: no")
    assert begun(tracking, tmp_path, "fails").remaining == TOTAL - 1


def test_a_shipped_member_that_cannot_be_measured_ends_the_sweep(tracking: Tracking, tmp_path: Path) -> None:
    phase = begun(tracking, tmp_path, "no-reference")
    phase.suggest("reference")
    phase.started("reference")
    phase.failed("reference", "ValueError: no")
    assert phase.fatal is not None
    assert "win" in phase.fatal.what


def test_a_run_that_somebody_deleted_is_made_again(tracking: Tracking, tmp_path: Path) -> None:
    phase = begun(tracking, tmp_path, "deleted")
    run(phase)
    tracking.client.delete_run(children_of(tracking, "deleted")[0].info.run_id)
    as_it_should_be(tracking, "deleted", begun(tracking, tmp_path, "deleted"))


def test_a_phase_that_has_become_void_is_taken_back(tracking: Tracking, tmp_path: Path) -> None:
    phase = begun(tracking, tmp_path, "void")
    run(phase)
    phase.children.withdraw("another")
    assert len(children_of(tracking, "void")) == TOTAL
    phase.children.withdraw("members")
    assert children_of(tracking, "void") == []


def test_a_sweep_resumed_with_fewer_trials_than_it_has_runs_none(tracking: Tracking, tmp_path: Path) -> None:
    run(begun(tracking, tmp_path, "fewer"))
    again = begun(tracking, tmp_path, "fewer")
    again.total = 1
    assert again.remaining == 0
