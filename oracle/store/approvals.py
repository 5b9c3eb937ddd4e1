"""Requests for promotion and what was said to them; the first word on a request stands."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from oracle.governance.approval import Request, Ruling
from oracle.governance.audit import Entry
from oracle.store.audit import Audit, within
from oracle.store.database import Database
from oracle.store.governed import REQUESTS, RULINGS
from oracle.store.tables import Rows, reader

_COLUMNS, _VALUE = reader(Request, REQUESTS)
_RULING_COLUMNS, _RULING = reader(Ruling, RULINGS)


class Approvals:
    """The requests and rulings of a store."""

    def __init__(self, database: Database) -> None:
        self._database, self._audit = database, Audit(database)
        self._requests: Rows[Request] = Rows(REQUESTS, database.dialect)
        self._rulings: Rows[Ruling] = Rows(RULINGS, database.dialect)

    def ask(self, request: Request, entry: Entry) -> bool:
        """Write a request with its audit entry, and return whether it is new.

        Raises:
            Unavailable: it could not be written.
        """
        return self._audit.together(entry, lambda connection: bool(self._requests.add(connection, [request])))

    def rule(self, ruling: Ruling, entry: Entry) -> Ruling:
        """Write a ruling with its audit entry, unless there is one of that step, and return the one that stands.

        The entry is written for the ruling that stands only: who comes second tells of being refused.

        Raises:
            Unavailable: it could not be written.
        """

        def work(connection: sa.Connection) -> Ruling:
            self._rulings.add(connection, [ruling])
            stands = next(each for each in _of(connection, ruling.request_id) if each.step == ruling.step)
            if stands == ruling:
                within(connection, entry)
            return stands

        return self._database.write(work, in_order=True)

    def get(self, request_id: str) -> Request | None:
        """Return the request of that id, or None."""
        found = self._read(sa.select(*_COLUMNS).where(REQUESTS.c.request_id == request_id))
        return found[0] if found else None

    def rulings(self, request_id: str) -> list[Ruling]:
        """Return what was said to a request, the first first."""
        return self._database.read(lambda connection: _of(connection, request_id))

    def of_version(self, model: str, version: int) -> list[Request]:
        """Return the requests for a version, the first first."""
        where = (REQUESTS.c.model == model) & (REQUESTS.c.version == version)
        return self._read(sa.select(*_COLUMNS).where(where).order_by(REQUESTS.c.seq))

    def open(self, now: dt.datetime) -> list[Request]:
        """Return the requests that nobody has decided and that have not expired, the first first."""
        decided = sa.select(RULINGS.c.request_id).where(RULINGS.c.step == "decided")
        where = REQUESTS.c.request_id.not_in(decided) & (REQUESTS.c.expires > now)
        return self._read(sa.select(*_COLUMNS).where(where).order_by(REQUESTS.c.seq))

    def latest(self, most: int = 20) -> list[Request]:
        """Return the last requests, the last first."""
        return self._read(sa.select(*_COLUMNS).order_by(REQUESTS.c.seq.desc()).limit(most))

    def _read(self, wanted: sa.Select[tuple[object, ...]]) -> list[Request]:
        return [_VALUE(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]


def _of(connection: sa.Connection, request_id: str) -> list[Ruling]:
    wanted = sa.select(*_RULING_COLUMNS).where(RULINGS.c.request_id == request_id).order_by(RULINGS.c.seq)
    return [_RULING(row) for row in connection.execute(wanted)]
