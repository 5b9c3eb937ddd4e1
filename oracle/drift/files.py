"""The sketch of a window that lies in Parquet files, in this process.

Row groups are read one after the other and column by column, so that memory does not grow with rows. They are counted
in pieces of neighbours; `oracle.drift.on_ray` counts the same pieces on a cluster and joins them alike, to the bit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import pyarrow as pa

from oracle.drift import grid as grids
from oracle.drift import numeric, sketch
from oracle.drift.columns import Column, Layout
from oracle.drift.counting import RaceCounter
from oracle.drift.grid import ColumnGrid, Grid
from oracle.drift.numeric import PRESENT, NumericGrid
from oracle.drift.parquet import VALUES_AT_ONCE, Files, Keep, Paths, Reading, RowGroup, find
from oracle.drift.sketch import Sketch
from oracle.progress import Progress, silent

PIECE: Final = 1 << 18
"""Rows that are counted together, whole row groups: the work of one task on a cluster."""
SAMPLE: Final = 1 << 17
"""Rows of the reference that its grid is made of; where it has no more, KS may be exact."""
SAMPLED: Final = 2
"""Row groups that the sample is taken from, as far apart as they lie."""
READ: Final = 1 << 17
"""Rows of each that are read for it. Rows far apart are taken, for those of one race may all say the same."""
LARGEST_BIN: Final = 1e-3
"""Share of the reference that a bin may hold before its column is sampled anew from all rows: what KS may miss."""

Piece = tuple[RowGroup, ...]


class Counting(Protocol):
    """Counts pieces of rows one by one, here or on a cluster."""

    def __call__(self, pieces: Sequence[Piece], job: Job) -> Iterable[Sketch]:
        """Return the sketch of each piece, in their order."""
        ...


@dataclass(frozen=True)
class Job:
    """How the pieces of a window are counted."""

    reading: Reading
    grid: Grid
    counter: RaceCounter | None

    def count(self, piece: Piece) -> Sketch:
        """Return the sketch of the rows of some row groups."""
        layout = self.reading.layout
        parts = (
            sketch.of(rows, layout, self.grid, self.counter) for group in piece for rows in self.reading.rows(group)
        )
        return sketch.together(parts) or sketch.zero(layout, self.grid, self.counter)


def here(pieces: Sequence[Piece], job: Job) -> Iterator[Sketch]:
    """Count pieces in this process."""
    return (job.count(piece) for piece in pieces)


def of(
    paths: Paths | Files,
    grid: Grid | None = None,
    layout: Layout | None = None,
    counter: RaceCounter | None = None,
    *,
    keep: Keep | None = None,
    progress: Progress = silent,
    counting: Counting = here,
) -> Sketch:
    """Return the sketch of a window in files.

    Args:
        paths: Parquet: a file, a folder, a pattern, or several of them; or what `find` has found there.
        grid: Of the reference. None where this is the reference: its own grid is then made from a sample of it.
        layout: What its columns are for; by their names by default.
        counter: What else to count of whole races, such as `oracle.drift.racing.RaceSums`.
        keep: Which days count; all by default.
        progress: Shows how far it is.
        counting: Where the pieces are counted.

    Raises:
        UnreadableFile: there is nothing to read, or it is not Parquet.
    """
    files = paths if isinstance(paths, Files) else find(paths)
    reading = Reading(_laid_out(files, grid, layout), counter is not None, keep)
    counted = functools.partial(_counted, files, reading, counter=counter, progress=progress, counting=counting)
    if grid is not None:
        return counted(grid)
    grid = sampled(files, reading)
    found = counted(grid)
    finer = refined(files, reading, found)
    return found if finer is grid else counted(finer)


def _laid_out(files: Files, grid: Grid | None, layout: Layout | None) -> Layout:
    from oracle.drift.columns import layout as laid_out

    cluster = None if grid is None else grid.layout.cluster
    return layout or laid_out(files.schema, cluster if cluster in files.schema.names else None)


def _counted(
    files: Files, reading: Reading, grid: Grid, *, counter: RaceCounter | None, progress: Progress, counting: Counting
) -> Sketch:
    parts = pieces(files.groups)
    job = Job(reading, grid, counter)
    told = progress(counting(parts, job), f"counting {files.of}", len(parts))
    return sketch.together(told) or sketch.zero(reading.layout, grid, counter)


def pieces(groups: Iterable[RowGroup]) -> list[Piece]:
    """Return row groups by neighbours of about `PIECE` rows, the same wherever they are counted."""
    found, open_, rows = list[Piece](), list[RowGroup](), 0
    for group in groups:
        if open_ and rows + group.rows > PIECE:
            found, open_, rows = [*found, tuple(open_)], [], 0
        open_.append(group)
        rows += group.rows
    return [*found, tuple(open_)] if open_ else found


def sampled(files: Files, reading: Reading) -> Grid:
    """Return the grid of a reference, from some rows of some of its row groups, a few columns at a time."""
    names, made = [c.name for c in reading.layout.measured], dict[str, ColumnGrid]()
    largest = max((g.rows for g in files.groups), default=1)
    at_once = max(1, VALUES_AT_ONCE // min(largest, SAMPLE))
    for some in (names[i : i + at_once] for i in range(0, len(names), at_once)):
        parts = list(_some_rows(files, reading, some))
        sample = pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({})
        made |= grids.of_sample(sample, replace(reading.layout, columns=_named(reading.layout, some))).columns
    return Grid(reading.layout, made)


def _named(layout: Layout, names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(layout.by_name[name] for name in names)


def _some_rows(files: Files, reading: Reading, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield some rows of row groups that lie far apart, until they are enough."""
    if files.rows <= SAMPLE:
        yield from (_plain(batch) for group in files.groups for batch in reading.batches(group, READ, names))
        return
    rows = 0
    for group in _spread(files.groups):
        wanted = -(-SAMPLE // min(SAMPLED, len(files.groups)))
        step = max(1, min(group.rows, READ) // wanted)
        for batch in reading.batches(group, READ, names):
            part = batch.take(pa.array(np.arange(0, batch.num_rows, step)[:wanted])) if step > 1 else batch
            yield _plain(part)
            wanted, rows = wanted - part.num_rows, rows + part.num_rows
            if wanted <= 0:
                break
        if rows >= SAMPLE:
            return


def _spread(groups: Sequence[RowGroup]) -> list[RowGroup]:
    """Return all groups, first some that lie evenly over all, then the rest."""
    at = np.linspace(0, len(groups) - 1, min(SAMPLED, len(groups))).round().astype(int).tolist()
    return [groups[i] for i in [*at, *sorted(set(range(len(groups))) - set(at))]]


def _plain(table: pa.Table) -> pa.Table:
    fields = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def refined(files: Files, reading: Reading, reference: Sketch) -> Grid:
    """Return a reference's grid, with the columns made anew that the sample did not do justice to.

    A column that rises with time, or has few values, may have much between two edges. How many values it has is known
    now, so every so-many-th of them makes edges that do.
    """
    closed, coarse = reference.closed(), dict[str, int]()
    for name, bins in closed.grid.columns.items():
        if isinstance(bins, NumericGrid):
            vector = closed.vector[closed.grid.slices[name]]
            present = int(vector[bins.places - numeric.SCALARS + PRESENT])
            if int(vector[: bins.bins][~bins.single].max()) > max(LARGEST_BIN * present, 1):
                coarse[name] = present
    if not coarse or files.rows <= SAMPLE:
        return reference.grid
    steps = {name: max(1, present // SAMPLE) for name, present in coarse.items()}
    taken: dict[str, list[numeric.Floats]] = {name: [] for name in coarse}
    seen = dict.fromkeys(coarse, 0)
    for batch in _batches(files, reading, list(coarse)):
        for name in batch.column_names:
            values = numeric.as_floats(batch.column(name))
            values = values[~np.isnan(values)]
            taken[name].append(values[-seen[name] % steps[name] :: steps[name]])
            seen[name] += values.size
    made = {name: numeric.grid_of(np.concatenate(parts)) for name, parts in taken.items() if parts}
    finer: dict[str, ColumnGrid] = {name: bins for name, bins in made.items() if bins is not None}
    return reference.grid.replaced(finer)


def _batches(files: Files, reading: Reading, names: Sequence[str]) -> Iterator[pa.Table]:
    for group in files.groups:
        yield from reading.batches(group, SAMPLE, names)
