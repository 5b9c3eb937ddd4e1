"""Row groups of Parquet files as rows that are read column by column, and no more of them at a time than is needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from oracle.drift.columns import Kind, Layout, kind_of
from oracle.drift.counting import Rows, wanted
from oracle.errors import BadInput, UnreadableFile

Keep = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Which days count, as days since 1970."""
Paths = str | Path | Sequence[str | Path]

VALUES_AT_ONCE: Final = 1 << 17
"""Columns of a row group are read together up to so many values: small groups in one go, large ones by column."""
LARGEST_GROUP: Final = 1 << 22
"""Rows beyond which a row group is read in batches."""
BATCH: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group of one file."""

    path: str
    index: int
    rows: int


@dataclass(frozen=True)
class Files:
    """The row groups of some Parquet files in their order, and the columns of all of them."""

    schema: pa.Schema
    groups: tuple[RowGroup, ...]
    of: str = field(default="", compare=False)
    """What the user named."""

    @cached_property
    def rows(self) -> int:
        """Rows of all row groups."""
        return sum(g.rows for g in self.groups)


def find(paths: Paths) -> Files:
    """Return the row groups of a file, a folder, a pattern, or several of them.

    A folder is read whole, in the order of its paths; names that begin with `_` or `.` are passed over, so that any
    dataset of ours can be named. Columns that only some files have count as missing in the others.

    Args:
        paths: Local, or on S3 as `s3://bucket/prefix`.

    Raises:
        UnreadableFile: there is nothing, or something that is not Parquet.
        BadInput: a column is of types that cannot be compared.
    """
    named = [str(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    groups, schemas = list[RowGroup](), list[pa.Schema]()
    for path in (p for name in named for p in _expanded(name)):
        file = _opened(path, ())
        metadata = file.metadata
        schemas.append(file.schema_arrow.remove_metadata())
        groups += [RowGroup(path, i, metadata.row_group(i).num_rows) for i in range(metadata.num_row_groups)]
    return Files(_unified(schemas), tuple(g for g in groups if g.rows), ", ".join(named))


def _expanded(name: str) -> list[str]:
    """Return the Parquet files that a name stands for, ascending."""
    files, root = _filesystem(name)
    if "://" not in name and any(c in name for c in "*?["):
        found = _matching(Path(name).expanduser())
    else:
        info = files.get_file_info(root)
        if info.type is fs.FileType.File:
            return [name]
        inside = files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
        kept = sorted(i.path for i in inside if i.type is fs.FileType.File and _is_data(i.path[len(root) :]))
        prefix = name.partition("://")[0] + "://" if "://" in name else ""
        found = [f"{prefix}{path}" for path in kept]
    if not found:
        raise UnreadableFile(
            "there is no Parquet file", value=name, allowed="a file, a folder of *.parquet, or a pattern"
        )
    return found


def _matching(pattern: Path) -> list[str]:
    """Return the files that a pattern stands for, ascending."""
    root = Path(*itertools.takewhile(lambda part: not any(c in part for c in "*?["), pattern.parts))
    return sorted(str(p) for p in root.glob(str(pattern.relative_to(root))) if p.is_file())


def _is_data(path: str) -> bool:
    parts = [p for p in path.split("/") if p]
    return parts[-1].endswith((".parquet", ".pq")) and not any(p.startswith(("_", ".")) for p in parts)


def _filesystem(name: str) -> tuple[fs.FileSystem, str]:
    if "://" not in name:
        return fs.LocalFileSystem(), str(Path(name).expanduser())
    files, root = fs.FileSystem.from_uri(name)
    return files, root.rstrip("/")


def _unified(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return one schema of all files; numbers of different widths are numbers."""
    fields: dict[str, pa.Field] = {}
    for schema in dict.fromkeys(schemas):
        for each in schema:
            before = fields.setdefault(each.name, each)
            kinds = {kind_of(before.type), kind_of(each.type)} - {Kind.EMPTY}
            if len(kinds) > 1:
                raise BadInput(f"files disagree on the column {each.name}", value=f"{before.type} and {each.type}")
            if kind_of(before.type) is Kind.EMPTY:
                fields[each.name] = each
    return pa.schema(fields.values())


@lru_cache(maxsize=4)
def _opened(path: str, dictionaries: tuple[str, ...]) -> pq.ParquetFile:
    """Return an open file; text is read as dictionaries, of which a column has few entries and many rows."""
    files, at = _filesystem(path)
    try:
        return pq.ParquetFile(at, filesystem=files, pre_buffer=False, read_dictionary=list(dictionaries))
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFile(f"the file is not Parquet that can be read: {error}", value=path) from error


@dataclass(frozen=True)
class Reading:
    """How row groups of a window are read: which columns, and which days."""

    layout: Layout
    races: bool
    """Whether columns by which whole races are judged are wanted too."""
    keep: Keep | None = None

    def rows(self, group: RowGroup) -> Iterator[Rows]:
        """Yield the rows of a group: itself, or where it is very large its batches."""
        names = wanted(self.layout, self.races)
        file = self._open(group)
        present = frozenset(file.schema_arrow.names)
        have = [n for n in names if n in present]
        if group.rows <= LARGEST_GROUP:
            yield ByColumn(file, group, have, self._mask(lambda n: file.read_row_group(group.index, columns=[n])[n]))
            return
        yield from self.batches(group, BATCH, have)

    def batches(self, group: RowGroup, size: int, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield batches of a group's rows that are kept, each with some columns."""
        file = self._open(group)
        present = frozenset(file.schema_arrow.names)
        day = [_day_of(present)] if self.keep is not None else []
        have = [n for n in dict.fromkeys([*names, *day]) if n in present]
        for batch in file.iter_batches(size, row_groups=[group.index], columns=have, use_threads=False):
            table = pa.Table.from_batches([batch])
            mask = self._mask(table.column)
            yield (table if mask is None else table.filter(mask)).select([n for n in names if n in present])

    def _open(self, group: RowGroup) -> pq.ParquetFile:
        texts = [n for n in wanted(self.layout, self.races) if self._is_text(n)]
        file = _opened(group.path, ())
        known = {f.name: f.type for f in file.schema_arrow}
        plain = tuple(n for n in texts if n in known and (pa.types.is_string(known[n]) or pa.types.is_binary(known[n])))
        return _opened(group.path, plain) if plain else file

    def _is_text(self, name: str) -> bool:
        return self.layout.by_name[name].kind is Kind.CATEGORICAL

    def _mask(self, column: Callable[[str], pa.ChunkedArray]) -> pa.Array | None:
        """Return which rows are kept by their day; None where all are."""
        if self.keep is None:
            return None
        day = _day_of(self.layout.by_name)
        return pa.array(self.keep(_days(column(day))))


def days_of(table: pa.Table, path: str) -> NDArray[np.int64]:
    """Return the day of each row, counted from 1970; -1 where it has none.

    Raises:
        BadInput: the table has neither `date` nor `off`.
    """
    return _days(table.column(_day_of(table.column_names, path)))


def _days(column: pa.ChunkedArray) -> NDArray[np.int64]:
    days = pc.cast(pc.cast(column, pa.date32(), safe=False), pa.int32())
    return np.asarray(pc.fill_null(days, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _day_of(names: Iterable[str], path: str | None = None) -> str:
    """Return the column that says on which day a row was."""
    names = list(names)
    for name in ("date", "off"):
        if name in names:
            return name
    raise BadInput(
        "the rows have no date",
        value=path,
        allowed="a column `date` or `off` of dates or times",
        next_step="compare two windows of your own choice: oracle drift --reference A --current B",
    )


class ByColumn:
    """The rows of a row group, each column read when it is asked for: in the order of `names`, each once.

    The first column may be asked for again.
    """

    def __init__(self, file: pq.ParquetFile, group: RowGroup, names: Sequence[str], mask: pa.Array | None) -> None:
        self.column_names = list(names)
        self.num_rows = group.rows if mask is None else int(mask.true_count)
        self._file, self._group, self._mask = file, group, mask
        self._at_once = max(1, VALUES_AT_ONCE // max(group.rows, 1))
        self._held: dict[str, pa.ChunkedArray] = {}
        self._first: dict[str, pa.ChunkedArray] = {}

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column, and read those that will be asked for with it."""
        if name in self._first:
            return self._first[name]
        if name not in self._held:
            at = self.column_names.index(name)
            self._held = self._read(self.column_names[at : at + self._at_once])
        if name == self.column_names[0]:
            self._first = {name: self._held[name]}
        return self._held[name]

    def _read(self, names: Sequence[str]) -> dict[str, Any]:
        table = self._file.read_row_group(self._group.index, columns=list(names), use_threads=False)
        return {n: table[n] if self._mask is None else table[n].filter(self._mask) for n in names}
