"""A confidence sequence for the mean of bounded paired differences, by betting. Exact at any number of races.

Somebody who doubts that the mean is m bets on every race: the stake grows or shrinks with what the race said, and it
was placed before the race. If the mean is m the fortune is a martingale and exceeds 1/alpha with chance alpha at most,
ever (Ville). The sequence is every m that no bettor has got rich against (Waudby-Smith and Ramdas 2024, Estimating
means of bounded random variables by betting, section 4.4).

The size of a bet is the predictable plug-in of that paper, tuned to the planned number of races. Nothing is assumed of
the distribution: not the share of races in which the versions differ, nor any normality of so many zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from oracle.errors import BadInput
from oracle.experiment.sequential import TRUNCATION
from oracle.ranking.races import Floats, Ints

PRECISION = 1e-6


@dataclass(frozen=True, slots=True)
class Sequence:
    """Bounds of a mean at some looks; what was excluded at a look stays excluded."""

    races: Ints
    """int64[L], races seen at each look."""
    estimate: Floats
    """float64[L], mean so far."""
    low: Floats
    high: Floats


def bets(differences: Floats, planned: float, deviation: float, alpha: float) -> Floats:
    """Return float64[R], how much is bet on each race, from what was known before it.

    Args:
        differences: float64[R] in [-1, 1], in the order in which they became known.
        planned: Races after which the sequence should be narrow.
        deviation: Expected standard deviation of a difference: what the first bets go by.
        alpha: Chance of ever excluding the truth.
    """
    if not (planned > 0 and deviation > 0):
        raise BadInput("bets need a plan", value=(planned, deviation), allowed="races and deviation above 0")
    if differences.size and not (np.abs(differences) <= 1.0).all():
        raise BadInput("differences of NDCG lie between -1 and 1", value=float(np.abs(differences).max()))
    return np.asarray(_bets(differences, deviation**2, math.sqrt(2.0 * math.log(2.0 / alpha) / planned)))


def fortunes(differences: Floats, bet: Floats, mean: float) -> tuple[Floats, Floats]:
    """Return float64[R] each, the logs of what the bettors on "above" and on "below" `mean` own after each race.

    Either exceeds log(2/alpha) with chance alpha/2 at most, ever, where the true mean is `mean`; the first also where
    it is lower, the second also where it is higher.
    """
    above, below = np.empty(differences.size), np.empty(differences.size)
    _fortunes(differences, bet, mean, above, below)
    return above, below


def sequence(differences: Floats, looks: Ints, planned: float, deviation: float, alpha: float = 0.05) -> Sequence:
    """Return the two-sided confidence sequence at some looks.

    Args:
        differences: float64[R] in [-1, 1], in the order in which they became known.
        looks: int64[L], ascending, races seen at each look; 0 stands for no race yet.
        planned: As in `bets`.
        deviation: As in `bets`.
        alpha: Chance that the true mean is ever outside.
    """
    bet = bets(differences, planned, deviation, alpha)
    low, high = np.full(looks.size, -1.0), np.full(looks.size, 1.0)
    _bounds(differences, bet, looks, math.log(2.0 / alpha), low, high)
    total = np.concatenate(([0.0], np.cumsum(differences)))[looks]
    with np.errstate(invalid="ignore"):
        estimate = np.where(looks > 0, total / np.maximum(looks, 1), np.nan)
    return Sequence(looks, estimate, low, high)


@njit(cache=True)
def _bets(d, variance, scale):  # type: ignore[no-untyped-def]  # pragma: no cover
    # One imagined race of the planned variance stands before the first: no bet is infinite.
    out = np.empty(len(d))
    total, squares = 0.0, variance
    for i in range(len(d)):
        out[i] = scale / np.sqrt(squares / (i + 1.0))
        mean = total / (i + 1.0)
        total += d[i]
        after = total / (i + 2.0)
        squares += (d[i] - mean) * (d[i] - after)
    return out


@njit(cache=True)
def _fortunes(d, bet, mean, above, below):  # type: ignore[no-untyped-def]  # pragma: no cover
    up, down = 0.0, 0.0
    for i in range(len(d)):
        gain = d[i] - mean
        up += np.log1p(min(bet[i], TRUNCATION / (1.0 + mean) if mean > -1.0 else bet[i]) * gain)
        down += np.log1p(-min(bet[i], TRUNCATION / (1.0 - mean) if mean < 1.0 else bet[i]) * gain)
        above[i], below[i] = up, down


@njit(cache=True)
def _fortune(d, bet, n, mean, side):  # type: ignore[no-untyped-def]  # pragma: no cover
    log = 0.0
    most = TRUNCATION / (1.0 + side * mean)
    for i in range(n):
        log += np.log1p(side * min(bet[i], most) * (d[i] - mean))
    return log


@njit(cache=True)
def _bounds(d, bet, looks, rich, low, high):  # type: ignore[no-untyped-def]  # pragma: no cover
    # A fortune falls as its mean moves towards what was seen, so the bound is where it crosses: found by halving, from
    # the bound of the look before on, which stays excluded in any case.
    for side in (1.0, -1.0):
        kept = -1.0  # in the direction of `side`
        for look in range(len(looks)):
            n = looks[look]
            outer, inner = max(kept, -1.0 + PRECISION), 1.0 - PRECISION
            if n > 0 and _fortune(d, bet, n, side * outer, side) >= rich:
                while inner - outer > PRECISION:
                    middle = 0.5 * (outer + inner)
                    if _fortune(d, bet, n, side * middle, side) >= rich:
                        outer = middle
                    else:
                        inner = middle
                kept = outer
            if side > 0:
                low[look] = kept
            else:
                high[look] = -kept
