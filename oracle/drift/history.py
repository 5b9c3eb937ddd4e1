"""Past races as tables and as weekly sketches, out of a dataset of ours or of drift tables in Parquet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from oracle.data.dataset import Dataset, as_arrow
from oracle.drift import grid, sketch
from oracle.drift.calibration import Block
from oracle.drift.columns import layout
from oracle.drift.parquet import days_of
from oracle.drift.racing import RaceSums
from oracle.drift.season import same_weeks
from oracle.drift.sketch import Sketch
from oracle.drift.verdict import cluster_of
from oracle.errors import NotEnoughData, UnreadableFile
from oracle.progress import Progress, silent
from oracle.race import Status
from oracle.settings import DriftPolicy

SAMPLE = 200_000
"""Rows from which the bins of a history are made."""
BINS = 512
"""Quantile bins of a column: a week has few races, and hundreds of weeks are held at once."""
WEEK = 7


def tables(path: str) -> Iterator[pa.Table]:
    """Yield the starters of a past, in pieces of whole days in their order.

    Args:
        path: A dataset, a Parquet file, or a folder of them.

    Raises:
        UnreadableFile: there is neither.
    """
    yield from (_settled(table) for table in (_months(path) if is_dataset(path) else _pieces(path)) if table.num_rows)


def is_dataset(path: str) -> bool:
    """Return whether a dataset of ours is there."""
    return not Path(path).is_file() and Dataset(path).exists()


def _months(path: str) -> Iterator[pa.Table]:
    dataset = Dataset(path)
    for month in dataset.months():
        first = dt.date.fromisoformat(f"{month}-01")
        last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
        yield as_arrow(dataset.read(start=first, end=last))


def _pieces(path: str) -> Iterator[pa.Table]:
    """Yield the row groups of some files; rows of a day that is cut wait for its end."""
    files = files_of(path)
    held: pa.Table | None = None
    for file in files:
        source = pq.ParquetFile(file)
        for number in range(source.num_row_groups):
            piece = source.read_row_group(number)
            piece = piece if held is None else pa.concat_tables([held, piece], promote_options="permissive")
            days = days_of(piece, path)
            cut = int(np.searchsorted(days, days[-1])) if days.size and (np.diff(days) >= 0).all() else len(days)
            held = piece.slice(cut) if cut < piece.num_rows else None
            yield piece.slice(0, cut)
    if held is not None:
        yield held


def files_of(path: str) -> list[str]:
    """Return the Parquet files at a path, by name.

    Raises:
        UnreadableFile: there is none.
    """
    at = Path(path)
    files = [at] if at.is_file() else sorted(p for p in at.rglob("*.parquet") if not p.name.startswith(("_", ".")))
    if not files:
        raise UnreadableFile(
            "there is neither a dataset nor a Parquet file",
            value=path,
            next_step="name a Parquet file, a folder of them, or a dataset",
        )
    return [str(file) for file in files]


def _settled(table: pa.Table) -> pa.Table:
    """Return those that started, day by day."""
    if "status" in table.column_names and pa.types.is_string(table.schema.field("status").type):
        gone = pc.is_in(table["status"], pa.array([str(Status.WITHDRAWN), str(Status.VOID)]))
        table = table.filter(pc.invert(gone))
    if "date" in table.column_names:
        days = days_of(table, "")
        if (np.diff(days) < 0).any():
            table = table.take(pa.array(np.argsort(days, kind="stable")))
    return table


def whole(path: str) -> pa.Table:
    """Return all starters of a past."""
    found = list(tables(path))
    if not found:
        raise NotEnoughData("there are no rows", value=path)
    return pa.concat_tables(found, promote_options="permissive")


def seasonal(path: str, first: int, last: int, policy: DriftPolicy) -> pa.Table:
    """Return the rows of the same weeks of earlier years.

    Args:
        path: A dataset, or drift tables with dates.
        first: First day of the window in question, since 1970.
        last: Its last day.
        policy: How many weeks beside them count as the same.

    Raises:
        NotEnoughData: the past does not reach back a year.
    """
    kept = []
    for table in tables(path):
        wanted = same_weeks(days_of(table, path), first, last, policy.season_weeks)
        if wanted.any():
            kept.append(table.filter(pa.array(wanted)))
    if not kept:
        raise NotEnoughData(
            "the history has no race in the same weeks of an earlier year",
            value=path,
            next_step="name a history that reaches further back with --history",
        )
    return pa.concat_tables(kept, promote_options="permissive")


def weekly(path: str, policies: Mapping[str, DriftPolicy], progress: Progress = silent) -> dict[str, list[Block]]:
    """Return the weeks of a past as sketches, for each policy with its own clusters; all on one grid.

    Args:
        path: A dataset, or drift tables with dates.
        policies: By name.
        progress: Shows which piece is counted.
    """
    pieces = list(tables(path))
    if not pieces:
        raise NotEnoughData("there are no rows", value=path)
    rows = pa.concat_tables(pieces, promote_options="permissive")
    out: dict[str, list[Block]] = {}
    bins: grid.Grid | None = None
    for name, policy in policies.items():
        columns = layout(rows.schema, cluster=cluster_of(rows.schema.names, policy))
        bins = grid.Grid(columns, (bins or grid.of_sample(_sample(rows), columns, BINS)).columns)
        weeks: dict[int, Sketch] = {}
        for piece in progress(pieces, f"counting weeks, cluster {name}", len(pieces)):
            days = days_of(piece, path)
            monday = days - (days + 3) % WEEK
            for week in np.unique(monday):
                found = sketch.of(piece.filter(pa.array(monday == week)), columns, bins, RaceSums)
                weeks[int(week)] = weeks[int(week)] + found if int(week) in weeks else found
        out[name] = [Block(week, counted.closed()) for week, counted in sorted(weeks.items())]
    return out


def _sample(rows: pa.Table) -> pa.Table:
    step = max(1, rows.num_rows // SAMPLE)
    return rows if step == 1 else rows.take(pa.array(np.arange(0, rows.num_rows, step)))
