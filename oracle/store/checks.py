"""Drift checks: what was looked at, against what, and what came out; a log that only grows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from oracle.store.database import Database
from oracle.store.tables import CHECKS, Rows, reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look at a window of races."""

    check_id: str
    """The same window of the same version against the same reference has the same id."""
    at: dt.datetime
    kind: str
    """Who looked: monitor, or manual."""
    model_version: str
    reference: str
    """What it was compared with, such as the model's own reference."""
    window_from: dt.datetime | None = None
    window_to: dt.datetime | None = None
    races: int
    verdict: str
    document: str
    """The whole report as JSON."""


_COLUMNS, _VALUE = reader(Check, CHECKS)


class Checks:
    """The drift checks of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Rows[Check] = Rows(CHECKS, database.dialect)

    def add(self, check: Check) -> bool:
        """Write a check and return whether it is new; one that is there already stays as it was.

        Raises:
            Unavailable: it could not be written.
        """
        return bool(self._database.write(lambda connection: self._rows.add(connection, [check])))

    def get(self, check_id: str) -> Check | None:
        """Return the check of that id, or None."""
        found = self._read(sa.select(*_COLUMNS).where(CHECKS.c.check_id == check_id))
        return found[0] if found else None

    def latest(self, most: int = 1, *, model_version: str | None = None) -> list[Check]:
        """Return the last checks, of one version or of all, the last first."""
        wanted = sa.select(*_COLUMNS)
        if model_version is not None:
            wanted = wanted.where(CHECKS.c.model_version == model_version)
        return self._read(wanted.order_by(CHECKS.c.at.desc(), CHECKS.c.seq.desc()).limit(most))

    def since(self, at: dt.datetime) -> list[Check]:
        """Return the checks made at that moment or later, the first first."""
        return self._read(sa.select(*_COLUMNS).where(CHECKS.c.at >= at).order_by(CHECKS.c.at, CHECKS.c.seq))

    def _read(self, wanted: sa.Select[tuple[object, ...]]) -> list[Check]:
        return [_VALUE(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]
