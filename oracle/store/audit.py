"""The audit trail in the store: a chain that only grows, written together with what it tells of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from oracle.governance.audit import Entry, Head, Link, linked
from oracle.store.database import Database
from oracle.store.governed import AUDIT
from oracle.store.tables import reader

T = TypeVar("T")

_COLUMNS, _ENTRY = reader(Entry, AUDIT, without=("position", "previous", "hash"))
_CHAIN = (AUDIT.c.position, AUDIT.c.previous, AUDIT.c.hash)
_HEAD = sa.select(AUDIT.c.position, AUDIT.c.hash).order_by(AUDIT.c.position.desc()).limit(1)
AT_ONCE = 1000


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

    def get(self, entry_id: str) -> Link | None:
        """Return the link of that entry, or None."""
        found = self._read(sa.select(*_CHAIN, *_COLUMNS).where(AUDIT.c.entry_id == entry_id))
        return found[0] if found else None

    def head(self) -> Head:
        """Return how far the chain has come."""
        return self._database.read(_head)

    def _read(self, wanted: sa.Select[tuple[object, ...]]) -> list[Link]:
        return [_link(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]


def within(connection: sa.Connection, entry: Entry) -> Link:
    """Write an entry in a transaction that is under way, and return its link.

    The transaction must have been begun `in_order`: two writers who read one head would both be its next.
    """
    known = connection.execute(sa.select(*_CHAIN, *_COLUMNS).where(AUDIT.c.entry_id == entry.entry_id)).first()
    if known is not None:
        return _link(known)
    link = linked(_head(connection), entry)
    told = {column.name: getattr(entry, column.name) for column in _COLUMNS}
    connection.execute(sa.insert(AUDIT).values(position=link.position, previous=link.previous, hash=link.hash, **told))
    return link


def _head(connection: sa.Connection) -> Head:
    row = connection.execute(_HEAD).first()
    return Head() if row is None else Head(*row)


def _link(row: Sequence[Any]) -> Link:
    position, previous, digest, *entry = row
    return Link(position, previous, digest, _ENTRY(entry))
