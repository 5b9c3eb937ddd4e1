"""The training run as a whole, and the evaluation of a model on later races."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oracle import process
from oracle.data.cards import cards_of
from oracle.data.dataset import Summary
from oracle.ensemble.about import About
from oracle.ensemble.fit import Fitted, fit, judge
from oracle.ensemble.honesty import Honesty
from oracle.ensemble.race_model import RaceModel, feature_version
from oracle.ensemble.recipe import SHIPPED, Recipe
from oracle.features.matrix import RaceMatrix
from oracle.progress import Progress, silent
from oracle.race import STARTED, RaceCard
from oracle.ranking.market import MULTIPLICATIVE
from oracle.registry.lifecycle import register
from oracle.registry.versioning import ModelFacts, digest_of
from oracle.registry.versions import ModelVersion
from oracle.settings import Settings
from oracle.tracking.connection import connect
from oracle.tracking.provenance import Provenance, provenance
from oracle.tracking.runs import run
from oracle.training.history import History, read
from oracle.training.honest import honesty, refuse
from oracle.training.record import calibration_told, parameters, record, record_honesty

RUNNERS_A_THREAD = 25_000
"""Runners below which another thread costs more than it brings."""

CARDS_TIMED = 100
"""Cards of the latest races that the latency of a prediction is measured on."""


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
    data: str, settings: Settings, *, promote: bool = False, progress: Progress = silent, recipe: Recipe = SHIPPED
) -> Trained:
    """Train on a dataset, record the run, register the model, and return both with the test report.

    Args:
        data: Path of the dataset.
        settings: The tree in force.
        promote: Let serving follow the new version even if there is one in production already.
        progress: Told of each long loop.
        recipe: What the ensemble is made of.

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
    with run(tracking, f"train {history.name}") as recorder:
        recorder.provenance(origin)
        recorder.params(parameters(history, settings))
        recorder.artifact_json("recipe.json", recipe.as_dict())
        fitted = fit(
            history.matrix,
            settings.split,
            settings.evaluation,
            settings.seed,
            _threads(history.matrix),
            progress,
            recipe,
            settings.calibration,
        )
        found = honesty(history, fitted, settings, progress)
        record_honesty(recorder, found)
        refuse(found, settings)
        model = _model(history, fitted, settings.market.overround)
        with tempfile.TemporaryDirectory(prefix="oracle-train-") as scratch:
            folder = Path(scratch) / "package"
            model.save(folder)
            record(recorder, history, fitted, _inference(folder, history), time.perf_counter() - began)
            version = register(
                tracking,
                folder,
                _example(history.frame),
                _facts(fitted, history.summary, origin, model.about.overround),
                recorder.run_id,
                promote=promote,
            )
    return Trained(version, recorder.run_id, fitted, found, time.perf_counter() - began)


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


def _threads(races: RaceMatrix) -> int:
    """Return how many threads a fit is worth: on few rows they wait for each other longer than they work."""
    return max(1, min(process.cores(), len(races.position) // RUNNERS_A_THREAD))


def _model(history: History, fitted: Fitted, overround: str) -> RaceModel:
    learned = fitted.split.train | fitted.split.validation
    about = About(
        feature_version=feature_version(),
        data_fingerprint=history.summary.fingerprint,
        first_date=str(history.matrix.dates.min()),
        trained_through=str(history.matrix.dates[learned].max()),
        state_through=str(history.matrix.dates.max()),
        races=int(learned.sum()),
        runners=int(history.matrix.sizes[learned].sum()),
        courses=tuple(sorted(history.frame["course"].dropna().unique())),
        countries=tuple(sorted(history.frame["country"].dropna().unique())),
        test=fitted.test.as_dict(),
        overround=overround,
    )
    calibration = {who: choice.calibration for who, choice in fitted.calibration.items()}
    return RaceModel(fitted.members, fitted.form, fitted.market, fitted.discount, history.state, about, calibration)


def _example(frame: pd.DataFrame) -> RaceCard:
    """Return the card of the latest race that was run by at least two."""
    started = frame[frame["status"].isin([str(s) for s in STARTED])]
    sizes = started.groupby("race_id", sort=False).size()
    last = sizes.index[sizes >= 2][-1]
    return next(cards_of(frame[frame["race_id"] == last]))


def _inference(folder: Path, history: History) -> dict[str, float]:
    """Return how fast the saved model loads and answers single cards, measured on the latest races."""
    began = time.perf_counter()
    model = RaceModel.load(folder)
    loading = time.perf_counter() - began
    wanted = set(history.matrix.race_id[-CARDS_TIMED:])
    cards = [
        card
        for card in cards_of(history.frame[history.frame["race_id"].isin(wanted)])
        if sum(not r.withdrawn for r in card.runners) >= 2
    ]
    model.predict(cards[:1])  # the first call compiles
    times = []
    for card in cards:
        began = time.perf_counter()
        model.predict([card])
        times.append(1000.0 * (time.perf_counter() - began))
    return {
        **{f"latency_ms_p{p}": float(np.percentile(times, p)) for p in (50, 95, 99)},
        "throughput": 1000.0 / float(np.mean(times)),
        "load_seconds": loading,
        "package_mb": sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6,
    }


def _facts(fitted: Fitted, summary: Summary, origin: Provenance, overround: str) -> ModelFacts:
    chosen = {name: member.hyperparameters() for name, member in fitted.watched.items()}
    shape = {name: {k: v for k, v in values.items() if k not in _LEARNED} for name, values in chosen.items()}
    return ModelFacts(
        families=tuple(sorted(fitted.members)),
        aggregation=_aggregation(fitted),
        hyperparameters=digest_of(shape),
        features=feature_version() + ("" if overround == MULTIPLICATIVE else f"+{overround}"),
        data=summary.fingerprint,
        code=origin.commit,
    )


def _aggregation(fitted: Fitted) -> str:
    """Return which members answer together and how they are pooled, without the weights that data decided."""
    pools = {"form": fitted.recipe.form} | ({"market": fitted.recipe.market} if fitted.market else {})
    return ";".join(f"{n}={p.aggregation},{p.weighing}({'+'.join(p.members)})" for n, p in pools.items())


_LEARNED = frozenset({"trees", "scale", "penalty", "exponent"})
"""What a fit chooses from the data: it differs between two trainings without anybody having changed a setting."""
