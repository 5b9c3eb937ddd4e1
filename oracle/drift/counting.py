"""The counting of some rows, column by column: what a sketch is made of. Pure.

One column is held at a time, so that rows may come from a file that is read as it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oracle.drift import categorical, numeric
from oracle.drift.categorical import NAMED, CategoricalGrid
from oracle.drift.columns import OF_RACES, Kind, Layout, Role
from oracle.drift.grid import RACES, ROWS, SIZE_SQUARES, ColumnGrid, Grid
from oracle.drift.months import coarse, stretches
from oracle.drift.numeric import Floats, Ints, NumericGrid
from oracle.drift.tally import Tally

DAY = "date"
"""The column that says in which month a row was."""
EMPTY = Tally.zero(0)


class Rows(Protocol):
    """Some rows, column by column: an Arrow table, or a file that is read as it is asked."""

    @property
    def num_rows(self) -> int:
        """How many."""
        ...

    @property
    def column_names(self) -> Sequence[str]:
        """Which columns there are."""
        ...

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column."""
        ...


class RaceStatistics(Protocol):
    """What is known of whole races only, such as the order of their scores: a value that adds as well."""

    def __add__(self, other: Self) -> Self:
        """Return both, in this order."""
        ...

    def to_bytes(self) -> bytes:
        """Return what `from_bytes` reads."""
        ...


class RaceCounter(Protocol):
    """Counts whole races. `oracle.drift.racing.RaceSums` is one."""

    def zero(self) -> RaceStatistics:
        """Return the statistics of no race."""
        ...

    def of(self, races: pa.Table, layout: Layout) -> RaceStatistics:
        """Return the statistics of whole races; the rows of each stand together."""
        ...

    def from_bytes(self, content: bytes) -> RaceStatistics:
        """Return what was written."""
        ...


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows of whole races, and whether those before and after them are kept."""

    begin: int
    end: int
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """What some rows count up to."""

    vector: Ints
    others: dict[str, dict[str, int]]
    races: RaceStatistics | None
    months: Tally
    """What `oracle.drift.months` needs; empty where rows have no date, or nobody counts races."""
    edges: tuple[pa.Table, pa.Table] | None
    """Rows before and after the cut, None where they were not kept."""


def count(rows: Rows, layout: Layout, grid: Grid, counter: RaceCounter | None, starts: Ints, cut: Cut) -> Counted:
    """Return what whole races, or independent rows, count up to.

    Args:
        rows: In their order.
        layout: Of the window they are part of.
        grid: Of the reference.
        counter: What else to count of whole races.
        starts: int64[R + 1], from the cut's beginning; empty where rows are independent.
        cut: Which of the rows.
    """
    vector, others = np.zeros(grid.places, dtype=np.int64), dict[str, dict[str, int]]()
    before, after, whole = dict[str, pa.Array](), dict[str, pa.Array](), dict[str, pa.ChunkedArray]()
    shared = _shared(layout, grid)
    outer = [pa.array(np.arange(*span)) for span in ((0, cut.begin), (cut.end, rows.num_rows))]
    spans, of_months = list[Span](), dict[int, Floats]()
    for name in wanted(layout, counter is not None):
        column = rows.column(name) if name in rows.column_names else pa.chunked_array([pa.nulls(rows.num_rows)])
        if cut.keep:
            before[name], after[name] = _copied(column, outer[0]), _copied(column, outer[1])
        inner = column.slice(cut.begin, cut.end - cut.begin)
        if counter is not None and (name in OF_RACES or name == layout.cluster):
            whole[name] = inner
            if name == DAY:
                spans = stretches(inner, starts)
                of_months = {month: np.zeros(coarse(grid).places) for month, _, _ in spans}
        if name == layout.cluster:
            others[name] = _runs(inner, starts)
        elif name in shared and len(inner):
            others[name] = _by_month(inner, starts, grid, name, vector, spans, of_months)
    vector[ROWS] = cut.end - cut.begin
    if starts.size:
        sizes = np.diff(starts)
        vector[RACES], vector[SIZE_SQUARES] = sizes.size, int((sizes * sizes).sum())
    races = _judged(whole, layout, counter) if counter is not None else None
    edges = (pa.table(before), pa.table(after)) if cut.keep else None
    months = Tally(np.array(list(of_months), dtype=np.int64), np.array(list(of_months.values())))
    return Counted(vector, {n: o for n, o in others.items() if o}, races, months if spans else EMPTY, edges)


def _judged(whole: Mapping[str, pa.ChunkedArray], layout: Layout, counter: RaceCounter) -> RaceStatistics:
    """Return what is known of whole races; of a window with neither predictions nor results there is nothing."""
    judging = (Role.PREDICTION, Role.MARKET, Role.OUTCOME)
    known = any(c.role in judging for c in layout.columns)
    return counter.of(pa.table(dict(whole)), layout) if known else counter.zero()


Span = tuple[int, int, int]


def _by_month(
    column: pa.ChunkedArray,
    starts: Ints,
    grid: Grid,
    name: str,
    vector: Ints,
    spans: Sequence[Span],
    of_months: Mapping[int, Floats],
) -> dict[str, int]:
    """Count a column month by month, where months are known, and return its first levels outside the grid."""
    bins, whole = grid.columns[name], vector[grid.slices[name]]
    if not spans:
        return _tally(column, starts, bins, whole)
    others = []
    for month, begin, end in spans:
        inside = starts[np.searchsorted(starts, begin) : np.searchsorted(starts, end) + 1] - begin
        places = np.zeros(bins.places, dtype=np.int64)
        others.append(_tally(column.slice(begin, end - begin), inside, bins, places))
        whole += places
        coarse(grid).put(name, places, of_months[month])
    return categorical.first_names(*others)


def _tally(column: pa.ChunkedArray, starts: Ints, bins: ColumnGrid, places: Ints) -> dict[str, int]:
    """Count a column into its places, and return its first levels outside the grid by name."""
    if isinstance(bins, CategoricalGrid):
        return categorical.tally(column, starts, bins, places)
    numeric.tally(numeric.as_floats(column), starts, bins, places)
    return {}


def _shared(layout: Layout, grid: Grid) -> frozenset[str]:
    """Return the columns that both have and can compare."""
    kinds = {c.name: c.kind for c in layout.columns}
    kind = {n: Kind.NUMERIC if isinstance(g, NumericGrid) else Kind.CATEGORICAL for n, g in grid.columns.items()}
    return frozenset(name for name in kind if kinds.get(name) in (kind[name], Kind.EMPTY))


def wanted(layout: Layout, races: bool) -> tuple[str, ...]:
    """Return the columns that a sketch needs, in the order in which it asks for them.

    Args:
        layout: Of the window.
        races: Whether whole races are counted too.
    """
    measured = [c.name for c in layout.columns if c.kind is not Kind.NESTED and c.role is not Role.IDENTITY]
    named = [c.name for c in layout.columns if races and c.name in OF_RACES]
    cluster = [layout.cluster] if layout.cluster is not None else []
    day = [DAY] if DAY in named else []
    return tuple(dict.fromkeys([*cluster, *day, *named, *measured]))


def race_starts(clusters: pa.ChunkedArray | pa.Array) -> Ints:
    """Return the first row of each run of equal neighbours, and the number of rows.

    >>> race_starts(pa.array(["a", "a", "b"])).tolist()
    [0, 2, 3]
    """
    if isinstance(clusters, pa.ChunkedArray):
        clusters = clusters.unify_dictionaries() if pa.types.is_dictionary(clusters.type) else clusters
        clusters = clusters.combine_chunks() if clusters.num_chunks != 1 else clusters.chunk(0)
    if pa.types.is_dictionary(clusters.type):
        clusters = clusters.indices
    ends = pc.run_end_encode(clusters, run_end_type=pa.int64()).run_ends.to_numpy()
    return np.concatenate((np.zeros(1, dtype=np.int64), ends))


def _runs(clusters: pa.ChunkedArray, starts: Ints) -> dict[str, int]:
    """Return how often the first clusters by name begin; more than once means that rows do not stand together."""
    ids = clusters.take(pa.array(starts[:-1]))
    texts = _resolved(ids.type)
    runs = pc.value_counts(ids.cast(texts).cast(pa.string()).drop_null())
    first = runs.take(pc.select_k_unstable(runs.field("values"), NAMED, [("", "ascending")]))
    return {run["values"]: run["counts"] for run in first.to_pylist()}


def kept(rows: Rows, names: Sequence[str]) -> pa.Table:
    """Return a copy of a few rows."""
    every = pa.array(np.arange(rows.num_rows))
    return pa.table({n: _copied(rows.column(n), every) for n in names if n in rows.column_names})


def _copied(column: pa.ChunkedArray, places: pa.Array) -> pa.Array:
    """Return a copy of a few values that does not hold on to the block they were cut from, dictionaries resolved."""
    taken = column.take(places)
    taken = taken.cast(_resolved(column.type)) if pa.types.is_dictionary(column.type) else taken
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


def _resolved(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if pa.types.is_dictionary(type_) else type_
