"""Looking for personal data where it must not be: in every text of a database, and in the files of a folder.

Counts by place and kind, never what was found: a report of personal data is personal data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from oracle.governance.glance import ordinary
from oracle.governance.privacy import Kind, certain, found, inside
from oracle.progress import Progress, silent
from oracle.store.store import Store
from oracle.store.tables import METADATA, Masked

AT_ONCE = 2000
CHUNK = 2**20
WORDS = re.compile(rb"[\t\n\r\x20-\x7e]{8,}")
"""What of a file that is no text may be one."""
SHORTEST_BY_CHANCE = 10


@dataclass(frozen=True, slots=True)
class Sighting:
    """How often one kind stands in one place."""

    place: str
    kind: Kind
    count: int


def sightings(seen: Mapping[tuple[str, Kind], int]) -> list[Sighting]:
    """Return what was seen, by place and kind."""
    return [Sighting(place, kind, count) for (place, kind), count in sorted(seen.items())]


def in_store(store: Store, *, progress: Progress = silent) -> Counter[tuple[str, Kind]]:
    """Count what stands in our own tables.

    Raises:
        Unavailable: the database did not answer.
    """
    seen: Counter[tuple[str, Kind]] = Counter()
    for table in progress(METADATA.sorted_tables, "tables"):
        texts = [c for c in table.columns if isinstance(c.type, sa.Text | Masked)]
        for rows in _pages(store, table, texts):
            for row in rows:
                for column, text in zip(texts, row, strict=True):
                    is_id = not isinstance(column.type, Masked) or column.type.how.__name__ == "kept_id"
                    seen.update((f"{table.name}.{column.name}", kind) for kind in _of(text, is_id=is_id))
    return seen


def _pages(store: Store, table: sa.Table, texts: list[sa.Column[Any]]) -> Iterator[list[Any]]:
    """Yield the texts of a table in pieces, so that memory stays flat."""
    order = list(table.primary_key.columns) or list(table.columns)
    last: Any = None
    while True:
        wanted = sa.select(*texts, *order).order_by(*order).limit(AT_ONCE)
        if last is not None:
            wanted = wanted.where(sa.tuple_(*order) > sa.tuple_(*map(sa.literal, last)))
        rows = store.database.read(lambda x, w=wanted: list(x.execute(w).all()))  # type: ignore[misc]
        if not rows:
            return
        yield [row[: len(texts)] for row in rows]
        last = rows[-1][len(texts) :]


def in_database(address: str, *, progress: Progress = silent) -> Counter[tuple[str, Kind]]:
    """Count what stands in all texts of a database that is not ours, such as MLflow's.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it did not answer.
    """
    seen: Counter[tuple[str, Kind]] = Counter()
    engine = sa.create_engine(address)
    try:
        with engine.connect() as connection:
            for name in progress(sorted(sa.inspect(connection).get_table_names()), "MLflow"):
                table = sa.Table(name, sa.MetaData(), autoload_with=connection)
                texts = [c for c in table.columns if isinstance(c.type, sa.String)]
                if not texts:
                    continue
                for row in connection.execute(sa.select(*texts).execution_options(yield_per=AT_ONCE)):
                    for column, text in zip(texts, row, strict=True):
                        is_id = column.name.endswith(("_id", "_uuid"))
                        seen.update((f"mlflow.{name}.{column.name}", k) for k in _of(text, is_id=is_id))
    finally:
        engine.dispose()
    return seen


def in_folder(folder: Path, label: str, *, progress: Progress = silent) -> Counter[tuple[str, Kind]]:
    """Count what stands in the files under a folder: in texts whole, in others in the runs of plain letters."""
    seen: Counter[tuple[str, Kind]] = Counter()
    files = [folder] if folder.is_file() else sorted(f for f in folder.rglob("*") if f.is_file())
    for file in progress(files, label):
        where = file.name if folder.is_file() else str(file.relative_to(folder))
        place = label if folder.is_file() else f"{label}/{where}"
        for text, shortest in _lines(file):
            seen.update((place, each.kind) for each in found(text) if each.end - each.begin >= shortest)
        seen.update((f"{label} (name of a file)", each.kind) for each in found(where))
    return seen


def _lines(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the lines of a text, or the plain runs of another file, with the fewest letters that count in them.

    Compressed bytes are letters by chance, now and then those of a short address.
    """
    with file.open("rb") as source:
        head = source.read(8192)
        source.seek(0)
        binary = b"\0" in head
        left = b""
        while chunk := source.read(CHUNK):
            left += chunk
            *whole, left = left.split(b"\n")
            if len(left) > CHUNK:
                whole, left = [*whole, left], b""
            for line in whole:
                yield from _texts(line, binary=binary)
        yield from _texts(left, binary=binary)


def _texts(line: bytes, *, binary: bool) -> Iterable[tuple[str, int]]:
    if binary:
        return ((run.decode(), SHORTEST_BY_CHANCE) for run in WORDS.findall(line))
    plain = b'"' not in line and line.isascii() and ordinary(b'"%b"' % line)
    return () if plain else ((line.decode("utf-8", "replace"), 1),)


def _of(text: Any, *, is_id: bool) -> Iterable[Kind]:
    """Return the kinds that a text of a column holds: a document's by its members, an id's where it is certain."""
    if not isinstance(text, str) or not text:
        return ()
    if text[0] in "{[":
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
        else:
            return () if ordinary(text.encode()) else inside(document)
    return (each.kind for each in (certain(text) if is_id else found(text)))
