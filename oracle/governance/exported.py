"""The chain as a file that is verified without a database: a line of JSON for each link, and a last one for its end.

Each link has exactly one spelling. A line that is spelled otherwise is no link: what a reader of the file could
overlook (a field twice, one that no hash covers) is found as what it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

import orjson

from oracle.governance.audit import Entry, Head, Link
from oracle.governance.verification import Anchor, Piece, Unreadable

COLUMNS = ("position", *(field.name for field in fields(Entry)), "previous", "hash")
"""Of the table for a spreadsheet."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula when a text begins with it."""


def line(piece: Link | Head) -> bytes:
    """Return a link, or the end of the chain, as its line."""
    if isinstance(piece, Head):
        return orjson.dumps({"head": asdict(piece)}) + b"\n"
    told = {field.name: getattr(piece.entry, field.name) for field in fields(Entry)}
    told["at"] = _moment(piece.entry.at)
    document = {"position": piece.position, "previous": piece.previous, "hash": piece.hash, "entry": told}
    return orjson.dumps(document) + b"\n"


def shown(link: Link) -> dict[str, Any]:
    """Return a link as a document for people and programs: the entry between its position and its hash."""
    told = {field.name: getattr(link.entry, field.name) for field in fields(Entry)} | {"at": _moment(link.entry.at)}
    return {"position": link.position, **told, "hash": link.hash}


def lines(links: Iterable[Link | Unreadable]) -> Iterator[tuple[Piece, bytes]]:
    """Yield each link with its line, and the end; what is no link has none, and leaves a gap that is found."""
    head = Head()
    for link in links:
        if isinstance(link, Link):
            head = Head(link.position, link.hash)
            yield link, line(link)
        else:
            yield link, b""
    yield head, line(head)


def pieces(file: Iterable[bytes]) -> Iterator[Piece]:
    """Yield what the lines of a file say."""
    for number, raw in enumerate(file, 1):
        try:
            piece = _piece(orjson.loads(raw))
            why = "" if line(piece) == raw else "it is not spelled as it is written"
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = str(error) or type(error).__name__
        yield Unreadable(None, f"line {number}: {why}") if why else piece


def _piece(document: Any) -> Link | Head:
    if "head" in document:
        return Head(int(document["head"]["position"]), str(document["head"]["hash"]))
    entry = {**document["entry"], "at": dt.datetime.fromisoformat(document["entry"]["at"])}
    return Link(int(document["position"]), str(document["previous"]), str(document["hash"]), Entry(**entry))


def row(link: Link) -> list[str]:
    """Return a link as a row for a spreadsheet; a text that would be a formula there begins with an apostrophe."""
    told = shown(link) | {"previous": link.previous}
    texts = ("" if told[name] is None else str(told[name]) for name in COLUMNS)
    return [f"'{text}" if text.startswith(FORMULA) else text for text in texts]


def anchor_line(anchor: Anchor) -> bytes:
    """Return an anchor as its line."""
    at = None if anchor.at is None else _moment(anchor.at)
    return orjson.dumps({"position": anchor.position, "hash": anchor.hash, "at": at}) + b"\n"


def anchor(raw: bytes) -> Anchor:
    """Return the anchor that a line says.

    Raises:
        ValueError: it says none.
    """
    try:
        said = orjson.loads(raw)
        at = None if said["at"] is None else dt.datetime.fromisoformat(said["at"])
        kept = Anchor(int(said["position"]), str(said["hash"]), at)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"no anchor: {error}") from error
    return kept


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds")
