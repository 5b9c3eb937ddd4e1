"""Out-of-fold scores: what members would have said of later dates, each time learned from the dates before.

Expanding folds over the dates that may be learned from. A weight or a strength that is chosen on them has seen several
times the races of one validation period, and how members grow with their history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from oracle.data.splits import walk_forward
from oracle.errors import NotEnoughData
from oracle.features.matrix import RaceMatrix
from oracle.models.ranker import FittedRanker
from oracle.ranking.races import Floats
from oracle.ranking.report import scored

FOLDS = 5
FIRST_SHARE = 0.4
"""Share of the dates that the first fold learns from."""

FEWEST_RACES = 30
"""Priced races that a fold needs to learn from."""


def out_of_fold(
    fits: Mapping[str, Callable[[RaceMatrix], FittedRanker]], races: RaceMatrix, purge_days: int = 0
) -> Mapping[str, Floats]:
    """Return float64[N] per member; NaN on the first dates, which no fold predicts, and where there are too few races.

    Args:
        fits: By name, how a member learns from races.
        races: The races that may be learned from, with results.
        purge_days: Days before each predicted period that are not learned from.
    """
    out = {name: np.full(len(races.position), np.nan) for name in fits}
    try:
        folds = list(walk_forward(races.dates, FOLDS, FIRST_SHARE, purge_days))
    except NotEnoughData:
        return out
    for fold in folds:
        train, later = races.take(fold.train), races.take(fold.predict)
        if scored(train.market, train.offsets).sum() < FEWEST_RACES:
            continue
        for name, fit in fits.items():
            out[name][np.repeat(fold.predict, races.sizes)] = fit(train).score(later)
    return out
