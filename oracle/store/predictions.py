"""Every answered prediction: who asked for which race, which version answered, and what exactly was said.

A row is written once and never changed. The same id again adds nothing, for a proxy may repeat a request, and whoever
repeats it gets the answer that was kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from oracle.store.database import Database
from oracle.store.keys import place_key, utc
from oracle.store.tables import PREDICTIONS, Rows, reader

AT_ONCE = 500
"""Rows read in one go: some 4 MB."""
EARLY = dt.timedelta(days=7)
"""A card that was answered longer before its off is not taken for the race as it was run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One answered card, as it was asked and as it was answered."""

    prediction_id: str
    request_id: str | None = None
    """The caller's or the proxy's id of the request."""
    at: dt.datetime
    """When it was answered, with a time zone."""
    race_id: str | None = None
    race_key: str
    """The race id, or course and off where the card has none: `oracle.store.keys.race_key`."""
    course: str
    off: dt.datetime
    experiment: str | None = None
    arm: str = "control"
    """The arm the unit was assigned to, whoever answered."""
    unit: str
    """What was assigned: the pseudonymised user, or the race key."""
    user: str | None = None
    """Pseudonym."""
    model_name: str
    model_version: str
    """The version that answered."""
    fallback: str | None = None
    """Why the control answered for the assigned treatment; None where nothing fell back."""
    card_key: str
    """Names a card together with the form it is scored with."""
    features: str = ""
    """Fingerprint of the feature matrix."""
    form: int = 0
    """Number of the last result folded into the form."""
    latency_ms: float | None = None
    cached: bool = False
    card: str
    """The card as JSON."""
    answer: str
    """The answer as JSON, exactly as it was sent."""

    @property
    def place_key(self) -> str:
        """Course and off, the race's other name."""
        return place_key(self.course, self.off)


_COLUMNS, _VALUE = reader(Prediction, PREDICTIONS, without=["place_key"])


class Predictions:
    """The predictions of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Rows[Prediction] = Rows(PREDICTIONS, database.dialect)

    def add(self, predictions: Sequence[Prediction]) -> int:
        """Write those that are not there yet, all or none; return how many that were. On return they are committed.

        Raises:
            Unavailable: they could not be written.
        """
        return self._database.write(lambda connection: self._rows.add(connection, predictions))

    def get(self, prediction_id: str) -> Prediction | None:
        """Return the prediction of that id, or None.

        Raises:
            Unavailable: the database did not answer.
        """
        wanted = sa.select(*_COLUMNS).where(PREDICTIONS.c.prediction_id == prediction_id)
        row = self._database.read(lambda connection: connection.execute(wanted).one_or_none())
        return None if row is None else _VALUE(row)

    def count(self, *, experiment: str | None = None) -> int:
        """Return how many there are, of all or of one experiment."""
        wanted = sa.select(sa.func.count()).select_from(PREDICTIONS)
        if experiment is not None:
            wanted = wanted.where(PREDICTIONS.c.experiment == experiment)
        return int(self._database.read(lambda connection: connection.execute(wanted).scalar_one()))

    def latest_answers(self, most: int) -> list[str]:
        """Return the answers that were written last, as JSON, the last first."""
        wanted = sa.select(PREDICTIONS.c.answer).order_by(PREDICTIONS.c.seq.desc()).limit(most)
        return list(self._database.read(lambda connection: connection.execute(wanted).scalars().all()))

    def of_experiment(self, name: str, since_seq: int = 0) -> Iterator[tuple[int, Prediction]]:
        """Yield (seq, prediction) of an experiment in the order they were written, after `since_seq`.

        Read in pieces, so that memory stays flat and no transaction stays open between them.
        """
        of = PREDICTIONS.c.experiment == name
        seq = since_seq
        while rows := self._piece(of & (PREDICTIONS.c.seq > seq), PREDICTIONS.c.seq):
            for row in rows:
                yield row[-1], _VALUE(row)
            seq = rows[-1][-1]

    def between(self, since: dt.datetime | None = None, until: dt.datetime | None = None) -> Iterator[Prediction]:
        """Yield the predictions answered from `since` until before `until`, by the moment of the answer; in pieces."""
        at, last = PREDICTIONS.c.at, PREDICTIONS.c.prediction_id
        end = sa.true() if until is None else at < utc(until)
        after = sa.true() if since is None else at >= utc(since)
        while rows := self._piece(after & end, at, last):
            found = [_VALUE(row) for row in rows]
            yield from found
            moment, name = found[-1].at, found[-1].prediction_id
            after = (at >= moment) & ((at > moment) | (last > name))

    def last_of_races(
        self, version: str, after: dt.datetime, until: dt.datetime, most: int | None = None
    ) -> list[Prediction]:
        """Return, of each race off after `after` and until `until`, the last answer of a version before the off.

        Nothing that was answered after `until` is looked at. Answers of the version under other weights
        (`3+1f2e3d4c`) are its answers too.

        Args:
            version: Version in the registry.
            after: Begin of the window.
            until: End of the window.
            most: So many races at most, the latest ones.
        """
        c = PREDICTIONS.c
        latest = sa.func.row_number().over(partition_by=c.place_key, order_by=(c.at.desc(), c.seq.desc()))
        of_version = sa.or_(c.model_version == version, c.model_version.startswith(f"{version}+", autoescape=True))
        told = (
            sa.select(c.seq, c.off, c.at, c.race_key, latest.label("place"))
            .where(of_version, c.at >= utc(after) - EARLY, c.at <= utc(until), c.at <= c.off)
            .where(c.off > utc(after), c.off <= utc(until))
            .subquery()
        )
        wanted = (
            sa.select(told.c.seq, told.c.race_key, told.c.off, told.c.at)
            .where(told.c.place == 1)
            .order_by(told.c.off, told.c.seq)
        )
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        of_race = {
            row.race_key: row.seq for row in rows if row.off - row.at <= EARLY
        }  # a race that was put off counts once, as it was run
        kept = list(of_race.values()) if most is None else list(of_race.values())[-most:] if most > 0 else []
        found: list[Prediction] = []
        for begin in range(0, len(kept), AT_ONCE):
            found += [_VALUE(row) for row in self._piece(c.seq.in_(kept[begin : begin + AT_ONCE]), c.off, c.seq)]
        return sorted(found, key=lambda each: (each.off, each.race_key))

    def of_race(self, race: str, most: int) -> list[Prediction]:
        """Return the answers to cards of a race, by the moment of the answer; the latest where there are more.

        Args:
            race: Its id, or course and off as `place_key` writes them.
            most: So many at most.
        """
        c = PREDICTIONS.c
        wanted = (
            sa.select(*_COLUMNS)
            .where((c.race_key == race) | (c.place_key == race))
            .order_by(c.at.desc(), c.seq.desc())
            .limit(most)
        )
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        return [_VALUE(row) for row in reversed(rows)]

    def _piece(self, where: sa.ColumnElement[bool], *order: sa.ColumnElement[Any]) -> Sequence[Any]:
        wanted = sa.select(*_COLUMNS, PREDICTIONS.c.seq).where(where).order_by(*order).limit(AT_ONCE)
        return self._database.read(lambda connection: connection.execute(wanted).all())


def kept_answers(cursor: Any, predictions: Sequence[Prediction], mark: str) -> list[str | None]:
    """Return for each prediction the answer kept under its id, None where that is its own.

    That it also is where the commit of an attempt before went through unknown to us: then the row is the one we wrote.
    """
    marks = ", ".join([mark] * len(predictions))
    wanted = f"SELECT prediction_id, answer FROM predictions WHERE prediction_id IN ({marks})"
    answers = dict(cursor.execute(wanted, [p.prediction_id for p in predictions]).fetchall())
    return [None if answers[p.prediction_id] == p.answer else answers[p.prediction_id] for p in predictions]
