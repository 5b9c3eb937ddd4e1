"""What NDCG@3 a model must expect on a card, before the race is run: from its own win probabilities, exactly. Pure.

The gain of a runner is known once its place is, and its chances to be first, second and third follow from the win
probabilities of the race (Plackett and Luce, in racing Harville). NDCG is linear in the gains, and with three finishers
or more every race has the same ideal, so the expected value of a ranking is a sum over its first three runners.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from oracle.ranking.plackett_luce import Discount, place
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets, standing, sum_by_race
from oracle.settings import EvaluationPolicy

REAL = Discount(0.81, 0.69, 0.59)
"""Powers of the later places that real races show (docs/metrics.md); a favourite that did not win still runs well."""

SMALLEST = 1e-9
"""Smallest chance: behind a certain winner somebody must still be second."""


def expected_ndcg(
    score: ArrayLike,
    win: ArrayLike,
    offsets: Ints,
    levels: tuple[float, ...] = EvaluationPolicy().relevance,
    discount: Discount = REAL,
) -> Floats:
    """Return float64[R]: the NDCG@3 that a ranking is expected to have if the win probabilities are right.

    NaN in a race that holds a NaN or fewer runners than places that earn a gain.

    Args:
        score: float64[N], what the runners are ranked by; ties share their ranks.
        win: float64[N], win probabilities.
        offsets: int64[R + 1].
        levels: Relevance of the first three.
        discount: How much less win probabilities say of the later places.

    >>> from oracle.ranking.races import offsets_of
    >>> # the winner is certain, the order behind it is not
    >>> expected_ndcg([3.0, 2.0, 1.0], [1.0, 0.0, 0.0], offsets_of([3])).round(3).tolist()
    [0.986]
    """
    score, win = as_floats(score), np.maximum(as_floats(win), SMALLEST)
    offsets = as_offsets(offsets, win.size)
    sizes = np.diff(offsets)
    up_to = [np.zeros(win.size)]
    for places in range(1, len(levels) + 1):
        up_to.append(place(win, offsets, places, discount))
    gain = sum((2.0**level - 1.0) * (up_to[i + 1] - up_to[i]) for i, level in enumerate(levels))
    steps = 1.0 / np.log2(np.arange(2, len(levels) + 2))
    reach = np.concatenate(([0.0], np.cumsum(steps)))
    ahead, level = standing(score, offsets)
    last = len(levels)
    weight = (reach[np.minimum(ahead + level, last)] - reach[np.minimum(ahead, last)]) / np.maximum(level, 1)
    ideal = float(((2.0 ** np.asarray(levels) - 1.0) * steps).sum())
    unknown = (sum_by_race(np.isnan(score) | np.isnan(win), offsets) > 0) | (sizes < last)
    return np.where(unknown, np.nan, sum_by_race(gain * weight, offsets) / ideal)
