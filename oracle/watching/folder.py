"""Drift tables as Parquet files, a month each, with row groups that end where a race ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oracle.drift.counting import race_starts
from oracle.errors import BadInput

ROW_GROUP = 32_768
"""Rows from which a row group ends at the next race."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    folder: Path
    rows: int
    races: int
    files: int
    columns: int
    bytes: int
    first_date: str | None
    last_date: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**self.__dict__, "folder": str(self.folder)}


def refuse_taken(folder: Path) -> None:
    """Return if the folder can be written as a whole.

    Raises:
        BadInput: it holds something, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput("the folder is not empty", value=str(folder), next_step="name a new folder with --out")


def write(folder: Path, months: Iterable[tuple[str, pa.Table]], about: Mapping[str, str]) -> Written:
    """Write drift tables as `folder/month=2019-02/part-0.parquet`, all of them or none.

    Args:
        folder: New or empty.
        months: Each month with its table: whole races, in the order of their off times.
        about: What the files say of themselves, in their Parquet metadata.

    Raises:
        BadInput: the folder holds something already, or cannot be made.
    """
    refuse_taken(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BadInput(
            f"the folder cannot be made: {error.strerror}", value=str(folder), next_step="name another with --out"
        ) from error
    try:
        done = _all(half, months, about)
        half.chmod(0o777 & ~_umask())
        half.replace(folder)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return Written(folder, **done)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _all(half: Path, months: Iterable[tuple[str, pa.Table]], about: Mapping[str, str]) -> dict[str, Any]:
    rows = races = files = columns = size = 0
    dates: list[str] = []
    for month, table in months:
        path = half / f"month={month}" / "part-0.parquet"
        path.parent.mkdir()
        with pq.ParquetWriter(path, table.schema.with_metadata(dict(about)), compression="zstd") as writer:
            for group in whole_races(table):
                writer.write_table(group.replace_schema_metadata(dict(about)), row_group_size=group.num_rows)
        rows, races, files = rows + table.num_rows, races + len(race_starts(table["race_id"])) - 1, files + 1
        columns, size = table.num_columns, size + path.stat().st_size
        ends = pa.compute.min_max(table["date"]).as_py()
        dates += [str(ends["min"]), str(ends["max"])]
    return {
        "rows": rows,
        "races": races,
        "files": files,
        "columns": columns,
        "bytes": size,
        "first_date": min(dates, default=None),
        "last_date": max(dates, default=None),
    }


def whole_races(table: pa.Table, rows: int = ROW_GROUP) -> Iterator[pa.Table]:
    """Yield the table in pieces of about so many rows, cut between races only."""
    starts = race_starts(table["race_id"])
    begin = 0
    for start in starts.tolist():
        if start - begin >= rows or (start == table.num_rows and start > begin):
            yield table.slice(begin, start - begin)
            begin = start
