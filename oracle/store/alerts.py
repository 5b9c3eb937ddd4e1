"""Alerts and their deliveries: what somebody should know, and whether each target was told.

An alert is kept once under its id, together with one open delivery per target, in one transaction: whoever dies in
between has told nobody or left it to the next one to tell.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from oracle.store.database import Database
from oracle.store.tables import ALERTS, DELIVERIES, Rows, reader

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that somebody should know."""

    alert_id: str
    """The same event has the same id."""
    at: dt.datetime
    kind: str
    severity: Severity
    title: str
    """One sentence."""
    document: str
    """The details, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How far one target has been told of one alert."""

    alert_id: str
    target: str
    attempts: int = 0
    next_at: dt.datetime | None = None
    """When to try (again); None once it is over."""
    delivered_at: dt.datetime | None = None
    error: str | None = None
    """What the last attempt met with."""


_COLUMNS, _VALUE = reader(Alert, ALERTS)
_DELIVERY_COLUMNS, _DELIVERY = reader(Delivery, DELIVERIES)


class Alerts:
    """The alerts of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Rows[Alert] = Rows(ALERTS, database.dialect)
        self._deliveries: Rows[Delivery] = Rows(DELIVERIES, database.dialect)

    def add(self, alert: Alert, targets: Sequence[str] = ()) -> bool:
        """Write an alert with an open delivery to each target, and return whether it is new.

        Raises:
            Unavailable: it could not be written.
        """

        def work(connection: sa.Connection) -> bool:
            new = bool(self._rows.add(connection, [alert]))
            open_ = [Delivery(alert_id=alert.alert_id, target=each, next_at=alert.at) for each in targets]
            self._deliveries.add(connection, open_ if new else [])
            return new

        return self._database.write(work)

    def get(self, alert_id: str) -> Alert | None:
        """Return the alert of that id, or None."""
        wanted = sa.select(*_COLUMNS).where(ALERTS.c.alert_id == alert_id)
        found = self._database.read(lambda connection: connection.execute(wanted).all())
        return _VALUE(found[0]) if found else None

    def latest(self, most: int = 20) -> list[Alert]:
        """Return the last alerts, the last first."""
        wanted = sa.select(*_COLUMNS).order_by(ALERTS.c.seq.desc()).limit(most)
        return [_VALUE(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]

    def due(self, now: dt.datetime, most: int = 100) -> list[tuple[Alert, Delivery]]:
        """Return the deliveries to be tried now, the oldest first."""
        wanted = sa.select(*_DELIVERY_COLUMNS).where(DELIVERIES.c.next_at <= now).order_by(DELIVERIES.c.next_at)
        found = self._database.read(lambda connection: connection.execute(wanted.limit(most)).all())
        deliveries = [_DELIVERY(row) for row in found]
        alerts = {each.alert_id: self.get(each.alert_id) for each in deliveries}
        return [(alert, d) for d in deliveries if (alert := alerts[d.alert_id]) is not None]

    def deliveries(self, alert_id: str) -> list[Delivery]:
        """Return how far each target has been told of an alert."""
        wanted = sa.select(*_DELIVERY_COLUMNS).where(DELIVERIES.c.alert_id == alert_id).order_by(DELIVERIES.c.target)
        return [_DELIVERY(row) for row in self._database.read(lambda connection: connection.execute(wanted).all())]

    def note(self, delivery: Delivery) -> None:
        """Write how far a target has been told; what was delivered stays delivered.

        Raises:
            Unavailable: it could not be written.
        """
        where = (DELIVERIES.c.alert_id == delivery.alert_id) & (DELIVERIES.c.target == delivery.target)
        told = {c.name: getattr(delivery, c.name) for c in DELIVERIES.columns if not c.primary_key}
        change = sa.update(DELIVERIES).where(where & DELIVERIES.c.delivered_at.is_(None)).values(**told)
        self._database.write(lambda connection: connection.execute(change))
