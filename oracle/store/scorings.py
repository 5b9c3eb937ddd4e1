"""What each version said of each card: the two arms' scores of one race stand here side by side.

A scoring is named by the card, the form it was scored with (both in `card_key`) and the version, so that a thousand
users who ask for one card make one row for each version, and a shadow scoring that comes twice adds nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from oracle.store.database import Database
from oracle.store.keys import place_key, utc
from oracle.store.tables import SCORINGS, Rows, reader

AT_ONCE = 1000
"""Rows read in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What one version said of one card."""

    card_key: str
    model_version: str
    race_id: str | None = None
    race_key: str
    course: str
    off: dt.datetime
    at: dt.datetime
    arm: str = "control"
    """The slot that scored."""
    form: int = 0
    features: str = ""
    latency_ms: float | None = None
    runners: str
    """JSON: [[number, horse_id, horse, score, win, place], ...] of the runners that were not withdrawn."""

    @property
    def place_key(self) -> str:
        """Course and off, the race's other name."""
        return place_key(self.course, self.off)


_COLUMNS, _VALUE = reader(Scoring, SCORINGS, without=["place_key"])


class Scorings:
    """The scorings of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Rows[Scoring] = Rows(SCORINGS, database.dialect)

    def add(self, scorings: Sequence[Scoring]) -> int:
        """Write those that are not there yet, all or none; return how many that were.

        Raises:
            Unavailable: they could not be written.
        """
        return self._database.write(lambda connection: self._rows.add(connection, scorings))

    def count(self) -> int:
        """Return how many there are."""
        wanted = sa.select(sa.func.count()).select_from(SCORINGS)
        return int(self._database.read(lambda connection: connection.execute(wanted).scalar_one()))

    def of_race(self, race_key: str, place: str) -> list[Scoring]:
        """Return the scorings of a race, by either of its names, the oldest first."""
        c = SCORINGS.c
        return self._read(sa.select(*_COLUMNS).where(sa.or_(c.race_key == race_key, c.place_key == place)))

    def between(self, since: dt.datetime | None = None, until: dt.datetime | None = None) -> Iterator[Scoring]:
        """Yield the scorings made from `since` until before `until`, by their moment; in pieces."""
        c = SCORINGS.c
        end = sa.true() if until is None else c.at < utc(until)
        after = sa.true() if since is None else c.at >= utc(since)
        while found := self._read(sa.select(*_COLUMNS).where(after & end).limit(AT_ONCE)):
            yield from found
            last = found[-1]
            here = sa.tuple_(c.at, c.card_key, c.model_version)
            after = here > sa.tuple_(sa.literal(last.at, c.at.type), last.card_key, last.model_version)

    def _read(self, wanted: sa.Select[Any]) -> list[Scoring]:
        ordered = wanted.order_by(SCORINGS.c.at, SCORINGS.c.card_key, SCORINGS.c.model_version)
        return [_VALUE(row) for row in self._database.read(lambda connection: connection.execute(ordered).all())]
