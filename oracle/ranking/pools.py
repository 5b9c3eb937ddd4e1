"""Betting pools: what wins each of them, dead heats included, and what a unit staked on it gets its share of.

One rule covers every pool. Runners in a dead heat are put into every order they could have finished in, each equally
likely, and a combination's share is the part of those orders in which it wins. So the outcome of a race is a
distribution over combinations: two that dead-heat for first give the exacta (A, B) and (B, A) half each and the
quinella {A, B} whole; two that dead-heat for second behind W give the quinellas {W, A} and {W, B} half each. A stake is
settled as its combination's share at full odds, which is how bookmakers divide it and, for a pool that is split between
the winning combinations, what its dividends come to.

Who has no official position wins nothing. A race with fewer finishers than the pool has places has no outcome there:
stakes are returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from oracle.errors import BadInput
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets, standing

Runners = tuple[int, ...]
"""A combination: indices of runners within the race; in finishing order where the pool asks for it, else ascending."""


class Pool(StrEnum):
    """What is bet on."""

    WIN = "win"
    PLACE = "place"
    """One runner to finish in the places that are paid."""
    QUINELLA = "quinella"
    """The first two, in either order."""
    EXACTA = "exacta"
    """The first two, in order."""
    TRIFECTA = "trifecta"
    """The first three, in order."""


LENGTH: Mapping[Pool, int] = {Pool.WIN: 1, Pool.PLACE: 1, Pool.QUINELLA: 2, Pool.EXACTA: 2, Pool.TRIFECTA: 3}
"""Runners that a combination of the pool names."""


def placed_share(position: ArrayLike, offsets: Ints, places: int | ArrayLike) -> Floats:
    """Return float64[N]: the part of a stake on the runner to be placed that wins; with one place, to win.

    1 for whoever is placed, 0 for whoever is not; where k runners dead-heat for the last m of the places, m / k each.
    Sums to the places in each race (to the finishers, where there are fewer), so for one place to 1.

    Args:
        position: float64[N], NaN for who did not finish.
        offsets: int64[R + 1].
        places: One number for all races or int64[R].

    >>> placed_share([1, 2, 2, 4], np.array([0, 4]), 2).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    position = as_floats(position)
    offsets = as_offsets(offsets, position.size)
    ahead, level = standing(-position, offsets)
    paid = np.repeat(np.broadcast_to(np.asarray(places, np.int64), offsets.size - 1), np.diff(offsets))
    inside = np.clip(paid - ahead, 0, level) / np.maximum(level, 1)
    return np.asarray(np.where(level > 0, inside, 0.0))


def outcome(position: ArrayLike, pool: Pool, places: int = 3) -> dict[Runners, float]:
    """Return for one race the share of each winning combination; all others have none.

    The shares sum to 1, in the place pool to the places paid. Empty where the race has no outcome in the pool.

    Args:
        position: float64[n], official positions, NaN for who did not finish.
        pool: Which pool.
        places: Places paid, for the place pool.

    Raises:
        BadInput: fewer than one place.

    >>> outcome([1, 2, 2, 4], Pool.QUINELLA)
    {(0, 1): 0.5, (0, 2): 0.5}
    >>> outcome([1, 1, 3], Pool.TRIFECTA)
    {(0, 1, 2): 0.5, (1, 0, 2): 0.5}
    """
    if places < 1:
        raise BadInput("number of places paid", value=places, allowed="1 or more")
    values = as_floats(position)
    if pool is Pool.PLACE:
        share = placed_share(values, np.array([0, values.size]), places)
        return {(int(i),): float(share[i]) for i in np.flatnonzero(share > 0)}
    shares: dict[Runners, float] = {}
    for order, chance in _orders(values, LENGTH[pool]):
        runners = tuple(sorted(order)) if pool is Pool.QUINELLA else order
        shares[runners] = shares.get(runners, 0.0) + chance
    return shares


def _orders(position: Floats, length: int) -> Iterator[tuple[Runners, float]]:
    """Yield each order of the first `length` finishers with its chance; none where fewer finished."""
    if not length:
        yield (), 1.0
        return
    if np.isnan(position).all():
        return
    best = np.flatnonzero(position == np.nanmin(position))
    for first in best.tolist():
        rest = position.copy()
        rest[first] = np.nan
        for others, chance in _orders(rest, length - 1):
            yield (first, *others), chance / best.size
