"""Arithmetic within races: sums, maxima, shares and standings of contiguous groups of runners.

All functions work on every race at once. Runners of race r are the rows `offsets[r]:offsets[r + 1]`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.compiled import compiled
from oracle.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def as_floats(values: ArrayLike) -> Floats:
    """Return the values as a contiguous, writable float64 vector: the one layout the compiled kernels are built for."""
    if type(values) is np.ndarray and values.dtype == np.float64 and values.flags.carray:
        return values  # as most are: asking numpy to require it costs more than summing a race
    return np.require(np.asarray(values, dtype=np.float64), requirements=["C", "W"])


def as_offsets(offsets: ArrayLike, rows: int) -> Ints:
    """Return the offsets as int64[R + 1].

    Raises:
        BadInput: they do not start at 0, do not end at `rows`, or go backwards.
    """
    checked = offsets
    if not (type(checked) is np.ndarray and checked.dtype == np.int64 and checked.flags.carray):
        checked = np.require(np.asarray(offsets, dtype=np.int64), requirements=["C", "W"])
    if (
        checked.ndim != 1
        or checked.size == 0
        or checked[0] != 0
        or checked[-1] != rows
        or (checked[1:] < checked[:-1]).any()
    ):
        raise BadInput(
            "race offsets do not fit the rows",
            value=f"{checked.shape} offsets, {rows} rows",
            allowed="non-decreasing from 0 to the number of rows",
        )
    return checked


def offsets_of(sizes: ArrayLike) -> Ints:
    """Return the offsets of races with these numbers of runners.

    >>> offsets_of([3, 2]).tolist()
    [0, 3, 5]
    """
    return np.concatenate(([0], np.cumsum(np.asarray(sizes, dtype=np.int64)))).astype(np.int64)


def sum_by_race(values: ArrayLike, offsets: Ints) -> Floats:
    """Return the sum of the values in each race; an empty race sums to 0.

    >>> sum_by_race([1.0, 2.0, 5.0], offsets_of([2, 0, 1])).tolist()
    [3.0, 0.0, 5.0]
    """
    return _reduce(np.add, as_floats(values), offsets, 0.0)


def max_by_race(values: ArrayLike, offsets: Ints) -> Floats:
    """Return the largest value in each race, NaN if any is NaN; of an empty race -inf."""
    return _reduce(np.maximum, as_floats(values), offsets, -np.inf)


def _reduce(operation: np.ufunc, values: Floats, offsets: Ints, empty: float) -> Floats:
    """Reduce each race; empty races are set apart because `reduceat` gives them their neighbour's first value."""
    filled = offsets[1:] > offsets[:-1]
    if filled.all():
        return np.asarray(operation.reduceat(values, offsets[:-1]))
    out = np.full(offsets.size - 1, empty)
    if filled.any():
        out[filled] = operation.reduceat(values, offsets[:-1][filled])
    return out


def spread(per_race: NDArray[np.generic], offsets: Ints) -> NDArray[np.generic]:
    """Return the race's value on each of its rows."""
    return np.repeat(per_race, np.diff(offsets))


def normalise(weights: ArrayLike, offsets: Ints) -> Floats:
    """Return each weight's share of its race: sums to 1 in each race.

    A race whose weights sum to 0 or to infinity, or hold a NaN, has no shares: NaN on all its rows.
    """
    values = as_floats(weights)
    total = np.repeat(sum_by_race(values, offsets), np.diff(offsets))
    return np.divide(values, total, out=np.full_like(values, np.nan), where=(total > 0) & np.isfinite(total))


def softmax(score: ArrayLike, offsets: Ints) -> Floats:
    """Return exp(score) as shares of the race: the win probabilities of a conditional logit.

    A score of -inf has probability 0; a race without a finite largest score is NaN.

    >>> softmax([0.0, 0.0, 1000.0, -1000.0], offsets_of([2, 2])).tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    values = as_floats(score)
    top = max_by_race(values, offsets)
    top[~np.isfinite(top)] = 0.0
    return normalise(np.exp(values - np.repeat(top, np.diff(offsets))), offsets)


def standing(values: ArrayLike, offsets: Ints) -> tuple[Ints, Ints]:
    """Return for each runner how many of its race have a larger value, and how many the same one (itself included).

    The runner's rank is anywhere from ahead + 1 to ahead + level, each equally likely where ties are broken at random.
    Only exactly equal values tie. A NaN is outside the comparison: it counts for nobody and its own level is 0.
    """
    values = as_floats(values)
    ahead, level = np.zeros(values.size, np.int64), np.zeros(values.size, np.int64)
    _standing(values, as_offsets(offsets, values.size), ahead, level)
    return ahead, level


@compiled()
def _standing(values: Floats, offsets: Ints, ahead: Ints, level: Ints) -> None:
    for race in range(offsets.size - 1):
        for i in range(offsets[race], offsets[race + 1]):
            more = 0
            same = 0
            for j in range(offsets[race], offsets[race + 1]):
                more += values[j] > values[i]
                same += values[j] == values[i]
            ahead[i] = more
            level[i] = same
