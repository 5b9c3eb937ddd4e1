"""What came into service when: a log that only grows, and the answer to "what was live at that moment?"."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from oracle.governance.approval import Promotion, Ruling
from oracle.governance.audit import Entry
from oracle.store.audit import Audit
from oracle.store.database import Database
from oracle.store.governed import PROMOTIONS, RULINGS
from oracle.store.tables import Rows, reader

_COLUMNS, _VALUE = reader(Promotion, PROMOTIONS)


class Promotions:
    """The promotions of a store."""

    def __init__(self, database: Database) -> None:
        self._database, self._audit = database, Audit(database)
        self._rows: Rows[Promotion] = Rows(PROMOTIONS, database.dialect)
        self._rulings: Rows[Ruling] = Rows(RULINGS, database.dialect)

    def add(self, promotion: Promotion, entry: Entry, used: Ruling | None = None) -> bool:
        """Write a promotion with its audit entry, and that its request is used up; return whether it is new.

        Raises:
            Unavailable: it could not be written.
        """

        def work(connection: sa.Connection) -> bool:
            self._rulings.add(connection, [] if used is None else [used])
            return bool(self._rows.add(connection, [promotion]))

        return self._audit.together(entry, work)

    def get(self, promotion_id: str) -> Promotion | None:
        """Return the promotion of that id, or None."""
        found = self._read(sa.select(*_COLUMNS).where(PROMOTIONS.c.promotion_id == promotion_id))
        return found[0] if found else None

    def at(self, model: str, moment: dt.datetime) -> Promotion | None:
        """Return the promotion by which the version that served at that moment came into service, or None."""
        where = (PROMOTIONS.c.model == model) & (PROMOTIONS.c.at <= moment)
        latest = sa.select(*_COLUMNS).where(where).order_by(PROMOTIONS.c.at.desc(), PROMOTIONS.c.seq.desc()).limit(1)
        found = self._read(latest)
        return found[0] if found else None

    def of_version(self, model: str, version: int) -> list[Promotion]:
        """Return the promotions of a version, the first first."""
        where = (PROMOTIONS.c.model == model) & (PROMOTIONS.c.version == version)
        return self._read(sa.select(*_COLUMNS).where(where).order_by(PROMOTIONS.c.seq))

    def all(self, model: str) -> list[Promotion]:
        """Return the promotions of a model, the first first."""
        return self._read(sa.select(*_COLUMNS).where(PROMOTIONS.c.model == model).order_by(PROMOTIONS.c.seq))

    def _read(self, wanted: sa.Select[tuple[object, ...]]) -> list[Promotion]:
        return [_VALUE(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]
