"""Reading the files of a layout as text, a bounded number of rows at a time and whole races together.

Everything is read as text: what a value means is for the layout to say. A row with too many or too few fields is kept
with its reason; a file that is not text or not whole raises. Blocks stay Arrow tables until a batch is full, because a
year of small files costs far more as a thousand data frames than as one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from oracle.data.sources.base import BATCH_ROWS
from oracle.data.sources.files import BROKEN, Layout, broken, checked_header, unreadable

BLOCK_BYTES = 1 << 25
"""Bytes of a CSV parsed at once: a file within one block is one piece, and so its races are whole."""
NEVER_CLOSED = 200
"""Lines inside one record after which a quotation mark is taken to be left open."""


@dataclass(frozen=True)
class Text:
    """Rows as text with where they stood; all parts share the index 0..n-1.

    Attributes:
        cells: The fields, by the layout's own column names; "" where absent.
        file: Name of the file.
        line: 1-based record number in the file, the header being record 1.
        reason: Why the row could not even be cut into fields, else None.
    """

    cells: pd.DataFrame
    file: pd.Series
    line: pd.Series
    reason: pd.Series


@dataclass(frozen=True)
class Piece:
    """Some rows of one file, as they were parsed."""

    table: pa.Table
    path: Path
    line: npt.NDArray[np.int64]
    reason: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.line)

    def take(self, rows: npt.NDArray[np.intp]) -> Piece:
        """Return the chosen rows."""
        return Piece(self.table.take(pa.array(rows)), self.path, self.line[rows], self.reason[rows])

    def select(self, layout: Layout) -> Piece:
        """Return the piece with the columns that the layout names and no others."""
        names = [name for name in self.table.column_names if name in layout.known.values()]
        return Piece(self.table.select(names), self.path, self.line, self.reason)


def read(paths: Iterable[Path], layout: Layout, rows: int = BATCH_ROWS) -> Iterator[Text]:
    """Yield the rows of the files, about `rows` at a time, never cutting a race of one file in two.

    Small files are put together. A file larger than a block is streamed if the rows of each race stand together in
    it, and read whole and brought together otherwise.

    Raises:
        UnreadableFile: a file is broken or not in the layout.
    """
    gathered: list[Piece] = []
    for path in paths:
        for piece in _whole_races(path, layout):
            gathered.append(piece)
            if sum(map(len, gathered)) >= rows:
                yield _joined(gathered, layout)
                gathered = []
    if gathered:
        yield _joined(gathered, layout)


def read_all(paths: Iterable[Path], layout: Layout) -> Text:
    """Return all rows of the files at once, only the columns the layout names; for tables that others are joined to.

    Raises:
        UnreadableFile: a file is broken or not in the layout.
    """
    return _joined([piece.select(layout) for path in paths for piece in _pieces(path, layout)], layout)


def _joined(pieces: Sequence[Piece], layout: Layout) -> Text:
    if not pieces:
        pieces = [Piece(_blank(layout.required, 0), Path(), np.zeros(0, np.int64), np.zeros(0, object))]
    cells = pa.concat_tables([p.table for p in pieces], promote_options="default").to_pandas()
    for name in cells.columns[cells.isna().any()]:
        cells[name] = cells[name].fillna("")
    files = np.repeat(np.array([p.path.name for p in pieces], dtype=object), [len(p) for p in pieces])
    return Text(
        cells.astype("str"),
        pd.Series(files, dtype="str"),
        pd.Series(np.concatenate([p.line for p in pieces])),
        pd.Series(np.concatenate([p.reason for p in pieces]), dtype="object"),
    )


def _concatenated(pieces: Sequence[Piece]) -> Piece:
    return Piece(
        pa.concat_tables([p.table for p in pieces]),
        pieces[0].path,
        np.concatenate([p.line for p in pieces]),
        np.concatenate([p.reason for p in pieces]),
    )


def _whole_races(path: Path, layout: Layout) -> Iterator[Piece]:
    pieces = _pieces(path, layout)
    start = list(itertools.islice(pieces, 2))
    if len(start) < 2:
        yield from start
    elif _scattered(path, layout):
        yield from _brought_together(path, layout)
    else:
        yield from _held_back(itertools.chain(start, pieces), layout)


def _race_keys(piece: Piece, layout: Layout) -> npt.NDArray[np.uint64]:
    """Return one number per row, equal for the rows of one race."""
    present = [c for c in layout.race if c in piece.table.column_names]
    return np.asarray(pd.util.hash_pandas_object(piece.table.select(present).to_pandas(), index=False), np.uint64)


def _scattered(path: Path, layout: Layout) -> bool:
    closed: set[int] = set()
    last: int | None = None
    for piece in _pieces(path, layout):
        keys = _race_keys(piece, layout)
        starts = keys[np.r_[True, keys[1:] != keys[:-1]]].tolist()
        for key in starts[1:] if starts[:1] == [last] else starts:
            if key in closed:
                return True
            closed.add(key)
        last = starts[-1] if starts else last
    return False


def _brought_together(path: Path, layout: Layout) -> Iterator[Piece]:
    whole = _concatenated(list(_pieces(path, layout)))
    races = np.asarray(pd.factorize(_race_keys(whole, layout))[0])
    order = np.argsort(races, kind="stable")
    start = 0
    while start < len(order):
        last = races[order[min(start + BATCH_ROWS, len(order)) - 1]]
        stop = int(np.searchsorted(races[order], last, side="right"))
        yield whole.take(order[start:stop])
        start = stop


def _held_back(pieces: Iterable[Piece], layout: Layout) -> Iterator[Piece]:
    held: Piece | None = None
    for piece in pieces:
        whole = _concatenated([held, piece]) if held else piece
        keys = _race_keys(whole, layout)
        changes = np.flatnonzero(keys[1:] != keys[:-1])
        cut = int(changes[-1]) + 1 if len(changes) else 0
        if cut:
            yield whole.take(np.arange(cut))
        held = whole.take(np.arange(cut, len(whole)))
    if held:
        yield held


def _pieces(path: Path, layout: Layout) -> Iterator[Piece]:
    names = checked_header(path, layout)
    try:
        yield from _parquet(path, names) if path.suffix == ".parquet" else _csv(path, names, layout)
    except BROKEN as error:
        raise broken(path, error, layout) from error


def _parquet(path: Path, names: list[str]) -> Iterator[Piece]:
    first = 1
    for block in pq.ParquetFile(path).iter_batches(batch_size=BATCH_ROWS):
        table = pa.table([_as_text(column) for column in block.columns], names=names)
        yield Piece(table, path, np.arange(first, first + len(block)), np.full(len(block), None, object))
        first += len(block)


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()).fill_null("")


def _csv(path: Path, names: list[str], layout: Layout) -> Iterator[Piece]:
    ragged: list[pa_csv.InvalidRow] = []

    def keep(row: pa_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    blocks = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=1, encoding=layout.encoding
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=layout.delimiter, newlines_in_values=True, invalid_row_handler=keep
        ),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    done = 1
    for block in blocks:
        bad, ragged[:] = list(ragged), []
        yield _block(pa.Table.from_batches([block]), path, done, bad)
        done += len(block) + len(bad)
    if ragged:
        yield _block(_blank(names, 0), path, done, ragged)


def _block(table: pa.Table, path: Path, done: int, ragged: Sequence[pa_csv.InvalidRow]) -> Piece:
    """Put the rows that could not be cut into fields behind the others, their whole text in the first column."""
    numbers = np.array([row.number for row in ragged], dtype=np.int64)
    lines = np.arange(done + 1, done + 1 + len(table) + len(ragged))
    reasons: list[str | None] = [None] * len(table)
    for row in ragged:
        if row.text.count("\n") > NEVER_CLOSED:
            raise unreadable(path, f"record {row.number} never ends", "quotation marks that are closed")
        reasons.append(f"wrong_number_of_fields: {row.actual_columns} instead of {row.expected_columns}")
    if ragged:
        whole = _blank(table.column_names, len(ragged)).set_column(
            0, table.column_names[0], pa.array([row.text for row in ragged], pa.string())
        )
        table = pa.concat_tables([table, whole])
    return Piece(table, path, np.r_[lines[~np.isin(lines, numbers)], numbers], np.array(reasons, dtype=object))


def _blank(names: Sequence[str], rows: int) -> pa.Table:
    return pa.table([pa.array([""] * rows, pa.string())] * len(names), names=list(names))
