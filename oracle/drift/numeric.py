"""A numeric column as counts on the bins of a reference, and what they say. Pure.

A grid has edges e[0] < e[1] < ...; bin i holds e[i-1] < x <= e[i], the first what is at most e[0], the last what is
above every edge. Counts add, and at each edge they give the exact distribution function. A value that is frequent in
the reference has a bin to itself, by a second edge just below it, so that ties cost nothing.

Rows of one race depend on each other. At some sixteen edges the squares of each race's counts are summed too, which
gives the variance of the distribution function with races as its independent units, and so the design effect: by how
much fewer rows these are worth than independent ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from oracle.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS: Final = 4096
"""Quantile bins of a large reference. A bin holds about 1 / 4096 of it, which bounds what KS may miss."""
THRESHOLDS: Final = 16
"""Edges at which races are counted apart."""
CELLS: Final = 16384
"""Equal steps over the middle of the grid; each knows the few edges inside it, so that most searches end at once."""
SCALARS: Final = 8
PRESENT, MISSING, SIZE_SQUARES, MISSING_SQUARES, MISSING_SIZE, INFINITE, BELOW, ABOVE = range(SCALARS)
"""What is counted of a column besides its bins: rows with and without a value, the sums over races of the square of its
rows with a value, of its missing ones, and of missing times all, infinite values, and how far values lie outside the
grid (in units of `NumericGrid.unit`)."""

_PER_SECOND: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True, eq=False)
class NumericGrid:
    """The edges of one column's bins, and which of them count races."""

    edges: Floats
    """Ascending, finite, not empty."""

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return self.edges.size + 1

    @property
    def places(self) -> int:
        """How many integers a sketch keeps of the column."""
        return self.bins + 2 * THRESHOLDS + SCALARS

    @cached_property
    def single(self) -> NDArray[np.bool_]:
        """For each bin whether it can hold one value only."""
        narrow = np.nextafter(self.edges, -np.inf)[1:] == self.edges[:-1]
        return np.concatenate(([False], narrow, [False]))

    @cached_property
    def thresholds(self) -> Ints:
        """The edges that count races, ascending; the last is repeated where there are fewer than sixteen."""
        uppers = np.flatnonzero(self.single[:-1])
        candidates = uppers if uppers.size * 2 >= self.edges.size else np.arange(self.edges.size)
        wanted = np.linspace(0, candidates.size - 1, THRESHOLDS + 2).round().astype(np.int64)[1:-1]
        chosen = candidates[np.unique(wanted)]
        return np.concatenate((chosen, np.repeat(chosen[-1:], THRESHOLDS - chosen.size)))

    @cached_property
    def unit(self) -> float:
        """The step in which distances outside the grid are counted: whole numbers add in any order."""
        return float(max(self.edges[-1] - self.edges[0], abs(self.edges[-1]), 1e-300) * 2.0**-20)

    @cached_property
    def index(self) -> tuple[Floats, NDArray[np.uint16], NDArray[np.uint8], Floats]:
        """What the counting loop needs: padded edges, edges before each cell, class of each bin, four numbers."""
        low, high = _span(self.edges)
        per = (CELLS - 2) / (high - low) if high > low else 1.0
        if not np.isfinite(per):
            low, per = self.edges[0], 1.0
        numbers = np.array([low - 1.0 / per, per, 1.0 / self.unit, float(self.edges.size)])
        classes = np.searchsorted(np.unique(self.thresholds), np.arange(self.bins)).astype(np.uint8)
        padded = np.concatenate((self.edges, [np.inf, np.inf]))
        return padded, _first_edges(self.edges, numbers[0], per, CELLS), classes, numbers


def _span(edges: Floats) -> tuple[float, float]:
    """Return the stretch that is cut into equal cells: the one that leaves the fewest edges to search for."""
    best, cost = (float(edges[0]), float(edges[-1])), np.inf
    for cut in (0.0, 0.005, 0.02, 0.05, 0.1, 0.2):
        low, high = edges[int(cut * (edges.size - 1))], edges[int(np.ceil((1 - cut) * (edges.size - 1)))]
        if not low < high:
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            cells = np.nan_to_num((edges - low) / (high - low) * 1024).clip(-1.0, 1025.0)
        inside = np.bincount(np.floor(cells).astype(np.int64) + 1)
        searched = float((inside * np.log2(np.maximum(inside, 8) / 8)).sum())
        if searched < cost:
            best, cost = (float(low), float(high)), searched
    return best


def grid_of(sample: Floats, bins: int = BINS) -> NumericGrid | None:
    """Return the grid of a sample of the reference, None where it has no finite value.

    With at most `bins` distinct values each has a bin to itself, and KS is exact. Otherwise the edges are quantiles,
    and a value that fills a quantile bin by itself gets one.

    >>> grid_of(np.array([1.0, 2.0, 2.0])).edges.size
    4
    """
    values = np.sort(sample[np.isfinite(sample)])
    if not values.size:
        return None
    values = values + 0.0  # -0.0 and 0.0 are one value
    first = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    if first.size <= bins:
        edges = values[first]
        return NumericGrid(np.unique(np.concatenate((np.nextafter(edges, -np.inf), edges))))
    weight = np.diff(np.append(first, values.size))
    heavy = values[first[weight * bins >= values.size]]
    at = np.linspace(0, values.size - 1, bins).round().astype(np.int64)
    edges = np.unique(np.concatenate((values[at], heavy, np.nextafter(heavy, -np.inf))))
    return NumericGrid(edges)


def as_floats(column: pa.ChunkedArray | pa.Array) -> Floats:
    """Return a numeric column as float64 with NaN where there is no value; dates and times become seconds."""
    if pt.is_temporal(column.type):
        return _seconds(column)
    if pt.is_decimal(column.type):
        column = column.cast(pa.float64())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(column, pa.ChunkedArray):  # no chunk at all
        return np.empty(0)
    if column.null_count and pt.is_integer(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    return np.ascontiguousarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _seconds(column: pa.ChunkedArray | pa.Array) -> Floats:
    type_ = column.type
    per = 1 / 86400 if pt.is_date32(type_) else _PER_SECOND["ms" if pt.is_date64(type_) else type_.unit]
    return as_floats(column.cast(pa.int32() if type_.bit_width == 32 else pa.int64())) / per


def tally(values: Floats, starts: Ints, grid: NumericGrid, out: Ints) -> None:
    """Count a column into `out`, a sketch's places for it: bins, squares and products at thresholds, scalars.

    Args:
        values: float64[N], NaN where missing.
        starts: int64[R + 1], the first row of each race, and N; empty where rows are independent.
        grid: Of the reference.
        out: int64[grid.places], zeros.
    """
    padded, first, classes, numbers = grid.index
    _tally(values, starts, padded, first, classes, numbers, out)


@compiled(error_model="numpy", nogil=True)
def _cell(value, origin, per, cells):  # type: ignore[no-untyped-def]
    """Return the cell of a value; never falls as the value rises, which is all that the search relies on."""
    place = (value - origin) * per
    if not place >= 1.0:
        return 0
    if place >= cells - 1:
        return cells - 1
    return int(place)


@compiled(error_model="numpy", nogil=True)
def _first_edges(edges, origin, per, cells):  # type: ignore[no-untyped-def]
    """Return how many edges lie in the cells before each cell."""
    first = np.zeros(cells + 1, dtype=np.uint16)
    edge = 0
    for cell in range(cells):
        first[cell] = edge
        while edge < edges.size and _cell(edges[edge], origin, per, cells) == cell:
            edge += 1
    first[cells] = edge
    return first


@compiled(error_model="numpy", nogil=True)
def _bin(value, edges, first, origin, per):  # type: ignore[no-untyped-def]
    """Return how many edges lie below a value."""
    cell = _cell(value, origin, per, first.size - 1)
    low = np.int64(first[cell])
    high = np.int64(first[cell + 1])
    if high - low <= 2:
        return low + (edges[low] < value) + (edges[low + 1] < value)
    while low < high:
        middle = (low + high) >> 1
        if edges[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled(error_model="numpy", nogil=True)
def _outside(distance, per_unit, infinite):  # type: ignore[no-untyped-def]
    """Return a distance outside the grid in whole units, at most so many that any sum of them fits."""
    if infinite:
        return 0
    return np.int64(min(distance * per_unit, 68719476736.0))


@compiled(error_model="numpy", nogil=True)
def _tally(values, starts, edges, first, classes, numbers, out):  # type: ignore[no-untyped-def]
    origin, per, per_unit, bins = numbers[0], numbers[1], numbers[2], np.int64(numbers[3]) + 1
    squares, products, scalars = out[bins : bins + 16], out[bins + 16 : bins + 32], out[bins + 32 :]
    within = np.zeros(17, dtype=np.int64)
    clustered = starts.size > 0
    for race in range(starts.size - 1 if clustered else 1):
        begin, end = (starts[race], starts[race + 1]) if clustered else (0, values.size)
        within[:] = 0
        present = 0
        for row in range(begin, end):
            value = values[row]
            if value != value:
                continue
            bin_ = _bin(value, edges, first, origin, per)
            out[bin_] += 1
            within[classes[bin_]] += 1
            present += 1
            if bin_ == 0 or bin_ == bins - 1:
                infinite = value == np.inf or value == -np.inf
                scalars[5] += infinite
                if bin_ == 0:
                    scalars[6] += _outside(edges[0] - value, per_unit, infinite)
                else:
                    scalars[7] += _outside(value - edges[bins - 2], per_unit, infinite)
        missing = end - begin - present
        scalars[0] += present
        scalars[1] += missing
        if clustered:
            below = 0
            for threshold in range(16):
                below += within[threshold]
                squares[threshold] += below * below
                products[threshold] += below * present
            scalars[2] += present * present
            scalars[3] += missing * missing
            scalars[4] += missing * (end - begin)
