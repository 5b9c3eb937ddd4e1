"""The likeliest combinations of each pool, with the odds at which a bet on them is fair.

Probabilities come from the win probabilities by Plackett-Luce with the model's discount of the later places
(`plackett_luce`). Only starters are given, so whoever was withdrawn is in no combination. A starter whose win
probability is 0 is given the smallest that can be computed with: it stays last in everything, and a place that nobody
else is left to fill falls to such runners in equal parts, the limit of ever smaller equal chances. So the
probabilities of all combinations of a pool sum to 1 whatever the race looks like; in the place pool, to the places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from oracle.errors import BadInput
from oracle.ranking.plackett_luce import NONE, Discount, exacta, place, quinella, trifecta
from oracle.ranking.pools import LENGTH, Pool, Runners
from oracle.ranking.races import Floats, as_floats

MOST_COMBINATIONS = 100
"""Combinations per pool that can be asked for: more is a table nobody reads."""

SMALLEST = 1e-190
"""Share of a starter without a chance: above what counts as impossible, and so that its powers do not underflow."""


@dataclass(frozen=True, slots=True)
class Combination:
    """Some runners of a race and the probability that they win the pool together."""

    runners: Runners
    """Indices among the starters."""
    prob: float

    @property
    def fair_odds(self) -> float | None:
        """Decimal odds at which a bet on it has expectation zero; None where it has no chance to speak of."""
        return 1.0 / self.prob if self.prob > 1e-15 else None


def likeliest(
    prob: ArrayLike, pool: Pool, count: int, discount: Discount = NONE, places: int = 3
) -> tuple[Combination, ...]:
    """Return the likeliest combinations of a pool, the likeliest first; ties in the order of the runners.

    Empty where the race has fewer starters than the pool names.

    Args:
        prob: float64[n], win probabilities of the starters of one race.
        pool: Which pool.
        count: How many combinations at most, 1 to 100.
        discount: How much less win probabilities say about the later places.
        places: Places paid, for the place pool.

    Raises:
        BadInput: an impossible count.

    >>> [(c.runners, round(c.prob, 3)) for c in likeliest([0.5, 0.3, 0.2], Pool.EXACTA, 2)]
    [((0, 1), 0.3), ((1, 0), 0.214)]
    """
    if not 1 <= count <= MOST_COMBINATIONS:
        raise BadInput("number of combinations", value=count, allowed=f"1 to {MOST_COMBINATIONS}")
    table = probabilities(prob, pool, discount, places)
    flat = table.ravel()
    best = np.lexsort((np.arange(flat.size), -flat))[:count]
    combinations = (tuple(int(i) for i in np.unravel_index(at, table.shape)) for at in best)
    return tuple(Combination(c, min(float(table[c]), 1.0)) for c in combinations if _is_one(c, pool))


def probabilities(prob: ArrayLike, pool: Pool, discount: Discount = NONE, places: int = 3) -> Floats:
    """Return the probability of every combination, one axis per runner named: float64[n], [n, n] or [n, n, n].

    0 where a runner is named twice, and in the quinella below the diagonal. All zeros where the race has fewer starters
    than the pool names.
    """
    share = np.maximum(as_floats(prob), SMALLEST)
    n = share.size
    if n < LENGTH[pool]:
        return np.zeros((n,) * LENGTH[pool])
    match pool:
        case Pool.WIN:
            return np.asarray(share / share.sum())
        case Pool.PLACE:
            return place(share, np.array([0, n]), min(places, n), discount)
        case Pool.QUINELLA:
            return np.triu(quinella(share, discount))
        case Pool.EXACTA:
            return exacta(share, discount)
        case Pool.TRIFECTA:
            return trifecta(share, discount)


def _is_one(runners: Runners, pool: Pool) -> bool:
    """Return whether the cell of the table is a combination: nobody twice, and a quinella once."""
    return len(set(runners)) == len(runners) and (pool is not Pool.QUINELLA or runners == tuple(sorted(runners)))
