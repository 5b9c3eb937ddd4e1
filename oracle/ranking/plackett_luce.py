"""From win probabilities to places and exotic bets: who fills the first places if the winner is drawn, then the next.

The model of Plackett (1975) and Luce (1959), in racing known by Harville (1973): the first place falls to a runner with
its win probability, each next one to a remaining runner in proportion to theirs. That flatters favourites in the minor
places, because a favourite that failed to win has shown something; a `Discount` (Lo and Bacon-Shone, 1994) raises the
probabilities to a power below 1 for each later place. The sums are exact with and without it.

Remainders are sums of the runners left, never one minus the runners gone: that keeps every digit where one runner is
all but certain. A runner whose share is below 1e-200 counts as impossible. Whoever has probability 0 is never placed,
so with fewer possible runners than places the last places stay empty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from oracle.compiled import compiled
from oracle.errors import BadInput
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets, normalise

MOST_PLACES = 4
"""No rule pays more, and the exact sum over all sets of m runners grows with n**m."""

IMPOSSIBLE = 1e-200
"""Shares below this are taken as 0, so that no quotient of two of them can overflow."""


@dataclass(frozen=True, slots=True)
class Discount:
    """For each later place, the power of the win probabilities by which it is filled; 1 is plain Plackett-Luce.

    What a model ships with is fitted on held-out dates (`calibration.fit_discount`). Two named ones stand for what it
    would be if running times had a known distribution; `tests/ranking/golden_discount.py` measures both by simulation.

    Raises:
        BadInput: a power that is not above 0 and at most 1.
    """

    second: float = 1.0
    third: float = 1.0
    fourth: float = 1.0

    @classmethod
    def henery(cls) -> Discount:
        """Return the approximation of Henery's (1981) normal running times by Lo and Bacon-Shone (1994, 2008).

        0.76 and 0.62 are theirs. The fourth place is not in their work: 0.55 is from our simulation, where the three
        come to 0.74-0.79, 0.61-0.68 and 0.52-0.60, depending on the field.
        """
        return cls(0.76, 0.62, 0.55)

    @classmethod
    def stern(cls) -> Discount:
        """Return the approximation of Stern's (1990) gamma running times with shape 4, from our simulation.

        Less of a discount than normal times ask for, and less than real races show (about 0.81, 0.69, 0.59): shape 1
        is plain Plackett-Luce, a growing shape nears the normal.
        """
        return cls(0.88, 0.80, 0.75)

    def __post_init__(self) -> None:
        for power in (self.second, self.third, self.fourth):
            if not 0.0 < power <= 1.0:
                raise BadInput("a discount is a power of the win probability", value=power, allowed="above 0, up to 1")


NONE = Discount()


def place(prob: ArrayLike, offsets: Ints, places: int | ArrayLike, discount: Discount = NONE) -> Floats:
    """Return float64[N]: the probability to finish in the first `places` of the race.

    The probability that a set of runners fills the first m places is built up from its subsets; a runner's chance is
    the sum over the sets that hold it. All terms are positive, so nothing cancels. Sums to min(places, runners with a
    chance) in each race; all runners of a race that holds a NaN get NaN.

    Args:
        prob: float64[N], win probabilities or any non-negative strengths; they are normalised within the race.
        offsets: int64[R + 1].
        places: One number for all races or int64[R], each 1 to 4.
        discount: How much less win probabilities say about the later places.

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
    stages = np.vstack([share, share**discount.second, share**discount.third, share**discount.fourth])
    out = np.empty_like(share)
    _place(stages, offsets, paid, out)
    return out


def exacta(prob: ArrayLike, discount: Discount = NONE) -> Floats:
    """Return float64[n, n] for one race: the probability that i wins and j is second; the diagonal is 0.

    >>> exacta([0.5, 0.3, 0.2]).round(3).tolist()
    [[0.0, 0.3, 0.2], [0.214, 0.0, 0.086], [0.125, 0.075, 0.0]]
    """
    share = _one(prob)
    left = share[None, :] ** discount.second * ~np.eye(share.size, dtype=bool)
    return np.asarray(share[:, None] * _chance(left))


def quinella(prob: ArrayLike, discount: Discount = NONE) -> Floats:
    """Return float64[n, n] for one race: the probability that i and j fill the first two places, in either order."""
    ordered = exacta(prob, discount)
    return np.asarray(ordered + ordered.T)


def trifecta(prob: ArrayLike, discount: Discount = NONE) -> Floats:
    """Return float64[n, n, n] for one race: the probability that i wins, j is second and k third."""
    share = _one(prob)
    other = ~np.eye(share.size, dtype=bool)
    left = share**discount.third * (other[:, None, :] & other[None, :, :] & other[:, :, None])
    return np.asarray(exacta(share, discount)[:, :, None] * _chance(left))


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


@compiled()
def _place(stages: Floats, offsets: Ints, paid: Ints, out: Floats) -> None:
    """Fill `out`; row s of `stages` holds the strengths by which place s + 1 is filled."""
    for race in range(offsets.size - 1):
        begin, end = offsets[race], offsets[race + 1]
        possible = 0
        for i in range(begin, end):
            possible += stages[0, i] > 0.0
            out[i] = stages[0, i]
        m = min(paid[race], possible)
        if m >= 2:
            _fill(stages[:, begin:end], m, out[begin:end])


@compiled()
def _fill(stages: Floats, m: int, chance: Floats) -> None:
    """Give each runner the probability of all sets of m that hold it, m at least 2."""
    pair = _pairs(stages, chance)
    if m == 2:
        return
    trio = _trios(stages, pair, chance)
    if m == 4:
        _fours(stages[3], trio, chance)


@compiled()
def _between(p: Floats) -> Floats:
    """Return [a, b]: p[a] + ... + p[b - 1]. Whatever is left when some runners are gone is a sum of such stretches."""
    table = np.zeros((p.size + 1, p.size + 1))
    for a in range(p.size):
        for b in range(a, p.size):
            table[a, b + 1] = table[a, b] + p[b]
    return table


@compiled()
def _pairs(stages: Floats, chance: Floats) -> Floats:
    """Add the probability that j and k fill the first two to both; return it for each pair, per unit left after it."""
    first, second = stages[0], stages[1]
    n = first.size
    before, after = _between(second), _between(stages[2])
    single = np.zeros(n)
    per_left = np.zeros((n, n))
    for j in range(n):
        chance[j] = 0.0
        left = before[0, j] + before[j + 1, n]
        single[j] = first[j] / left if left > 0.0 else 0.0
    for j in range(n):
        for k in range(j + 1, n):
            both = single[j] * second[k] + single[k] * second[j]
            chance[j] += both
            chance[k] += both
            left = after[0, j] + after[j + 1, k] + after[k + 1, n]
            per_left[j, k] = both / left if left > 0.0 else 0.0
    return per_left


@compiled()
def _trios(stages: Floats, pair: Floats, chance: Floats) -> Floats:
    """The same for sets of three: any of them may have come last of the three."""
    p = stages[2]
    n = p.size
    after = _between(stages[3])
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
                left = after[0, j] + after[j + 1, k] + after[k + 1, h] + after[h + 1, n]
                per_left[j, k, h] = three / left if left > 0.0 else 0.0
    return per_left


@compiled()
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
