"""From win probabilities to places and exotic bets: who fills the first places if the winner is drawn, then the next.

The model of Plackett (1975) and Luce (1959), in racing known by Harville (1973): the first place falls to a runner with
its win probability, each next one to a remaining runner in proportion to theirs. It is known to flatter favourites
in the minor places (Lo and Bacon-Shone, 1994); the sums here are exact, the model is not.

Remainders are sums of the runners left, never one minus the runners gone: that keeps every digit where one runner is
all but certain. A runner whose share is below 1e-200 counts as impossible. Whoever has probability 0 is never placed,
so with fewer possible runners than places the last places stay empty.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from oracle.errors import BadInput
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets, normalise

MOST_PLACES = 4
"""No rule pays more, and the exact sum over all sets of m runners grows with n**m."""

IMPOSSIBLE = 1e-200
"""Shares below this are taken as 0, so that no quotient of two of them can overflow."""


def place(prob: ArrayLike, offsets: Ints, places: int | ArrayLike) -> Floats:
    """Return float64[N]: the probability to finish in the first `places` of the race.

    The probability that a set of runners fills the first m places is built up from its subsets; a runner's chance is
    the sum over the sets that hold it. All terms are positive, so nothing cancels. Sums to min(places, runners with a
    chance) in each race; all runners of a race that holds a NaN get NaN.

    Args:
        prob: float64[N], win probabilities or any non-negative strengths; they are normalised within the race.
        offsets: int64[R + 1].
        places: One number for all races or int64[R], each 1 to 4.

    Raises:
        BadInput: a number of places outside 1 to 4, or a negative probability.

    >>> from oracle.ranking.races import offsets_of
    >>> place([0.5, 0.3, 0.2], offsets_of([3]), 2).round(4).tolist()
    [0.8393, 0.675, 0.4857]
    """
    share = _shares(prob, offsets)
    offsets = as_offsets(offsets, share.size)
    paid = np.require(np.broadcast_to(np.asarray(places, np.int64), offsets.size - 1), requirements=["C", "W"])
    if paid.size and (paid.min() < 1 or paid.max() > MOST_PLACES):
        raise BadInput("number of places", value=f"{paid.min()} to {paid.max()}", allowed=f"1 to {MOST_PLACES}")
    out = np.empty_like(share)
    _place(share, offsets, paid, out)
    return out


def exacta(prob: ArrayLike) -> Floats:
    """Return float64[n, n] for one race: the probability that i wins and j is second; the diagonal is 0.

    >>> exacta([0.5, 0.3, 0.2]).round(3).tolist()
    [[0.0, 0.3, 0.2], [0.214, 0.0, 0.086], [0.125, 0.075, 0.0]]
    """
    share = _one(prob)
    return np.asarray(share[:, None] * _chance(share[None, :] * ~np.eye(share.size, dtype=bool)))


def quinella(prob: ArrayLike) -> Floats:
    """Return float64[n, n] for one race: the probability that i and j fill the first two places, in either order."""
    ordered = exacta(prob)
    return np.asarray(ordered + ordered.T)


def trifecta(prob: ArrayLike) -> Floats:
    """Return float64[n, n, n] for one race: the probability that i wins, j is second and k third."""
    share = _one(prob)
    other = ~np.eye(share.size, dtype=bool)
    left = share * (other[:, None, :] & other[None, :, :] & other[:, :, None])
    return np.asarray(exacta(share)[:, :, None] * _chance(left))


def _chance(left: Floats) -> Floats:
    """Return the shares along the last axis; all 0 where nobody is left."""
    total = left.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(left, total, out=np.zeros_like(left), where=total > 0))


def _one(prob: ArrayLike) -> Floats:
    values = as_floats(prob)
    return _shares(values, np.array([0, values.size]))


def _shares(prob: ArrayLike, offsets: Ints) -> Floats:
    values = as_floats(prob)
    if np.any(values < 0):
        raise BadInput("a win probability is negative", value=float(values.min()), allowed="0 or more")
    share = normalise(values, as_offsets(offsets, values.size))
    share[share < IMPOSSIBLE] = 0.0
    return share


@njit(cache=True)
def _place(share: Floats, offsets: Ints, paid: Ints, out: Floats) -> None:
    for race in range(offsets.size - 1):
        begin, end = offsets[race], offsets[race + 1]
        possible = 0
        for i in range(begin, end):
            possible += share[i] > 0.0
            out[i] = share[i]
        m = min(paid[race], possible)
        if m >= 2:
            _fill(share[begin:end], m, out[begin:end])


@njit(cache=True)
def _fill(p: Floats, m: int, chance: Floats) -> None:
    """Give each runner the probability of all sets of m that hold it, m at least 2."""
    between = _between(p)
    pair = _pairs(p, between, chance)
    if m == 2:
        return
    trio = _trios(p, pair, between, chance)
    if m == 4:
        _fours(p, trio, chance)


@njit(cache=True)
def _between(p: Floats) -> Floats:
    """Return [a, b]: p[a] + ... + p[b - 1]. Whatever is left when some runners are gone is a sum of such stretches."""
    table = np.zeros((p.size + 1, p.size + 1))
    for a in range(p.size):
        for b in range(a, p.size):
            table[a, b + 1] = table[a, b] + p[b]
    return table


@njit(cache=True)
def _pairs(p: Floats, between: Floats, chance: Floats) -> Floats:
    """Add the probability that j and k fill the first two to both; return it for each pair, per unit left after it."""
    n = p.size
    per_left = np.zeros((n, n))
    single = np.zeros(n)
    for j in range(n):
        chance[j] = 0.0
        left = between[0, j] + between[j + 1, n]
        single[j] = p[j] / left if left > 0.0 else 0.0
    for j in range(n):
        for k in range(j + 1, n):
            both = single[j] * p[k] + single[k] * p[j]
            chance[j] += both
            chance[k] += both
            left = between[0, j] + between[j + 1, k] + between[k + 1, n]
            per_left[j, k] = both / left if left > 0.0 else 0.0
    return per_left


@njit(cache=True)
def _trios(p: Floats, pair: Floats, between: Floats, chance: Floats) -> Floats:
    """The same for sets of three: any of them may have come last of the three."""
    n = p.size
    per_left = np.zeros((n, n, n))
    for j in range(n):
        chance[j] = 0.0
    for j in range(n):
        for k in range(j + 1, n):
            for h in range(k + 1, n):
                three = pair[j, k] * p[h] + pair[j, h] * p[k] + pair[k, h] * p[j]
                chance[j] += three
                chance[k] += three
                chance[h] += three
                left = between[0, j] + between[j + 1, k] + between[k + 1, h] + between[h + 1, n]
                per_left[j, k, h] = three / left if left > 0.0 else 0.0
    return per_left


@njit(cache=True)
def _fours(p: Floats, trio: Floats, chance: Floats) -> None:
    """The same for sets of four, the last that any rule pays."""
    n = p.size
    for j in range(n):
        chance[j] = 0.0
    for j in range(n):
        for k in range(j + 1, n):
            for h in range(k + 1, n):
                for g in range(h + 1, n):
                    four = trio[j, k, h] * p[g] + trio[j, k, g] * p[h] + trio[j, h, g] * p[k] + trio[k, h, g] * p[j]
                    chance[j] += four
                    chance[k] += four
                    chance[h] += four
                    chance[g] += four
