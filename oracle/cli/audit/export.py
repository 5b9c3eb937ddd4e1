"""`oracle audit export`: the whole trail as a file that anybody verifies without the database."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load


def export(
    out: Annotated[Path, typer.Option(help="File to write: JSON lines, a link each, and a last one for the end.")],
    table: Annotated[Path | None, typer.Option("--csv", help="Also write it as a table for a spreadsheet.")] = None,
    json: Json = False,
) -> None:
    """Write the whole trail to a file, whole or not at all; `oracle audit verify --file` needs nothing else.

    It is written as it stands: what is wrong with it is wrong in the file, and found there.
    """
    from oracle import store
    from oracle.governance.audit import Head, Link
    from oracle.governance.exported import COLUMNS, lines, row

    begun, head, count = time.perf_counter(), Head(), 0
    kept = store.open(load())
    try:
        with ExitStack() as open_:
            stream = open_.enter_context(_whole(out))
            rows: Any = None
            if table is not None:
                sheet = open_.enter_context(_whole(table))
                rows = csv.writer(_Text(sheet))
                rows.writerow(COLUMNS)
            links = bars(kept.audit.walk(), "writing", kept.audit.head().position)
            for piece, text in lines(links):
                stream.write(text)
                if isinstance(piece, Head):
                    head = piece
                elif isinstance(piece, Link):
                    count += 1
                    if rows is not None:
                        rows.writerow(row(piece))
    finally:
        kept.close()
    document = {"out": str(out.absolute()), "entries": count, "head": asdict(head)}
    document |= {"csv": table and str(table.absolute()), "seconds": round(time.perf_counter() - begun, 3)}
    emit(document, json=json, text=lambda: f"{out}: {count:,} entries, up to {head.position:,} with hash {head.hash}")


class _Text:
    """What a writer of text takes, over a file of bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return int(self._stream.write(text.encode("utf-8", "backslashreplace")))


@contextmanager
def _whole(file: Path) -> Iterator[Any]:
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise BadInput("the file cannot be written", value=str(file), next_step=str(error)) from error
    finally:
        part.unlink(missing_ok=True)
