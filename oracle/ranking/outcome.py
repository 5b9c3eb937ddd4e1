"""What a result makes of each runner: did its race count, what gain is it worth, did it win, was it placed.

A position is the official one; NaN means that the runner started and did not finish, or was disqualified. The order is
counted among the race's own finishers, so two dead-heating firsts occupy places one and two, whatever the source
calls the next one. On the rows of a race that does not count every answer is NaN, and the metrics carry that on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from oracle.ranking.races import Bools, Floats, Ints, as_floats, as_offsets, standing, sum_by_race
from oracle.settings import EvaluationPolicy

ANY_RESULT = EvaluationPolicy(min_finishers=2)
"""The most generous policy: every race in which at least two finished. For fitting, where no race is too easy."""


def counted(position: ArrayLike, offsets: Ints, policy: EvaluationPolicy) -> Bools:
    """Return bool[R]: True where at least `policy.min_finishers` finished (so there is a result, and a field)."""
    position = as_floats(position)
    offsets = as_offsets(offsets, position.size)
    return sum_by_race(~np.isnan(position), offsets) >= policy.min_finishers


def gains(position: ArrayLike, offsets: Ints, policy: EvaluationPolicy) -> Floats:
    """Return float64[N]: 2**relevance - 1 of the runner's place; runners in a dead heat share theirs equally.

    Two dead-heating firsts get (7 + 3) / 2 each and the next runner 1: the race has the same gain to give with or
    without the dead heat, and no order of the two is better than the other. 0 for the unplaced and for non-finishers,
    NaN in races that do not count. The exponential gain is that of Burges et al. (2005), LightGBM's default.

    >>> from oracle.ranking.races import offsets_of
    >>> gains([1, 1, 3, 4, np.nan], offsets_of([5]), EvaluationPolicy()).tolist()
    [5.0, 5.0, 1.0, 0.0, 0.0]
    """
    return _only(counted(position, offsets, policy), offsets, _gains(position, offsets, policy.relevance))


def relevance(position: ArrayLike, offsets: Ints, levels: tuple[float, ...] = (3.0, 2.0, 1.0)) -> Floats:
    """Return float64[N]: the relevance whose exponential gain is the runner's, log2(1 + gain): 3, 2, 1, then 0.

    Whole numbers except in dead heats. Every race is answered, also those that a report leaves out.
    """
    return np.asarray(np.log2(1.0 + _gains(position, offsets, levels)))


def winners(position: ArrayLike, offsets: Ints, policy: EvaluationPolicy) -> Floats:
    """Return float64[N]: the runner's share of the win: 1, or 1/w for each of w that dead-heated for first, else 0.

    It sums to 1 in each race that counts: the outcome as a distribution, which is what log-loss and Brier compare with.
    """
    ahead, level = standing(-as_floats(position), offsets)
    share = np.where((ahead == 0) & (level > 0), 1.0 / np.maximum(level, 1), 0.0)
    return _only(counted(position, offsets, policy), offsets, share)


def placed(position: ArrayLike, offsets: Ints, policy: EvaluationPolicy) -> Floats:
    """Return float64[N]: 1 for the runners with a relevance (finished in the first three), else 0.

    All of a dead heat for the last place are placed: then there is one more of them.
    """
    ahead, level = standing(-as_floats(position), offsets)
    inside = np.where((ahead < len(policy.relevance)) & (level > 0), 1.0, 0.0)
    return _only(counted(position, offsets, policy), offsets, inside)


def _gains(position: ArrayLike, offsets: Ints, levels: tuple[float, ...]) -> Floats:
    ahead, level = standing(-as_floats(position), offsets)
    total = np.concatenate(([0.0], np.cumsum(2.0 ** np.asarray(levels, dtype=np.float64) - 1.0)))
    last = len(levels)
    occupied = total[np.minimum(ahead + level, last)] - total[np.minimum(ahead, last)]
    return np.asarray(occupied / np.maximum(level, 1), dtype=np.float64)


def _only(counts: Bools, offsets: Ints, values: Floats) -> Floats:
    return np.where(np.repeat(counts, np.diff(offsets)), values, np.nan)
