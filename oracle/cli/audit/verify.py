"""`oracle audit verify`: whether the trail is the one that was written, in the store or in a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.audit.log import plain
from oracle.cli.output import Json, bars, emit
from oracle.errors import UnreadableFile
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.governance.verification import Piece, Verdict

TAMPERED = 10
"""Exit code where something is not what was written."""


def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="WHERE", help="Anchors: a file, or s3://bucket/prefix. May be repeated."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Verify this file of `oracle audit export`, without any database.")
    ] = None,
    json: Json = False,
) -> None:
    """Read the whole trail and say where it is not what was written; exit code 10 if it is not.

    A row that was changed, removed, inserted or moved is found in the trail itself. An end that was cut off, and a
    trail that was written anew as a whole, are found by an anchor that was kept elsewhere.
    """
    from oracle.governance.verification import verify as look

    begun = time.perf_counter()
    kept, unreadable = _anchors(anchor or [])
    with _store() if file is None else _file(file) as (links, total):
        verdict = look(bars(links, "verifying", total), kept, closed=file is not None)
    document = document_of(verdict, unreadable) | {"seconds": round(time.perf_counter() - begun, 3)}
    emit(document, json=json, text=lambda: told(document))
    if not document["sound"]:
        raise typer.Exit(TAMPERED)


def document_of(verdict: Verdict, unreadable: list[str]) -> dict[str, Any]:
    """Return what was found, with the places that hold what is no anchor."""
    return {
        "sound": verdict.sound and not unreadable,
        "entries": verdict.entries,
        "head": asdict(verdict.head),
        "anchors": verdict.anchors,
        "flaws": [asdict(flaw) for flaw in verdict.flaws],
        "more": verdict.more,
        "unreadable_anchors": unreadable,
    }


def told(d: dict[str, Any]) -> str:
    """Return the document as it is told to a person."""
    head = f"{d['entries']:,} entries, up to {d['head']['position']:,} with hash {d['head']['hash']}"
    if d["sound"]:
        anchored = (
            f"it holds with {d['anchors']} anchors"
            if d["anchors"]
            else "no anchor was given: an end that was cut off would not be seen"
        )
        return f"sound: {head}\n  {anchored}"
    lines = [f"NOT what was written: {head}", *(f"  {f['kind']:10}  {plain(f['said'])}" for f in d["flaws"])]
    lines += [f"  no anchor   {plain(where)}" for where in d["unreadable_anchors"]]
    return "\n".join(lines + ([f"  and {d['more']:,} more"] if d["more"] else []))


def _anchors(places: list[str]) -> tuple[list[Any], list[str]]:
    from oracle.store.anchors import kept

    found = [kept(place) for place in places]
    return [one for each in found for one in each.anchors], [name for each in found for name in each.unreadable]


@contextmanager
def _store() -> Iterator[tuple[Iterator[Piece], int | None]]:
    from oracle import store

    ours = store.open(load())
    try:
        yield ours.audit.walk(), ours.audit.head().position
    finally:
        ours.close()


@contextmanager
def _file(file: Path) -> Iterator[tuple[Iterator[Piece], int | None]]:
    from oracle.governance.exported import pieces

    try:
        with file.open("rb") as stream:
            yield pieces(stream), None
    except OSError as error:
        raise UnreadableFile("the file cannot be read", value=str(file), next_step=str(error)) from error
