"""The audit trail in the store: a chain that only grows, written together with what it tells of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from oracle.governance.audit import Entry, Head, Link, Outcome, linked
from oracle.governance.glance import kept, kept_id, kept_value
from oracle.governance.verification import Unreadable
from oracle.store.database import Database
from oracle.store.governed import AUDIT
from oracle.store.tables import reader

T = TypeVar("T")

_COLUMNS, _ENTRY = reader(Entry, AUDIT, without=("position", "previous", "hash"))
_CHAIN = (AUDIT.c.position, AUDIT.c.previous, AUDIT.c.hash)
_HEAD = sa.select(AUDIT.c.position, AUDIT.c.hash).order_by(AUDIT.c.position.desc()).limit(1)
AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which entries are wanted; all that is not given fits."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    """The target itself and what belongs to it: `equine-oracle` finds `equine-oracle/3` as well."""
    outcomes: tuple[Outcome, ...] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Before this moment."""

    def conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        """Return what a row must fulfil."""
        if self.actor is not None:
            yield AUDIT.c.actor == self.actor
        if self.action is not None:
            yield AUDIT.c.action == self.action
        if self.target is not None:
            yield (AUDIT.c.target == self.target) | AUDIT.c.target.startswith(f"{self.target}/", autoescape=True)
        if self.outcomes is not None:
            yield AUDIT.c.outcome.in_(self.outcomes)
        if self.since is not None:
            yield AUDIT.c.at >= self.since
        if self.until is not None:
            yield AUDIT.c.at < self.until


class Audit:
    """The audit trail of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, entry: Entry) -> Link:
        """Write an entry and return its link; one that is there already stays as it is.

        Raises:
            Unavailable: it could not be written.
        """
        return self._database.write(lambda connection: within(connection, entry), in_order=True)

    def together(self, entry: Entry, work: Callable[[sa.Connection], T]) -> T:
        """Return what the work returns, its writes and the entry committed together or not at all.

        Raises:
            Unavailable: they could not be written.
        """

        def both(connection: sa.Connection) -> T:
            done = work(connection)
            within(connection, entry)
            return done

        return self._database.write(both, in_order=True)

    def links(self, after: int = 0, most: int = AT_ONCE) -> list[Link]:
        """Return the next links of the chain, the first first."""
        wanted = sa.select(*_CHAIN, *_COLUMNS).where(AUDIT.c.position > after).order_by(AUDIT.c.position).limit(most)
        return self._read(wanted)

    def latest(self, most: int = 20) -> list[Link]:
        """Return the last links, the last first."""
        return self._read(sa.select(*_CHAIN, *_COLUMNS).order_by(AUDIT.c.position.desc()).limit(most))

    def find(self, search: Search, most: int = 50) -> list[Link]:
        """Return the last links that are wanted, the first first."""
        wanted = sa.select(*_CHAIN, *_COLUMNS).where(*search.conditions()).order_by(AUDIT.c.position.desc())
        return self._read(wanted.limit(most))[::-1]

    def at(self, position: int) -> Link | None:
        """Return the link at that position, or None."""
        found = self._read(sa.select(*_CHAIN, *_COLUMNS).where(AUDIT.c.position == position))
        return found[0] if found else None

    def walk(self, after: int | None = None) -> Iterator[Link | Unreadable]:
        """Yield the chain from after a position on, whatever became of it: a row that is no link is told as such."""
        last: Any = after
        while True:
            rows = self._database.read(lambda connection, last=last: _page(connection, last))  # type: ignore[misc]
            if not rows:
                return
            yield from (_told(row) for row in rows)
            last = rows[-1][0]

    def get(self, entry_id: str) -> Link | None:
        """Return the link of that entry, or None."""
        found = self._read(sa.select(*_CHAIN, *_COLUMNS).where(AUDIT.c.entry_id == entry_id))
        return found[0] if found else None

    def about(self, target: str, actions: Collection[str], since: dt.datetime) -> list[Entry]:
        """Return what was done to a target since a moment by one of these actions, the first first."""
        where = (AUDIT.c.at >= since) & (AUDIT.c.target == target) & AUDIT.c.action.in_(actions)
        wanted = sa.select(*_CHAIN, *_COLUMNS).where(where).order_by(AUDIT.c.position)
        return [link.entry for link in self._read(wanted)]

    def head(self) -> Head:
        """Return how far the chain has come."""
        return self._database.read(_head)

    def _read(self, wanted: sa.Select[tuple[object, ...]]) -> list[Link]:
        return [_link(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]


def within(connection: sa.Connection, entry: Entry) -> Link:
    """Write an entry in a transaction that is under way, and return its link.

    The transaction must have been begun `in_order`: two writers who read one head would both be its next. What the
    entry holds of a person is masked first: the hash covers what is kept.
    """
    entry = _clean(entry)
    known = connection.execute(sa.select(*_CHAIN, *_COLUMNS).where(AUDIT.c.entry_id == entry.entry_id)).first()
    if known is not None:
        return _link(known)
    link = linked(_head(connection), entry)
    told = {column.name: getattr(entry, column.name) for column in _COLUMNS}
    connection.execute(sa.insert(AUDIT).values(position=link.position, previous=link.previous, hash=link.hash, **told))
    return link


MASKS: Mapping[str, Callable[[str], str]] = {
    "actor": kept_id,
    "target": kept,
    "reason": kept,
    "before": kept_value,
    "after": kept_value,
}
"""Here and not in the columns: the hash is of the text that is kept, so it must be masked before and never after."""


def _clean(entry: Entry) -> Entry:
    told: dict[str, Any] = {n: how(getattr(entry, n)) for n, how in MASKS.items() if getattr(entry, n) is not None}
    return replace(entry, **told)


def _head(connection: sa.Connection) -> Head:
    row = connection.execute(_HEAD).first()
    return Head() if row is None else Head(*row)


def _link(row: Sequence[Any]) -> Link:
    position, previous, digest, *entry = row
    return Link(position, previous, digest, _ENTRY(entry))


def _page(connection: sa.Connection, after: Any) -> list[tuple[Any, ...]]:
    """Return the next rows; of one that cannot be read only its position, and why.

    Whoever can write the file of SQLite can put anything there: a text for a number, a moment that is none.
    """
    position = sa.type_coerce(AUDIT.c.position, sa.types.NullType())
    keys = sa.select(position).order_by(AUDIT.c.position).limit(AT_ONCE)
    rows = sa.select(*_CHAIN, *_COLUMNS).order_by(AUDIT.c.position).limit(AT_ONCE)
    if after is not None:
        keys, rows = keys.where(position > after), rows.where(position > after)
    try:
        return [tuple(row) for row in connection.execute(rows)]
    except (ValueError, TypeError):
        return [_alone(connection, position, key) for key in connection.execute(keys).scalars().all()]


def _alone(connection: sa.Connection, position: Any, key: Any) -> tuple[Any, ...]:
    try:
        return tuple(connection.execute(sa.select(*_CHAIN, *_COLUMNS).where(position == key)).one())
    except (ValueError, TypeError) as error:
        return (key, str(error))


def _told(row: tuple[Any, ...]) -> Link | Unreadable:
    if not isinstance(row[0], int):
        return Unreadable(None, f"its position is {row[0]!r}")
    return Unreadable(*row) if len(row) == 2 else _link(row)
