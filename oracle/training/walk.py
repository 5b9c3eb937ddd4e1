"""Walking forward: a model trained anew before each stretch of dates, judged on it, with nothing from behind it.

What a user who retrains now and then would have seen; a single training before the test is what one who never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from oracle import process
from oracle.data.splits import Mask, split
from oracle.ensemble.fit import Fitted, fit
from oracle.ensemble.recipe import SHIPPED, Recipe
from oracle.errors import BadInput
from oracle.features.matrix import RaceMatrix
from oracle.models.market import FAMILY as MARKET
from oracle.progress import Progress
from oracle.ranking.calibration import UNCHANGED
from oracle.ranking.races import Floats, softmax
from oracle.ranking.report import NoResult, evaluate, pseudo_r2_gain, scored
from oracle.settings import Settings
from oracle.training.history import read

MOST_STRETCHES = 50


def fit_before(
    races: RaceMatrix, train: Mask, predict: Mask, settings: Settings, progress: Progress, recipe: Recipe = SHIPPED
) -> Fitted:
    """Return what a training on the earlier races gives; the stretch it is to predict is its test."""
    known = races.take(train | predict)
    share = len(np.unique(races.day[predict])) / len(np.unique(known.day))
    splits = settings.split.model_copy(update={"test_share": share})
    return fit(
        known,
        splits,
        settings.evaluation,
        settings.seed,
        process.cores(),
        progress,
        recipe,
        settings.calibration,
    )


def walk(data: str, stretches: int, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Return the report of models trained anew before each stretch of the test dates, all on the same races.

    Args:
        data: Path of the dataset.
        stretches: How often is trained; each training is that of `oracle train`, nothing is registered or recorded.
        settings: The tree in force.
        progress: Told of each long loop.

    Raises:
        BadInput: an impossible number of stretches.
        NoSuchDataset: there is no dataset at the path.
        NotEnoughData: too few races for training, validation and test.
    """
    races = read(data, progress, settings.market.overround).matrix
    test = split(races.dates, settings.split).test
    days = np.unique(races.day[test])
    most = min(MOST_STRETCHES, len(days))
    if not 1 <= stretches <= most:
        raise BadInput("number of stretches to walk", value=stretches, allowed=f"1 to {most}")
    answers: dict[str, Floats] = {}
    for stretch in np.array_split(days, stretches):
        predict = (races.day >= stretch[0]) & (races.day <= stretch[-1])
        purged = races.day < stretch[0] - settings.split.purge_days
        fitted = fit_before(races, purged, predict, settings, progress)
        for who, probability in _answers(fitted, races.take(predict)).items():
            answers.setdefault(who, np.full(len(races.position), np.nan))[np.repeat(predict, races.sizes)] = probability
    judged = races.take(test)
    return _report({w: p[np.repeat(test, races.sizes)] for w, p in answers.items()}, judged, stretches, settings)


def _answers(fitted: Fitted, races: RaceMatrix) -> Mapping[str, Floats]:
    """Return float64[N] win probabilities of each who answers."""
    scores = {name: member.score(races) for name, member in fitted.members.items()}
    pools = {"form": fitted.form} | ({"model": fitted.market} if fitted.market else {})
    found = {
        who: (fitted.calibration[who].calibration if who in fitted.calibration else UNCHANGED).apply(
            pool.probability(scores, races), races.offsets
        )
        for who, pool in pools.items()
    }
    return found | ({MARKET: softmax(scores[MARKET], races.offsets)} if MARKET in scores else {})


def _report(answers: Mapping[str, Floats], races: RaceMatrix, stretches: int, settings: Settings) -> dict[str, Any]:
    where = np.all([scored(p, races.offsets) for p in answers.values()], axis=0)
    reports = {
        who: evaluate(p, p, races.position, races.offsets, settings.evaluation, where=where).as_dict()
        for who, p in answers.items()
    }
    gain = None
    if "model" in answers:
        found = pseudo_r2_gain(
            answers["model"],
            answers[MARKET],
            races.position,
            races.offsets,
            races.meeting,
            settings.seed,
            settings.evaluation,
        )
        gain = None if isinstance(found, NoResult) else asdict(found)
    return {
        "stretches": stretches,
        "first_date": str(races.dates.min()),
        "last_date": str(races.dates.max()),
        "model": reports.get("model", reports["form"]),
        "form": reports["form"],
        "market": reports.get(MARKET),
        "gain_over_market": gain,
    }
