"""From a history to a package: fitted, judged, recorded in its run, and saved; nothing is registered here.

A training and a retraining learn in the same way. They differ in what becomes of the package: the one is registered at
once, the other has to prove itself first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from oracle import process
from oracle.data.cards import cards_of
from oracle.data.dataset import Summary
from oracle.ensemble.about import About
from oracle.ensemble.fit import Fitted, fit
from oracle.ensemble.honesty import Honesty
from oracle.ensemble.race_model import RaceModel, feature_version
from oracle.ensemble.recipe import SHIPPED, Recipe
from oracle.features.matrix import RaceMatrix
from oracle.progress import Progress, silent
from oracle.race import STARTED, RaceCard
from oracle.ranking.market import MULTIPLICATIVE
from oracle.ranking.races import Floats
from oracle.registry.versioning import ModelFacts, digest_of
from oracle.settings import Settings
from oracle.tracking.provenance import Provenance
from oracle.tracking.runs import Recorder
from oracle.training.history import History
from oracle.training.honest import honesty, refuse
from oracle.training.record import parameters, record, record_honesty
from oracle.watching import reference

RUNNERS_A_THREAD = 25_000
"""Runners below which another thread costs more than it brings."""

CARDS_TIMED = 100
"""Cards of the latest races that the latency of a prediction is measured on."""


@dataclass(frozen=True)
class Learned:
    """A fitted model, saved as a package, with all that a registration asks for."""

    package: Path
    facts: ModelFacts
    run_id: str
    """The run that it was recorded in."""
    fitted: Fitted
    honesty: Honesty


def learn(
    history: History,
    settings: Settings,
    recorder: Recorder,
    origin: Provenance,
    package: Path,
    *,
    recipe: Recipe = SHIPPED,
    progress: Progress = silent,
) -> Learned:
    """Fit on a history, judge, record, and save the model as a package.

    Args:
        history: What is learned from; its latest dates are the test.
        settings: The tree in force.
        recorder: The run that everything is recorded in.
        origin: Code and libraries, for the run and the version number.
        package: Folder that the model is saved to.
        recipe: What the ensemble is made of.
        progress: Told of each long loop.

    Raises:
        NotEnoughData: too few races for training, validation and test.
        BrokenPipeline: a canary did better or worse than chance.
        Leak: the model, or a feature, knew the result.
        BelowGate: `gate.min_ndcg_at_3` is set and not reached.
    """
    began = time.perf_counter()
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
    seen = reference.measured(history.frame, history.matrix, fitted.split.test, model, settings.drift)
    model.save(package, reference.files(seen))
    record(recorder, history, fitted, _inference(package, history), history.seconds + time.perf_counter() - began)
    facts = _facts(fitted, history.summary, origin, model.about.overround)
    return Learned(package, facts, recorder.run_id, fitted, found)


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


def example_of(frame: pd.DataFrame) -> RaceCard:
    """Return the card of the latest race that was run by at least two."""
    started = frame[frame["status"].isin([str(s) for s in STARTED])]
    sizes = started.groupby("race_id", sort=False).size()
    last = sizes.index[sizes >= 2][-1]
    return next(cards_of(frame[frame["race_id"] == last]))


def latest_cards(history: History) -> list[RaceCard]:
    """Return the cards of the latest races, as many as the latency of a prediction is measured on."""
    wanted = set(history.matrix.race_id[-CARDS_TIMED:])
    rows = history.frame[history.frame["race_id"].isin(wanted)]
    return [card for card in cards_of(rows) if sum(not r.withdrawn for r in card.runners) >= 2]


def latencies(model: RaceModel, cards: Sequence[RaceCard]) -> Floats:
    """Return how long a model takes to answer each card alone, milliseconds."""
    model.predict(cards[:1])  # the first call compiles
    times = []
    for card in cards:
        began = time.perf_counter()
        model.predict([card])
        times.append(1000.0 * (time.perf_counter() - began))
    return np.array(times)


def _inference(folder: Path, history: History) -> dict[str, float]:
    """Return how fast the saved model loads and answers single cards, measured on the latest races."""
    began = time.perf_counter()
    model = RaceModel.load(folder)
    loading = time.perf_counter() - began
    times = latencies(model, latest_cards(history))
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
