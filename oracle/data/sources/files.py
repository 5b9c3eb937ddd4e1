"""Which files are in a layout: known by their header, never by their name alone.

A path that is missing, a folder without such a file and a table in another layout raise `UnreadableFile`, which names
the file, what was found and what was expected: a file that is passed over without a word would be lost results.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from oracle.errors import UnreadableFile

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".parquet")
BROKEN = (pa.ArrowException, OSError, EOFError, UnicodeError, LookupError, zlib.error, csv.Error)
"""What readers raise on a file that is not whole, not text or not what its suffix says."""


@dataclass(frozen=True)
class Layout:
    """How to know and to read the files of one layout.

    Attributes:
        name: The layout's word on the command line.
        required: Columns without which a file is not in the layout.
        race: The columns that say which race a row belongs to.
        columns: All columns the layout is known to have; a header is matched without regard to case, spaces and `_`.
        beside: Columns of the publisher's other files that may stand in the same folder and hold no runners.
        encoding: Encoding of the text.
        delimiter: What stands between two fields.
    """

    name: str
    required: tuple[str, ...]
    race: tuple[str, ...]
    columns: tuple[str, ...] = ()
    beside: tuple[tuple[str, ...], ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    known: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = (*self.required, *self.race, *self.columns, *(c for other in self.beside for c in other))
        object.__setattr__(self, "known", {fold(name): name for name in names})


def fold(name: str) -> str:
    """Return a column name without case, spaces and punctuation.

    >>> fold("Actual Wt_lbs")
    'actualwtlbs'
    """
    return "".join(c for c in name.casefold() if c.isalnum())


def unreadable(path: Path, found: object, expected: str, next_step: str | None = None) -> UnreadableFile:
    """Return the error that names the file, what was found and what was expected."""
    return UnreadableFile(f"cannot read {path}", value=found, allowed=expected, next_step=next_step)


def header(path: Path, layout: Layout) -> list[str]:
    """Return the column names of a file, in the layout's own spelling where it knows them.

    Raises:
        UnreadableFile: the file cannot be opened or its first line is no header.
    """
    try:
        names = list(pq.read_schema(path).names) if path.suffix == ".parquet" else _first_record(path, layout)
    except BROKEN as error:
        raise broken(path, error, layout) from error
    if not names:
        raise unreadable(path, "an empty file", f"a header with {', '.join(layout.required)}")
    told = [layout.known.get(fold(name), name.strip()) for name in names]
    counts = Counter(told)
    if repeated := [name for name in layout.known.values() if counts[name] > 1]:
        raise unreadable(path, f"the column {repeated[0]} more than once", "a header that names each column once")
    return _unique(told)


def _first_record(path: Path, layout: Layout) -> list[str]:
    with _opened(path) as stream, io.TextIOWrapper(stream, encoding=_with_bom(layout.encoding), newline="") as text:
        start = text.read(1 << 16)
    return next(csv.reader(io.StringIO(start, newline=""), delimiter=layout.delimiter), [])


def _opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")


def _with_bom(encoding: str) -> str:
    return "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding


def _unique(names: list[str]) -> list[str]:
    """Return the names with a number behind the blank and the repeated; none of them is a column of the layout."""
    taken: set[str] = set(names)
    result: dict[str, None] = {}
    for place, name in enumerate(names, start=1):
        if not name or name in result:
            name = next(n for k in itertools.count() if (n := f"{name or 'column'}.{place + k}") not in taken)
            taken.add(name)
        result[name] = None
    return list(result)


def broken(path: Path, error: BaseException, layout: Layout) -> UnreadableFile:
    """Return the error for a file that a reader gave up on."""
    return unreadable(
        path,
        f"{type(error).__name__}: {error}".splitlines()[0][:200],
        f"a whole {layout.encoding} CSV (plain or .gz) or Parquet file in the layout {layout.name}",
    )


def missing(names: Iterable[str], layout: Layout) -> list[str]:
    """Return the required columns that are not among the names."""
    present = set(names)
    return [column for column in layout.required if column not in present]


def find(paths: Sequence[Path], layout: Layout) -> list[Path]:
    """Return the files of the layout under the paths, sorted within each folder; a named file must be in the layout.

    In a folder the publisher's other files (`layout.beside`) are passed over. Any other table that is not in the
    layout raises, so that no result is left out without a word.

    Raises:
        UnreadableFile: a path is missing, a folder holds no such file, or a file is not in the layout.
    """
    found = []
    for path in paths:
        inside = [t for t in tables([path]) if path.is_file() or not _is_beside(header(t, layout), layout)]
        if not inside:
            raise unreadable(path, "no such file in the folder", f"files in the layout {layout.name}")
        found += inside
    return list(dict.fromkeys(found))


def tables(paths: Sequence[Path]) -> list[Path]:
    """Return the named files and all tables in the named folders, sorted within each folder.

    Raises:
        UnreadableFile: a path is missing.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise unreadable(path, "nothing there", "a file or a folder", "check the spelling of the path")
        inside = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        found += [p for p in inside if p == path or p.name.lower().endswith(SUFFIXES)]
    return list(dict.fromkeys(found))


def _is_beside(names: Sequence[str], layout: Layout) -> bool:
    return bool(missing(names, layout)) and any(set(other) <= set(names) for other in layout.beside)


def checked_header(path: Path, layout: Layout) -> list[str]:
    """Return the column names of a file that must be in the layout.

    Raises:
        UnreadableFile: a required column is missing; names it and what the header holds.
    """
    names = header(path, layout)
    if lacking := missing(names, layout):
        found = ", ".join(names[:60])
        raise unreadable(
            path,
            found if len(found) < 600 else found[:600] + " ...",
            f"a header with {', '.join(layout.required)} (missing: {', '.join(lacking)})",
            f"is the layout really {layout.name}? `--mapping` reads any other table (docs/data.md)",
        )
    return names
