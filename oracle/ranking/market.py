"""What the betting market says: win probabilities from odds, with the bookmaker's or the pool's margin removed.

The reciprocals of the odds sum to more than 1; how the excess is taken away decides what the longshots are worth. The
market is the yardstick of every model here, so it gets the strongest honest form: `fit_favourite_longshot` corrects
its bias with one exponent learned on the training dates. A race in which a starter has no usable odds (missing, or
below 1) has no market: NaN on all its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from oracle.ranking.calibration import PowerCalibration, fit_power
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets, normalise, sum_by_race

SHORTEST = 1.01
"""Shorter odds are taken as this: boards that round down print 1 for a hot favourite, and certainty is not on offer."""


@dataclass(frozen=True, slots=True)
class PlaceTerms:
    """How many places are paid, by the number of starters."""

    steps: tuple[tuple[int, int], ...] = ((1, 1), (5, 2), (8, 3))
    """(from this many starters, this many places), ascending."""
    source: str = "British and Irish starting-price place terms: 2-4 win only, 5-7 two places, 8 and more three"
    """Handicaps of 16 and more pay a fourth place; whether a race is one is not known from its field."""

    def places(self, starters: ArrayLike) -> Ints:
        """Return int64: the places paid for each number of starters.

        >>> PlaceTerms().places([2, 4, 5, 7, 8, 30]).tolist()
        [1, 1, 2, 2, 3, 3]
        """
        begin = np.array([step[0] for step in self.steps])
        paid = np.array([step[1] for step in self.steps], dtype=np.int64)
        return np.asarray(paid[np.maximum(np.searchsorted(begin, np.asarray(starters), side="right") - 1, 0)])


BRITISH_IRISH = PlaceTerms()


def places(starters: int, terms: PlaceTerms = BRITISH_IRISH) -> int:
    """Return the number of places paid in a field of this size."""
    return int(terms.places(starters))


def overround(odds: ArrayLike, offsets: Ints) -> Floats:
    """Return float64[R]: the sum of 1/odds minus 1, such as 0.18 for a book of 118%; NaN without full odds."""
    raw, offsets = _reciprocals(odds, offsets)
    return np.asarray(sum_by_race(raw, offsets) - 1.0)


def multiplicative(odds: ArrayLike, offsets: Ints) -> Floats:
    """Return float64[N]: 1/odds divided by their sum. Exact for a pool, whose take is the same share of every bet.

    >>> multiplicative([2.0, 4.0, 4.0, 3.0, np.nan], np.array([0, 3, 5])).tolist()
    [0.5, 0.25, 0.25, nan, nan]
    """
    return normalise(*_reciprocals(odds, offsets))


def power(odds: ArrayLike, offsets: Ints) -> Floats:
    """Return float64[N]: (1/odds)**a with the race's own a that makes them sum to 1 (Vovk and Zhdanov, 2009; Clarke).

    Takes relatively more from longshots than from favourites. log sum (1/odds)**a is convex and falls in a, so Newton's
    steps from 0 climb to the root without overshooting. Each race stops for itself: its price does not depend on the
    races beside it, to the last bit.
    """
    raw, offsets = _reciprocals(odds, offsets)
    size = np.diff(offsets)
    log = np.log(raw)
    exponent = np.zeros(size.size)
    open_ = np.ones(size.size, dtype=np.bool_)
    one = size.size == 1  # a card: its exponent needs no spreading over races
    begin = offsets[:-1] if (size > 0).all() else None
    for _ in range(60):
        weight = np.exp((exponent if one else np.repeat(exponent, size)) * log)
        total = _sums(weight, begin, offsets)
        slope = _sums(weight * log, begin, offsets)
        open_ &= slope < 0
        if open_.all():  # as on a card with odds: no race has to be left out
            step = -np.log(total) * total / slope
        else:
            step = np.log(total, out=np.zeros_like(total), where=open_)
            step = np.divide(-step * total, slope, out=np.zeros_like(total), where=open_)
        exponent += step
        open_ &= np.abs(step) >= 1e-13
        if not open_.any():
            break
    return normalise(np.exp(np.repeat(exponent, size) * log), offsets)


def _sums(values: Floats, begin: Ints | None, offsets: Ints) -> Floats:
    """Return the sum of each race; where no race is empty the beginnings are enough."""
    return sum_by_race(values, offsets) if begin is None else np.asarray(np.add.reduceat(values, begin))


def shin(odds: ArrayLike, offsets: Ints) -> Floats:
    """Return float64[N]: Shin's (1993) probabilities, where a share z of the money knows the winner.

    z is the race's own, found by bisection so that the probabilities sum to 1. A book without a margin has no room for
    insiders: there it is the multiplicative answer.
    """
    raw, offsets = _reciprocals(odds, offsets)
    size = np.diff(offsets)
    book = sum_by_race(raw, offsets)
    square = np.divide(raw**2, np.repeat(book, size))
    low, high = np.zeros(size.size), np.ones(size.size)
    for _ in range(52):
        z = 0.5 * (low + high)
        too_much = sum_by_race(_shin(square, np.repeat(z, size)), offsets) > 1.0
        low, high = np.where(too_much, z, low), np.where(too_much, high, z)
    fair = _shin(square, np.repeat(0.5 * (low + high), size))
    return normalise(np.where(np.repeat(book > 1.0, size), fair, raw), offsets)


Removal = Callable[[ArrayLike, Ints], Floats]

REMOVALS: Mapping[str, Removal] = MappingProxyType({"multiplicative": multiplicative, "power": power, "shin": shin})
"""How the margin can be taken out, by the word of the setting `market.overround`."""

MULTIPLICATIVE = "multiplicative"
"""What a history and a model are read with unless they say otherwise."""


def _shin(square: Floats, z: Floats) -> Floats:
    """Return Shin's probabilities, with the root rationalised: no cancellation where z nears 1."""
    return np.asarray(2.0 * square / (z + np.sqrt(z**2 + 4.0 * (1.0 - z) * square)))


def fit_favourite_longshot(prob: ArrayLike, position: ArrayLike, offsets: Ints) -> PowerCalibration:
    """Return the exponent, by maximum likelihood on these (training) races, that makes the market's prices honest.

    Above 1 the market underrates favourites, as bookmakers' markets do; below 1 it overrates them. Races without a
    market are left out.

    Args:
        prob: float64[N], market probabilities without their margin (`multiplicative`).
        position: float64[N], NaN for non-finishers.
        offsets: int64[R + 1].

    Raises:
        NotEnoughData: no race has both a market and a result.
    """
    return fit_power(prob, position, offsets)


def _reciprocals(odds: ArrayLike, offsets: Ints) -> tuple[Floats, Ints]:
    values = as_floats(odds)
    usable = np.isfinite(values) & (values >= 1.0)
    offsets = as_offsets(offsets, values.size)
    reciprocal = np.full_like(values, np.nan)
    return np.divide(1.0, np.maximum(values, SHORTEST), out=reciprocal, where=usable), offsets
