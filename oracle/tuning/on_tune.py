"""Ray Tune under a phase: a searcher that asks it, a scheduler that stops poor trials, a callback that tells it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.search import Searcher

from oracle.tuning.phase import REFERENCES, Phase, _nothing
from oracle.tuning.trainables import THREADS

REDUCTION = 2
"""After each rung (folds 1, 2, 4, ...) the better half of the trials goes on."""

Show = Callable[[Phase], None]


class Proposals(Searcher):
    """Hands Tune what the phase wants tried."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(metric="value", mode="min")
        self.phase = phase

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None to be asked again later."""
        return Searcher.FINISHED if self.phase.fatal else self.phase.suggest(trial_id)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the callback tells the phase."""

    def save(self, checkpoint_path: str) -> None:
        """Write an empty snapshot: the ledger is what a sweep resumes from."""
        Path(checkpoint_path).write_bytes(b"")

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing, for the same reason."""

    def __reduce__(self) -> Any:
        return _nothing, ()


class Halving(AsyncHyperBandScheduler):
    """Ray's asynchronous successive halving over folds, taught what the ledger knows; references always finish."""

    def __init__(self, phase: Phase) -> None:
        super().__init__("folds", "value", "min", max_t=phase.folds, grace_period=1, reduction_factor=REDUCTION)
        self.phase = phase
        nobody: Any = None
        for record in phase.records:
            stand_in: Any = SimpleNamespace(trial_id=f"earlier-{record.number}")
            self.on_trial_add(nobody, stand_in)
            values = [fold["against_shipped"] for fold in record.folds]
            for folds in range(1, len(values) + 1):
                told = {"folds": folds, "value": sum(values[:folds]) / folds}
                super().on_trial_result(nobody, stand_in, told)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return whether the trial goes on to its next fold."""
        action: str = super().on_trial_result(tune_controller, trial, result)
        if action == TrialScheduler.STOP and result["folds"] < self.phase.folds:
            if trial.config["phase"] == REFERENCES:
                return str(TrialScheduler.CONTINUE)
            self.phase.given_up(trial.trial_id)
        return action

    def __reduce__(self) -> Any:
        return _nothing, ()


class Bookkeeping(tune.Callback):
    """Tells the phase of every trial's start, folds and end, and shows how far it is."""

    def __init__(self, phase: Phase, show: Show) -> None:
        self.phase, self.show = phase, show
        self.shown = 0.0

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """A trial got its actor."""
        self.phase.started(trial.trial_id)

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002
        trials: list[Any],  # noqa: ARG002
        trial: Any,
        result: dict[str, Any],
        **info: Any,  # noqa: ARG002
    ) -> None:
        """A fold has been judged."""
        self.phase.judged(trial.trial_id, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """A trial ended."""
        self.phase.completed(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """A trial raised."""
        self.phase.failed(trial.trial_id, _cause(trial))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ARG002
        """Show the table, at most once a second."""
        now = time.perf_counter()
        if now - self.shown >= 1.0:
            self.shown = now
            self.show(self.phase)

    def __reduce__(self) -> Any:
        return _nothing, ()


def run(phase: Phase, trainable: Any, folder: Path, *, seconds: float | None, at_once: int | None, show: Show) -> None:
    """Run what remains of a phase, until all of it is done or the time is up.

    Args:
        phase: What to run.
        trainable: What a trial does, with its data in the object store.
        folder: Where Tune may keep its own files.
        seconds: Time for it; None for no bound. Trials that run at its end are cut off and stay unfinished.
        at_once: Most trials at the same time; None for as many as there are processors.
        show: Shows how far the phase is.

    Raises:
        OracleError: what trials are compared with could not be measured.
    """
    if not phase.remaining or (seconds is not None and seconds <= 0):
        return
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": THREADS}),
        tune_config=tune.TuneConfig(
            metric=None,
            mode=None,
            search_alg=Proposals(phase),
            scheduler=Halving(phase),
            num_samples=phase.remaining,
            max_concurrent_trials=at_once,
            time_budget_s=seconds,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=phase.name,
            storage_path=str(folder),
            callbacks=[Bookkeeping(phase, show)],
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    began = time.perf_counter()
    tuner.fit()
    phase.seconds = time.perf_counter() - began
    show(phase)
    if phase.fatal:
        raise phase.fatal


def _cause(trial: Any) -> str:
    """Return the last line of what a trial raised."""
    file = trial.error_file
    text = Path(file).read_text("utf-8", errors="replace") if file and Path(file).exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:1000] if lines else "its process died"
