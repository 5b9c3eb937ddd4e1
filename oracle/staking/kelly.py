"""Kelly stakes within one race, where one runner wins and all other stakes are lost.

Staking each runner by the formula for a single bet is wrong here: the bets exclude each other, so one is partly a hedge
of the rest. The stakes that maximise the expected logarithm of the bankroll are known in closed form (Algoet and Cover,
1988; Smoczynski and Tomkins, 2010): in the order of expected return p x odds, a runner is backed while its expected
return is above the reserve rate, the worth of a unit that is kept back. The stake is then p - reserve / odds. It may
back a runner whose own expectation is a little below 1, because it pays when the others lose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from oracle.compiled import compiled
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets


def stakes(prob: ArrayLike, odds: ArrayLike, offsets: Ints, min_edge: float = -1.0) -> Floats:
    """Return float64[N]: the share of the bankroll to stake on each runner to win; sums to at most 1 in each race.

    Runners without a probability or odds above 1 are not backed, nor are those below the least edge: the stakes are
    then the best on the runners that remain. Where a whole book pays more than it takes, everything is staked, in
    proportion to the probabilities.

    Args:
        prob: float64[N], win probabilities, summing to at most 1 in each race.
        odds: float64[N], decimal odds.
        offsets: int64[R + 1].
        min_edge: Least p x odds - 1 of a runner that may be backed.

    >>> stakes([0.5, 0.3, 0.2], [2.4, 3.0, 4.0], np.array([0, 3])).round(4).tolist()
    [0.1667, 0.0333, 0.0]
    """
    prob, odds = as_floats(prob), as_floats(odds)
    out = np.zeros_like(prob)
    _stakes(prob, odds, as_offsets(offsets, prob.size), min_edge, out)
    return out


@compiled()
def _stakes(prob: Floats, odds: Floats, offsets: Ints, min_edge: float, out: Floats) -> None:
    for race in range(offsets.size - 1):
        begin, end = offsets[race], offsets[race + 1]
        worth = np.full(end - begin, -1.0)
        for i in range(end - begin):
            p, o = prob[begin + i], odds[begin + i]
            # Comparisons with NaN are False: a runner without a price or a chance stays outside.
            if p > 0.0 and o > 1.0 and o < np.inf and p * o - 1.0 >= min_edge:
                worth[i] = p * o
        order = np.argsort(-worth)
        reserve, kept, backed = 1.0, 1.0, 0
        chance = 1.0
        for at in range(order.size):
            i = order[at]
            if worth[i] <= reserve:
                break
            left = kept - 1.0 / odds[begin + i]
            chance_left = max(chance - prob[begin + i], 0.0)
            if left <= 0.0:
                break
            kept, chance, backed = left, chance_left, at + 1
            reserve = chance / kept
        for at in range(backed):
            i = begin + order[at]
            out[i] = max(prob[i] - reserve / odds[i], 0.0)
