"""How much the months of a window differ among themselves: the yardstick for what changes slowly. Pure.

Races of a day are alike, and so are those of a spell of weather, of a jockey's good autumn, of a season's prize money.
Against such a column a quarter of a year always differs from the year before, however many races it has. So a sketch
keeps, of each calendar month, the counts of each column below a few thresholds (or in each level). Their scatter
gives a design effect with months as the independent units: by how much fewer rows these are worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oracle.drift.grid import Grid
from oracle.drift.measures import Sums, design_effect, mean_design_effect
from oracle.drift.numeric import PRESENT, SCALARS, Floats, Ints, NumericGrid
from oracle.drift.tally import Tally


@dataclass(frozen=True, eq=False)
class Coarse:
    """Where a grid's columns stand in the counts of a month."""

    grid: Grid

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The places of each column: its thresholds or levels, then its rows with a value."""
        at = self.thresholds
        widths = [at[n].size if n in at else c.bins for n, c in self.grid.columns.items()]
        ends = np.cumsum([0, *(w + 1 for w in widths)])
        return {n: slice(int(a), int(b)) for n, a, b in zip(self.grid.columns, ends[:-1], ends[1:], strict=True)}

    @cached_property
    def places(self) -> int:
        """How many numbers a month has."""
        return max((s.stop for s in self.slices.values()), default=0)

    @cached_property
    def thresholds(self) -> dict[str, Ints]:
        """The thresholds of each numeric column, each once."""
        return {n: np.unique(c.thresholds) for n, c in self.grid.columns.items() if isinstance(c, NumericGrid)}

    def put(self, name: str, counted: Ints, month: Floats) -> None:
        """Add what a sketch counted of a column in some rows to the counts of their month."""
        bins, at, place = counted[: self.grid.columns[name].bins], self.thresholds.get(name), self.slices[name]
        month[place.start : place.stop - 1] += bins if at is None else np.cumsum(bins)[at]
        month[place.stop - 1] += counted[counted.size - SCALARS + PRESENT]


@lru_cache(maxsize=16)
def coarse(grid: Grid) -> Coarse:
    """Return the places of a grid's months."""
    return Coarse(grid)


def stretches(days: pa.ChunkedArray, starts: Ints) -> list[tuple[int, int, int]]:
    """Return (month, begin, end) of the rows; none where they are not in the order of their days, or cut a cluster."""
    if not len(days) or not pa.types.is_temporal(days.type) or days.null_count:
        return []
    dates = pc.cast(days, pa.date32(), safe=False).cast(pa.int32()).to_numpy().astype("datetime64[D]")
    if (dates[1:] < dates[:-1]).any():
        return []
    month = dates.astype("datetime64[M]").astype(np.int64)
    first = np.flatnonzero(np.concatenate(([True], month[1:] != month[:-1])))
    if starts.size and not np.isin(first, starts).all():
        return []
    return list(zip(month[first].tolist(), first.tolist(), [*first[1:].tolist(), len(days)], strict=True))


def effect(name: str, months: Tally, grid: Grid, least: int) -> tuple[float, float] | None:
    """Return the design effect of a column with months as units, and its rows per month.

    None where fewer than `least` months have a value of it.
    """
    if not months.keys.size:
        return None
    column = grid.columns[name]
    counts = months.sums[:, coarse(grid).slices[name]]
    counts = counts[counts[:, -1] > 0].astype(np.int64)
    if len(counts) < least:
        return None
    size, below = counts[:, -1], counts[:, :-1]
    sums = Sums(
        below.sum(0),
        (below**2).sum(0),
        (below * size[:, None]).sum(0),
        int(size.sum()),
        int((size**2).sum()),
        len(size),
    )
    found = design_effect(sums) if isinstance(column, NumericGrid) else mean_design_effect(sums)
    return found, float(size.mean())
