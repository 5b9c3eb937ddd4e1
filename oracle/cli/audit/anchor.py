"""`oracle audit anchor`: how far the trail has come, kept where whoever writes the database cannot write."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.audit.verify import TAMPERED, document_of, told
from oracle.cli.output import Json, bars, emit
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.governance.verification import Anchor
    from oracle.store import Store


def anchor(
    to: Annotated[str | None, typer.Option(metavar="WHERE", help="A file, or s3://bucket/prefix.")] = None,
    retain: Annotated[
        int, typer.Option(min=0, metavar="DAYS", help="How long a bucket is to hold it; 0: without a lock.")
    ] = 3650,
    json: Json = False,
) -> None:
    """Verify what came since the last anchor, then keep the hash of the head elsewhere; for cron, every hour or so.

    Without --to it is printed only: a line to hand to somebody. Nothing is anchored that does not hold: exit code 10.
    """
    from oracle import store
    from oracle.governance.audit import Head
    from oracle.governance.verification import Anchor
    from oracle.store.anchors import Kept, keep, kept

    now = dt.datetime.now(dt.UTC)
    before = kept(to) if to else Kept((), ())
    ours = store.open(load())
    try:
        last = before.anchors[-1] if before.anchors else None
        found = _since(ours, last, list(before.unreadable))
    finally:
        ours.close()
    if not found["sound"]:
        emit(found, json=json, text=lambda: told(found))
        raise typer.Exit(TAMPERED)
    head = Head(**found["head"])
    one = Anchor(head.position, head.hash, now)
    document: dict[str, Any] = {"anchor": asdict(one), "new": found["entries"], "kept": None}
    if to is not None and head.position and head != (last and Head(last.position, last.hash)):
        document["kept"] = keep(to, one, until=now + dt.timedelta(days=retain) if retain else None)
    emit(document, json=json, text=lambda: _told(document, to))


def _since(ours: Store, last: Anchor | None, unreadable: list[str]) -> dict[str, Any]:
    """Return what a look finds at what came since an anchor, the anchored link included."""
    from oracle.governance.audit import Head
    from oracle.governance.verification import verify

    if last is None:
        return document_of(verify(bars(ours.audit.walk(), "verifying")), unreadable)
    link = ours.audit.at(last.position)
    links = chain(() if link is None else (link,), ours.audit.walk(last.position))
    start = Head(last.position - 1, "" if link is None else link.previous)
    document = document_of(verify(bars(links, "verifying"), [last], after=start), unreadable)
    return document | {"entries": document["entries"] - (link is not None)}


def _told(d: dict[str, Any], to: str | None) -> str:
    line = f"{d['anchor']['position']} {d['anchor']['hash']}"
    if to is None:
        return line
    return (
        f"{line}\n  {d['new']:,} new entries; kept in {d['kept']}"
        if d["kept"]
        else f"{line}\n  nothing new: kept already"
    )
