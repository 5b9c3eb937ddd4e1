"""What users did with a prediction: viewed, clicked, followed it, bet on it.

An event is named by its sender and kept once, whatever is sent again under its id. One that speaks of a prediction we
do not have is reported and not kept: an answer leaves only after its row is written, so such an id is a mistake, or
the prediction has been pruned, and no arm could be credited with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from oracle.store.database import Database
from oracle.store.tables import EVENTS, PREDICTIONS, Rows, reader

AT_ONCE = 500
Kind = Literal["view", "click", "follow", "bet"]
KINDS: tuple[Kind, ...] = ("view", "click", "follow", "bet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something a user did with a prediction."""

    event_id: str
    prediction_id: str
    kind: Kind
    value: float | None = None
    """Such as the stake of a bet."""
    at: dt.datetime
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What became of events that were handed in."""

    new: int
    same: int
    """Were there already under their id; what was kept first stays."""
    unknown: tuple[str, ...]
    """Ids of the events whose prediction is not here; they were not kept."""


_COLUMNS, _VALUE = reader(Event, EVENTS)


class Events:
    """The events of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Rows[Event] = Rows(EVENTS, database.dialect)

    def add(self, events: Sequence[Event]) -> EventCounts:
        """Write what is new in the events, all or none.

        Raises:
            Unavailable: they could not be written.
        """
        return self._database.write(lambda connection: self._add(connection, events))

    def _add(self, connection: sa.Connection, events: Sequence[Event]) -> EventCounts:
        known = _those_there(connection, PREDICTIONS.c.prediction_id, [e.prediction_id for e in events])
        ours = [e for e in events if e.prediction_id in known]
        new = self._rows.add(connection, ours)
        unknown = tuple(e.event_id for e in events if e.prediction_id not in known)
        return EventCounts(new, len(ours) - new, unknown)

    def of_prediction(self, prediction_id: str) -> list[Event]:
        """Return the events of a prediction in the order they happened."""
        wanted = sa.select(*_COLUMNS).where(EVENTS.c.prediction_id == prediction_id)
        ordered = wanted.order_by(EVENTS.c.at, EVENTS.c.event_id)
        return [_VALUE(row) for row in self._database.read(lambda connection: connection.execute(ordered).all())]

    def count(self) -> int:
        """Return how many there are."""
        wanted = sa.select(sa.func.count()).select_from(EVENTS)
        return int(self._database.read(lambda connection: connection.execute(wanted).scalar_one()))


def _those_there(connection: sa.Connection, column: sa.Column[str], wanted: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for begin in range(0, len(wanted), AT_ONCE):
        found.update(connection.execute(sa.select(column).where(column.in_(wanted[begin : begin + AT_ONCE]))).scalars())
    return found
