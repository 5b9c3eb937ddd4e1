"""A window of races as a value that adds: everything a drift check needs, in a size that does not grow with rows. Pure.

Law: `of(whole) == of(part) + of(rest)` wherever the rows are cut, to the last bit, and addition is associative; the
order of the parts is the order of the rows. So one block, one file or a cluster run the same code. All counts are whole
numbers, which makes that exact. Where a cut goes through a race, the parts carry the rows of their first and of their
last race, and the sum counts the race when it is whole.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from oracle.drift import categorical
from oracle.drift.columns import Layout
from oracle.drift.counting import EMPTY, Cut, RaceCounter, RaceStatistics, Rows, count, kept, race_starts, wanted
from oracle.drift.grid import (
    RACES,
    ROWS,
    Grid,
    layout_as_dict,
    layout_from_dict,
    packed,
    parts_of,
    unpacked,
)
from oracle.drift.numeric import Ints
from oracle.drift.tally import Tally
from oracle.errors import BadInput

__all__ = [
    "RaceCounter",
    "RaceStatistics",
    "Rows",
    "Sketch",
    "of",
    "race_starts",
    "together",
    "wanted",
    "zero",
]


@dataclass(frozen=True, eq=False)
class Sketch:
    """A stretch of rows, counted on a grid. Made by `of`, `zero` and `+`."""

    grid: Grid
    layout: Layout
    """Of these rows; it may lack columns of the grid, or have others."""
    vector: Ints
    """Counts of the whole races, where `grid.slices` says."""
    others: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By categorical column, the first levels outside the grid."""
    races: Any = None
    """What is known of whole races (`RaceStatistics`), None where nobody counts it."""
    months: Tally = EMPTY
    """Counts of each calendar month of the whole races (`oracle.drift.months`)."""
    first: pa.Table | None = None
    """Rows of the first race, which may have begun before; None without rows or without clusters."""
    last: pa.Table | None = None
    """Rows of the last race, which may go on; None where the first is the last."""
    counter: RaceCounter | None = None

    @property
    def rows(self) -> int:
        """Rows, those of cut races included."""
        return int(self.vector[ROWS]) + sum(int(t.num_rows) for t in (self.first, self.last) if t is not None)

    def __add__(self, other: Sketch) -> Sketch:
        """Return the sketch of these rows and then the other's.

        Raises:
            BadInput: they were counted on different grids.
        """
        _same_grid(self, other)
        if self.first is None and not self.vector[ROWS]:
            return other
        if other.first is None and not other.vector[ROWS]:
            return self
        if self.layout.cluster is None or (self.first is None and other.first is None):
            return _summed(self, other)  # no race is cut: none is known, or both are closed
        cluster = self.layout.cluster
        middle = _races_apart(_joined(self.last or self.first, other.first), cluster)
        first = middle.pop(0) if self.last is None else self.first
        last = other.last
        if last is None and (middle or self.last is not None):
            last = middle.pop()
        whole = _races(middle, self)
        return replace(_summed(self, whole, other), first=first, last=last)

    def closed(self) -> Sketch:
        """Return the sketch with its first and last race counted as they are, to be compared."""
        if self.first is None:
            return self
        first, last = (_races([t] if t is not None else [], self) for t in (self.first, self.last))
        return _summed(first, self, last)

    @property
    def race_count(self) -> int:
        """Races, cut ones included; 0 without clusters."""
        return int(self.vector[RACES]) + sum(t is not None for t in (self.first, self.last))

    @property
    def scattered(self) -> bool:
        """Whether races were met again after others had come: their rows do not stand together."""
        return any(runs > 1 for runs in self.others.get(self.layout.cluster or "", {}).values())

    def __eq__(self, other: object) -> bool:
        """Return whether two sketches say the same, to the last bit."""
        if not isinstance(other, Sketch):
            return NotImplemented
        same = self.grid.digest == other.grid.digest and self.layout == other.layout
        return (
            same
            and np.array_equal(self.vector, other.vector)
            and self.others == other.others
            and np.array_equal(self.months.keys, other.months.keys)
            and np.array_equal(self.months.sums, other.months.sums)
            and _bytes_of(self.races) == _bytes_of(other.races)
            and _rows_of(self.first) == _rows_of(other.first)
            and _rows_of(self.last) == _rows_of(other.last)
        )

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self, *, with_grid: bool = True) -> bytes:
        """Return what `from_bytes` reads; without the grid where the reader has it already."""
        parts = (
            self.grid.to_bytes() if with_grid else b"",
            self.vector.astype("<i8").tobytes(),
            _bytes_of(self.races),
            _table_bytes(self.first),
            _table_bytes(self.last),
            self.months.keys.astype("<i8").tobytes(),
            self.months.sums.astype("<f8").tobytes(),
        )
        head = {"grid": self.grid.digest, "layout": layout_as_dict(self.layout), "others": self.others}
        return packed(head, *parts)

    @classmethod
    def from_bytes(cls, content: bytes, grid: Grid | None = None, counter: RaceCounter | None = None) -> Sketch:
        """Return the sketch that was written.

        Args:
            content: From `to_bytes`.
            grid: On which it was counted; needed where it was written without.
            counter: What counted its races; without one they are left out.

        Raises:
            BadInput: these are not the bytes of a sketch on this grid.
        """
        head, rest = unpacked(content)
        own, vector, races, first, last, *months = parts_of(head, rest)
        if own and (grid is None or grid.digest != head["grid"]):
            grid = Grid.from_bytes(own)
        if grid is None or grid.digest != head["grid"]:
            raise BadInput("the sketch was counted on another grid", value=head["grid"], next_step="pass its own grid")
        return cls(
            grid=grid,
            layout=layout_from_dict(head["layout"]),
            vector=np.frombuffer(vector, dtype="<i8").astype(np.int64),
            others=head["others"],
            races=counter.from_bytes(races) if counter is not None and races else None,
            first=_table_of(first),
            last=_table_of(last),
            months=_months_of(*months),
            counter=counter,
        )


def zero(layout: Layout, grid: Grid, counter: RaceCounter | None = None) -> Sketch:
    """Return the sketch of no rows."""
    races = counter.zero() if counter is not None else None
    return Sketch(grid, layout, np.zeros(grid.places, dtype=np.int64), races=races, counter=counter)


def of(rows: Rows, layout: Layout, grid: Grid, counter: RaceCounter | None = None) -> Sketch:
    """Return the sketch of some rows, in their order.

    Args:
        rows: The columns of the layout; what is absent is missing in every row.
        layout: Of the window the rows are part of.
        grid: Of the reference, from `oracle.drift.grid.of_sample`.
        counter: What else to count of whole races, such as `oracle.drift.racing.RaceSums`.
    """
    empty = zero(layout, grid, counter)
    if not rows.num_rows:
        return empty
    if layout.cluster is None:
        return _counted(empty, rows, np.empty(0, dtype=np.int64), Cut(0, rows.num_rows))
    starts = race_starts(rows.column(layout.cluster))
    if starts.size == 2:
        return replace(empty, first=kept(rows, wanted(layout, counter is not None)))
    cut = Cut(int(starts[1]), int(starts[-2]), keep=True)
    return _counted(empty, rows, starts[1:-1] - cut.begin, cut)


def together(sketches: Iterable[Sketch]) -> Sketch | None:
    """Return the sum in the order given, added as a balanced tree; None of none.

    At most one sketch of each size waits, so memory grows with the logarithm of their number, and the tree depends on
    nothing but their order.
    """
    waiting: list[tuple[int, Sketch]] = []
    for sketch in sketches:
        size, value = 1, sketch
        while waiting and waiting[-1][0] == size:
            value, size = waiting.pop()[1] + value, 2 * size
        waiting.append((size, value))
    total: Sketch | None = None
    for _, value in reversed(waiting):
        total = value if total is None else value + total
    return total


def _summed(*sketches: Sketch) -> Sketch:
    """Return the sum of what all have counted, their first and last races left out."""
    a = sketches[0]
    names = dict.fromkeys(name for s in sketches for name in s.others)
    others = {n: categorical.first_names(*(s.others.get(n, {}) for s in sketches)) for n in names}
    vector = np.sum([s.vector for s in sketches], axis=0)
    races = None if a.races is None else functools.reduce(operator.add, (s.races for s in sketches))
    months = functools.reduce(operator.add, (s.months for s in sketches))
    return replace(a, vector=vector, others=others, races=races, months=months, first=None, last=None)


def _counted(empty: Sketch, rows: Rows, starts: Ints, cut: Cut) -> Sketch:
    counted = count(rows, empty.layout, empty.grid, empty.counter, starts, cut)
    first, last = counted.edges or (None, None)
    return replace(
        empty,
        vector=counted.vector,
        others=counted.others,
        races=counted.races,
        months=counted.months,
        first=first,
        last=last,
    )


def _races(pieces: Sequence[pa.Table], like: Sketch) -> Sketch:
    """Return the sketch of whole races that lay at cuts."""
    empty = zero(like.layout, like.grid, like.counter)
    if not pieces:
        return empty
    table = _joined(*pieces)
    return _counted(empty, table, race_starts(table.column(like.layout.cluster)), Cut(0, table.num_rows))


def _races_apart(table: pa.Table, cluster: str) -> list[pa.Table]:
    """Return the races of a few rows, one table each."""
    starts = race_starts(table.column(cluster))
    return [table.slice(int(a), int(b - a)) for a, b in itertools.pairwise(starts)]


def _joined(*tables: pa.Table | None) -> pa.Table:
    whole = pa.concat_tables([t for t in tables if t is not None], promote_options="permissive")
    return whole.combine_chunks()


def _rows_of(table: pa.Table | None) -> str:
    """Return a few rows as text, in which a missing number equals another one."""
    return "" if table is None else repr(table.to_pydict())


def _table_bytes(table: pa.Table | None) -> bytes:
    if table is None:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _table_of(content: bytes) -> pa.Table | None:
    return pa.ipc.open_stream(content).read_all() if content else None


def _months_of(keys: bytes, sums: bytes) -> Tally:
    months = np.frombuffer(keys, dtype="<i8").astype(np.int64)
    return Tally(months, np.frombuffer(sums, dtype="<f8").reshape(len(months), -1).copy()) if len(months) else EMPTY


def _bytes_of(races: RaceStatistics | None) -> bytes:
    return races.to_bytes() if races is not None else b""


def _same_grid(a: Sketch, b: Sketch) -> None:
    if a.grid is not b.grid and a.grid.digest != b.grid.digest:
        raise BadInput("sketches on different grids do not add", value=b.grid.digest, allowed=a.grid.digest)
