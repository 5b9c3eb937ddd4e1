"""Comparisons within a race: a runner beats its rivals, so a number means little beside its own race's numbers.

Every function takes float64[N] over the starters of some races and `offsets` int64[R + 1], ignores NaN, and gives NaN
back where the runner's own value is missing. No Python loop runs over races.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from oracle.compiled import compiled
from oracle.ranking.races import Floats, Ints


def mean(x: Floats, offsets: Ints) -> Floats:
    """Return float64[N], the mean over each runner's race; NaN where the race has no value at all.

    >>> mean(np.array([1.0, 3.0, np.nan]), np.array([0, 3])).tolist()
    [2.0, 2.0, 2.0]
    """
    out = np.full(len(x), np.nan)
    _mean(x, offsets, out)
    return out


def centred(x: Floats, offsets: Ints) -> Floats:
    """Return float64[N], the value minus the mean of its race.

    >>> centred(np.array([1.0, 3.0, np.nan]), np.array([0, 3])).tolist()
    [-1.0, 1.0, nan]
    """
    return x - mean(x, offsets)


def centred_columns(values: npt.NDArray[np.float32], offsets: Ints) -> Floats:
    """Return float64[N, F], `centred` of every column of a matrix at once."""
    out = np.full(values.shape, np.nan)
    _centre(values, offsets, out)
    return out


def ahead(x: Floats, offsets: Ints) -> Floats:
    """Return float64[N], the share of rivals with a higher value, ties counted half; 0 is the highest of its race.

    >>> ahead(np.array([5.0, 1.0, 3.0]), np.array([0, 3])).tolist()
    [0.0, 1.0, 0.5]
    """
    out = np.full(len(x), np.nan)
    _ahead(x, offsets, out)
    return out


def lead(x: Floats, offsets: Ints) -> Floats:
    """Return float64[N], how far the value lies above the best rival's (negative: below it).

    >>> lead(np.array([5.0, 1.0, 3.0]), np.array([0, 3])).tolist()
    [2.0, -4.0, -2.0]
    """
    out = np.full(len(x), np.nan)
    _lead(x, offsets, out)
    return out


def expected_finish(probability: Floats, offsets: Ints) -> Floats:
    """Return float64[N], the share of rivals a runner with this win probability should beat; NaN where one has none.

    Of two runners with chances p and q the first comes in before the second with p / (p + q): exact for the
    Plackett-Luce model, whatever else runs.

    >>> expected_finish(np.array([0.6, 0.2, 0.2]), np.array([0, 3])).round(6).tolist()
    [0.75, 0.375, 0.375]
    """
    out = np.full(len(probability), np.nan)
    _expected_finish(probability, offsets, out)
    return out


@compiled()
def _expected_finish(p, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for r in range(len(offsets) - 1):
        rivals = offsets[r + 1] - offsets[r] - 1
        for i in range(offsets[r], offsets[r + 1]):
            if rivals < 1:
                continue
            beaten = 0.0
            for j in range(offsets[r], offsets[r + 1]):
                if j != i:
                    beaten += p[i] / (p[i] + p[j])
            out[i] = beaten / rivals


@compiled()
def _centre(values, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for r in range(len(offsets) - 1):
        for f in range(values.shape[1]):
            total, count = 0.0, 0
            for i in range(offsets[r], offsets[r + 1]):
                if not np.isnan(values[i, f]):
                    total += np.float64(values[i, f])
                    count += 1
            for i in range(offsets[r], offsets[r + 1]):
                if not np.isnan(values[i, f]):
                    out[i, f] = np.float64(values[i, f]) - total / count


@compiled()
def _mean(x, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for r in range(len(offsets) - 1):
        total, count = 0.0, 0
        for i in range(offsets[r], offsets[r + 1]):
            if not np.isnan(x[i]):
                total += x[i]
                count += 1
        if count:
            out[offsets[r] : offsets[r + 1]] = total / count


@compiled()
def _ahead(x, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for r in range(len(offsets) - 1):
        for i in range(offsets[r], offsets[r + 1]):
            if np.isnan(x[i]):
                continue
            above, rivals = 0.0, 0
            for j in range(offsets[r], offsets[r + 1]):
                if j == i or np.isnan(x[j]):
                    continue
                rivals += 1
                above += 1.0 if x[j] > x[i] else (0.5 if x[j] == x[i] else 0.0)
            out[i] = above / rivals if rivals else 0.5


@compiled()
def _lead(x, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for r in range(len(offsets) - 1):
        for i in range(offsets[r], offsets[r + 1]):
            best = np.nan
            for j in range(offsets[r], offsets[r + 1]):
                if j != i and not np.isnan(x[j]) and (np.isnan(best) or x[j] > best):
                    best = x[j]
            if not np.isnan(best):
                out[i] = x[i] - best
