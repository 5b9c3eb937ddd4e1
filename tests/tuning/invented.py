"""A phase without Ray: trials are invented, the ledger and MLflow are real, and a kill can fall on any step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from oracle.tracking.connection import Tracking
from oracle.tracking.runs import again, begin
from oracle.tuning.children import Children, parent_of, tags_of
from oracle.tuning.ledger import Ledger, Record
from oracle.tuning.phase import REFERENCES, Phase
from oracle.tuning.space import Real

SPACES = {"win": {"l2": Real(0.1, 100.0, log=True)}}
TOTAL, FOLDS = 3, 2


class Killed(BaseException):
    """What SIGKILL leaves: nothing after it is done."""


class Mortal:
    """Calls through to an object, and dies at the call of a given number, before or after it is done."""

    def __init__(self, wrapped: Any, countdown: list[int], *names: str, after: bool) -> None:
        self.wrapped, self.countdown, self.names, self.after = wrapped, countdown, names, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.wrapped, name)
        if name not in self.names:
            return found

        def call(*arguments: Any) -> Any:
            self.countdown[0] -= 1
            if self.countdown[0] == 0 and not self.after:
                raise Killed
            done = found(*arguments)
            if self.countdown[0] == 0:
                raise Killed
            return done

        return call


def begun(tracking: Tracking, folder: Path, sweep: str, dies_at: int = 0, after: bool = False) -> Phase:
    """Return the phase as a driver that starts, or starts again, makes it."""
    parent = parent_of(tracking, sweep)
    recorder = begin(tracking, "tune", tags_of(sweep)) if parent is None else again(tracking, parent)
    countdown = [dies_at]
    ledger = Mortal(Ledger(folder), countdown, "put", "put_scores", after=after)
    children = Mortal(Children(tracking, sweep, recorder.run_id), countdown, "start", "fold", "end", after=after)

    def config(record: Record, phase: Phase) -> dict[str, Any]:
        return {"shipped": None if record.phase == REFERENCES else phase.shipped_losses("win")}

    return Phase(
        "members",
        ledger,  # type: ignore[arg-type]  # behaves like one until it dies
        children,  # type: ignore[arg-type]
        "member",
        SPACES,
        TOTAL,
        FOLDS,
        7,
        config,
        references=[{"member": "win", "win/l2": 10.0}],
    )


def run(phase: Phase, starts: int = 0) -> None:
    """Run what remains, one trial after the other, as Tune calls a phase; trial 1 is stopped early."""
    for number in range(phase.remaining):
        name = f"{starts}-{number}"
        config = phase.suggest(name)
        assert config is not None
        phase.started(name)
        for fold in range(len(config["losses"]), FOLDS):
            early = config["phase"] == "members" and config["number"] == 1 and fold == 0
            if early:
                phase.given_up(name)
            phase.judged(name, result(fold, config["number"]))
            if early:
                break
        phase.completed(name)


def result(fold: int, number: int) -> dict[str, Any]:
    """Return what an invented trial reports of a fold."""
    loss = 2.0 + 0.1 * fold - 0.01 * number
    measured = {"log_loss": loss, "against_shipped": -0.01 * number, "races": 50.0, "seconds": 1.0}
    return {"fold": fold, "value": -0.01 * number, "scores": np.full(3, float(number)), "measured": measured}
