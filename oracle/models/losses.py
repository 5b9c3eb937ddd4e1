"""The losses that the trees learn from: target, groups, objective and LightGBM's own words for each family.

Losses over one feature matrix err differently, which is what makes their blend better than each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from oracle.features.matrix import RaceMatrix
from oracle.models.places import DECAY, OUT, places
from oracle.ranking.outcome import relevance
from oracle.ranking.races import Floats, softmax, standing, sum_by_race

Objective = Callable[[Floats, lgb.Dataset], tuple[Floats, Floats]]

Loss = tuple[npt.NDArray[Any], npt.NDArray[Any] | None, Objective | None, dict[str, Any]]
"""Target of each runner, sizes of the races where they matter, our own objective if it is one, and parameters."""

Weights = tuple[float, ...]


def _lambdarank(train: RaceMatrix, decay: Weights = DECAY) -> Loss:  # noqa: ARG001 - one signature for every loss
    grades = np.rint(2 * relevance(train.position, train.offsets)).astype(np.int64)
    # Dead heats share gain, so grades come in halves: doubled here, and the gain table is spelled out to match.
    gain = [2.0 ** (g / 2) - 1.0 for g in range(int(grades.max(initial=0)) + 1)]
    own = {"objective": "lambdarank", "label_gain": gain, "lambdarank_truncation_level": 5}
    return grades, train.sizes, None, own


def _rank_xendcg(train: RaceMatrix, decay: Weights = DECAY) -> Loss:  # noqa: ARG001
    # The objective takes whole grades and no gain table, so a dead heat is rounded: two winners are both graded 3.
    grades = np.rint(relevance(train.position, train.offsets)).astype(np.int64)
    return grades, train.sizes, None, {"objective": "rank_xendcg"}


def _win(train: RaceMatrix, decay: Weights = DECAY) -> Loss:  # noqa: ARG001
    return (train.position == 1).astype(np.int64), None, None, {"objective": "binary"}


def _expected_finish(train: RaceMatrix, decay: Weights = DECAY) -> Loss:  # noqa: ARG001
    return -finish(train), None, None, {"objective": "regression"}


def _race_softmax(train: RaceMatrix, decay: Weights = DECAY) -> Loss:
    won = (train.position == 1).astype(np.float64)
    return won, train.sizes, race_softmax(train, decay), {"objective": "none", "min_sum_hessian_in_leaf": 5.0}


def _winner_softmax(train: RaceMatrix, decay: Weights = DECAY) -> Loss:  # noqa: ARG001
    won = (train.position == 1).astype(np.float64)
    return won, train.sizes, race_softmax(train, (1.0,)), {"objective": "none"}


def race_softmax(train: RaceMatrix, decay: Weights = DECAY) -> Objective:
    """Return gradient and hessian of the Plackett-Luce likelihood of the first places, each weighted by `decay`.

    The gradient of each stage is probability minus outcome; the hessian is its diagonal, as is usual for boosting.
    """
    stages = places(train, decay)

    def objective(score: Floats, _data: lgb.Dataset) -> tuple[Floats, Floats]:
        gradient, hessian = np.zeros_like(score), np.full_like(score, 1e-6)
        for active, outcome, weight in stages:
            probability = softmax(np.where(active, score, OUT), train.offsets)
            gradient += weight * (probability - outcome)
            hessian += weight * probability * (1.0 - probability)
        return gradient, hessian

    return objective


def finish(races: RaceMatrix) -> Floats:
    """Return float64[N], where each runner finished as a normal score: below 0 for the better half of its field.

    The position is made a share of the starters, (position - 0.5) / n, so that fifth of five and fifth of twenty
    differ, and the share a normal deviate (Blom 1958), so that a place at the front counts for more than one at the
    back. Dead-heaters get the mean of the places they hold. Who did not finish was beaten by all who did and shares
    the places left behind, so a race without any finisher is 0 throughout and teaches nothing.
    """
    ahead, level = standing(-races.position, races.offsets)
    finished = level > 0
    finishers = np.repeat(sum_by_race(finished, races.offsets), races.sizes)
    starters = np.repeat(races.sizes, races.sizes)
    place = np.where(finished, ahead + (level + 1) / 2.0, (finishers + 1.0 + starters) / 2.0)
    return np.asarray(ndtri((place - 0.5) / starters), dtype=np.float64)


LOSSES: dict[str, Callable[..., Loss]] = {
    "lambdarank": _lambdarank,
    "rank_xendcg": _rank_xendcg,
    "race_softmax": _race_softmax,
    "win": _win,
    "expected_finish": _expected_finish,
    "winner_softmax": _winner_softmax,
}
"""Each takes the races to learn from, and the weights of the places (which only those in `WEIGHS_PLACES` use)."""

WEIGHS_PLACES = frozenset({"race_softmax"})
"""Losses that weigh the places by the policy's `decay`."""

AS_CHANCES = frozenset({"win"})
"""Losses whose training scores LightGBM hands out as probabilities; all others as they are."""
