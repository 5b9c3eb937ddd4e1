"""`oracle audit log`: who did what, when, from where, and what stood there before and after."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.output import Json, emit
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.governance.audit import Link


def log(
    actor: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this person or program did.")] = None,
    action: Annotated[str | None, typer.Option(metavar="VERB", help="Only this, such as promote.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="WHAT", help="Only what was done to this, or to what belongs to it.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From this date or moment on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this date or moment (UTC).")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused, or failed.")] = False,
    last: Annotated[int, typer.Option(min=1, help="How many at most, the last ones.")] = 50,
    json: Json = False,
) -> None:
    """Show the last entries of the audit trail, the last one at the end."""
    from oracle import store  # here, so that `oracle --help` does not wait for SQLAlchemy
    from oracle.governance.exported import shown
    from oracle.store.audit import Search

    search = Search(
        actor=actor,
        action=action,
        target=target,
        outcomes=("refused", "failed") if refused else None,
        since=moment("--since", since),
        until=moment("--until", until),
    )
    kept = store.open(load())
    try:
        links = kept.audit.find(search, last)
    finally:
        kept.close()
    emit({"entries": [shown(link) for link in links]}, json=json, text=lambda: _told(links))


def moment(option: str, word: str | None) -> dt.datetime | None:
    """Return the moment that an option says; a date is its first moment, and what names no zone is UTC."""
    try:
        said = None if word is None else dt.datetime.fromisoformat(word)
    except ValueError as error:
        allowed = "a date such as 2026-05-03, or a moment such as 2026-05-03T14:02Z"
        raise BadInput(f"{option} is no moment", value=word, allowed=allowed) from error
    return said if said is None or said.tzinfo else said.replace(tzinfo=dt.UTC)


def _told(links: list[Link]) -> str:
    return "\n".join(map(_line, links)) or "nothing of that kind is in the trail"


def _line(link: Link) -> str:
    e = link.entry
    where = f" from {e.address}" if e.address else ""
    words = f"{link.position:>6}  {e.at:%Y-%m-%d %H:%M:%S}  {e.outcome:8}{e.actor}{where}: {e.action} {e.target}"
    lines = [words if e.reason is None else f"{words} ({e.reason})"]
    lines += [f"{'':8}{name:6}  {text}" for name, text in (("before", e.before), ("after", e.after)) if text]
    return "\n".join(map(plain, lines))


def plain(text: str) -> str:
    r"""Return a text as it may be printed: what an actor calls himself must not move the reader's cursor.

    >>> plain("ann\x1b[2J")
    'ann\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
