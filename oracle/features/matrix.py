"""The matrix a model learns from: one row per starter, races in contiguous rows, never cut in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from oracle.errors import BadInput, RowwiseSplit
from oracle.features.races import Texts
from oracle.ranking.market import power
from oracle.ranking.races import Floats, Ints, offsets_of

Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RaceMatrix:
    """Features and outcomes of whole races."""

    values: Floats32
    """float32[N, F]; NaN where a feature is missing."""
    names: tuple[str, ...]
    """The F features, in the order of the columns."""
    offsets: Ints
    """int64[R + 1]: race r lies in rows offsets[r] to offsets[r + 1]."""
    off: Floats
    """float64[R]: off time, seconds since 1970 UTC; ascending in a history."""
    day: Ints
    """int64[R]: local calendar date of the meeting, days since 1970."""
    position: Floats
    """float64[N]: official finishing position; NaN for whoever has none, and on cards."""
    market: Floats
    """float64[N]: the market's win probability, overround removed; NaN where a starter of the race lacks odds."""
    odds: Floats
    """float64[N]: decimal odds; NaN where there are none."""
    race_id: Texts
    """object[R]."""
    meeting: Texts
    """object[R]: course and day, the unit that intervals are clustered by."""

    def __len__(self) -> int:
        """Return the number of races."""
        return len(self.off)

    @cached_property
    def sizes(self) -> Ints:
        """int64[R]: starters per race."""
        return np.diff(self.offsets)

    @cached_property
    def race(self) -> Ints:
        """int64[N]: index of each runner's race."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.sizes)

    @cached_property
    def dates(self) -> npt.NDArray[np.datetime64]:
        """datetime64[D][R]: local calendar date of each race."""
        return self.day.astype("datetime64[D]")

    def take(self, races: npt.NDArray[np.bool_]) -> RaceMatrix:
        """Return some of the races, whole.

        Args:
            races: bool[R]. A mask over runners is refused: it would cut races.

        Raises:
            RowwiseSplit: the mask is not one value per race.
        """
        if races.shape != (len(self),):
            raise RowwiseSplit(
                "a history is split by race, never by runner",
                value=f"a mask of {len(races)} values",
                allowed=f"{len(self)} values, one per race",
                next_step="build the mask with oracle.data.splits",
            )
        rows = np.repeat(races, self.sizes)
        return replace(
            self,
            values=self.values[rows],
            offsets=offsets_of(self.sizes[races]),
            off=self.off[races],
            day=self.day[races],
            position=self.position[rows],
            market=self.market[rows],
            odds=self.odds[rows],
            race_id=self.race_id[races],
            meeting=self.meeting[races],
        )

    def fingerprints(self) -> list[str]:
        """Return 16 hex digits for each race: equal where every feature of every starter is equal to the bit."""
        values, edges = np.ascontiguousarray(self.values), self.offsets.tolist()
        return [blake2b(values[a:b].tobytes(), digest_size=8).hexdigest() for a, b in pairwise(edges)]

    @cached_property
    def market_by_power(self) -> Floats:
        """float64[N]: the market's win probability with the margin taken out by a power; found once for all who ask."""
        return np.where(np.isnan(self.market), np.nan, power(self.odds, self.offsets))

    def columns(self, names: tuple[str, ...]) -> Ints:
        """Return int64[F], where each of these features stands.

        Raises:
            BadInput: a feature is not in the matrix.
        """
        return _columns(self.names, names)

    def only(self, names: Sequence[str]) -> RaceMatrix:
        """Return the same races with some of the features, in the order asked for.

        Raises:
            BadInput: a feature is not in the matrix.
        """
        if tuple(names) == self.names:
            return self
        return replace(self, values=self.values[:, _columns(self.names, tuple(names))], names=tuple(names))


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...], wanted: tuple[str, ...]) -> Ints:
    at = {name: i for i, name in enumerate(names)}
    missing = [n for n in wanted if n not in at]
    if missing:
        raise BadInput("features are not in this matrix", value=", ".join(missing), allowed=names)
    return np.array([at[n] for n in wanted], dtype=np.int64)
