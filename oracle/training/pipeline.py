"""The training run as a whole, and the evaluation of a model on later races."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle import process, store
from oracle.ensemble.fit import Fitted, judge
from oracle.ensemble.honesty import Honesty
from oracle.ensemble.race_model import RaceModel
from oracle.ensemble.recipe import SHIPPED, Recipe
from oracle.progress import Progress, silent
from oracle.registry import authority
from oracle.registry.lifecycle import register
from oracle.registry.versions import ModelVersion, resolve, serving
from oracle.settings import Settings
from oracle.tracking.connection import connect
from oracle.tracking.provenance import provenance
from oracle.tracking.runs import run
from oracle.training.history import read
from oracle.training.learning import example_of, learn
from oracle.training.record import calibration_told


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind."""

    version: ModelVersion
    run_id: str
    fitted: Fitted
    honesty: Honesty
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return what `oracle train --json` prints."""
        return {
            "model_version": self.version.number,
            "semver": str(self.version.semver),
            "aliases": list(self.version.aliases),
            "run_id": self.run_id,
            "test": self.fitted.test.as_dict(),
            "calibration": calibration_told(self.fitted),
            "honesty": self.honesty.as_dict(),
            "weights": {
                "form": dict(self.fitted.form.weights),
                "model": dict(self.fitted.market.weights) if self.fitted.market else None,
            },
            "seconds": round(self.seconds, 1),
            "peak_memory_mb": round(process.peak_memory_mb()),
        }


def train(
    data: str,
    settings: Settings,
    *,
    progress: Progress = silent,
    recipe: Recipe = SHIPPED,
    now: dt.datetime | None = None,
) -> Trained:
    """Train on a dataset, record the run, register the model, and return both with the test report.

    The first model of a registry goes into service, where the settings do not want somebody's yes for that too; a later
    one waits as candidate.

    Args:
        data: Path of the dataset.
        settings: The tree in force.
        progress: Told of each long loop.
        recipe: What the ensemble is made of.
        now: The moment at which a first model goes into service; by default when it was registered.

    Raises:
        NoSuchDataset: there is no dataset at the path.
        NotEnoughData: too few races for training, validation and test.
        BrokenPipeline: a canary did better or worse than chance.
        Leak: the model, or a feature, knew the result.
        BelowGate: `gate.min_ndcg_at_3` is set and not reached.
        Unavailable: the tracking server does not answer; nothing has been trained.
    """
    began = time.perf_counter()
    history = read(data, progress, settings.market.overround)
    tracking = connect(settings)
    origin = provenance()
    with (
        run(tracking, f"train {history.name}") as recorder,
        tempfile.TemporaryDirectory(prefix="oracle-train-") as scratch,
    ):
        package = Path(scratch) / "package"
        learned = learn(history, settings, recorder, origin, package, recipe=recipe, progress=progress)
        example = example_of(history.frame)
        version = register(tracking, package, example, learned.facts, learned.run_id)
    if serving(tracking) is None:
        with closing(store.open(settings)) as kept:
            authority.of(settings, tracking, kept, now or version.created).first(version.number)
        version = resolve(tracking, version.number)
    return Trained(version, learned.run_id, learned.fitted, learned.honesty, time.perf_counter() - began)


def evaluate(data: str, model: RaceModel, settings: Settings, progress: Progress = silent) -> dict[str, Any]:
    """Return the report of a model on the races of a dataset that lie after everything it was fitted on.

    The history before is walked for the form; only later races are judged.

    Raises:
        NoSuchDataset: there is no dataset at the path.
        NotEnoughData: the dataset ends before the model's training does.
    """
    history = read(data, progress, model.about.overround)
    later = history.unseen(
        model.about.trained_through,
        "the dataset has no race after the model's training",
        "ingest later results, or evaluate an earlier version with --model-version",
    )
    report = judge(
        model.members, model.form, model.market, history.matrix.take(later), settings.evaluation, model.calibration
    )
    return {"trained_through": model.about.trained_through, "test": report.as_dict()}
