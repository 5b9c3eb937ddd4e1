"""Retrainings: what called for one, the steps it took, and how it ended.

The row of a retraining is its present state; its steps and the decisions before it are logs to which the database only
lets rows be added. At most one retraining is not ended at any time, whoever asks and however often: the database
decides who was first. What has ended stays as the first one left it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import sqlalchemy as sa

from oracle.errors import BadInput, Refused
from oracle.store.database import Database
from oracle.store.tables import DECISIONS, RETRAININGS, STEPS_TAKEN, Rows, reader

Status = Literal["submitted", "running", "testing", "awaiting_approval", "promoted", "rejected", "failed", "superseded"]
ENDED: tuple[Status, ...] = ("promoted", "rejected", "failed", "superseded")
StepStatus = Literal["started", "done", "failed"]


class NoSuchRetraining(BadInput):
    """There is no retraining of that id."""


class RetrainingInFlight(Refused):
    """Another retraining has not ended yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a trigger policy said of an event."""

    event_id: str
    at: dt.datetime
    decision: Literal["retrain", "wait", "ignore"]
    causes: str
    """By rule, as JSON."""
    check_id: str | None = None
    retraining_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """A retraining as it stands."""

    retraining_id: str
    event_id: str
    at: dt.datetime
    cause: str
    """Why it was started, as JSON."""
    production: str
    """Version in use at the start: what the candidate is measured against, and what alone it may replace."""
    status: Status = "submitted"
    candidate: str | None = None
    """Version that came of it."""
    experiment: str | None = None
    run_id: str | None = None
    reason: str | None = None
    """Why it ended as it did."""
    ended_at: dt.datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will be done any more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the log of a retraining."""

    retraining_id: str
    step: str
    status: StepStatus
    at: dt.datetime
    seconds: float | None = None
    """That it took; None at its start."""
    document: str = "{}"
    """What came out, as JSON."""


_DECISION_COLUMNS, _DECISION = reader(Decision, DECISIONS)
_COLUMNS, _VALUE = reader(Retraining, RETRAININGS)
_STEP_COLUMNS, _STEP = reader(Step, STEPS_TAKEN)


class Retrainings:
    """The retrainings of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._decisions: Rows[Decision] = Rows(DECISIONS, database.dialect)
        self._rows: Rows[Retraining] = Rows(RETRAININGS, database.dialect)
        self._steps: Rows[Step] = Rows(STEPS_TAKEN, database.dialect)

    def decide(self, decision: Decision) -> bool:
        """Write a decision and return whether it is new: the same word on the same event is kept once.

        Raises:
            Unavailable: it could not be written.
        """
        return bool(self._database.write(lambda connection: self._decisions.add(connection, [decision])))

    def decisions(self, event_id: str | None = None, most: int = 100) -> list[Decision]:
        """Return the decisions on an event, or the last on any, the last first."""
        wanted = sa.select(*_DECISION_COLUMNS).order_by(DECISIONS.c.seq.desc()).limit(most)
        if event_id is not None:
            wanted = wanted.where(DECISIONS.c.event_id == event_id)
        return [_DECISION(row) for row in self._read(wanted)]

    def start(self, retraining: Retraining) -> tuple[Retraining, bool]:
        """Write a retraining and return it as it is kept, and whether it is new.

        Raises:
            RetrainingInFlight: another one has not ended; names it.
            Unavailable: it could not be written.
        """
        return self._database.write(lambda connection: self._start(connection, retraining), in_order=True)

    def _start(self, connection: sa.Connection, wanted: Retraining) -> tuple[Retraining, bool]:
        there = _found(connection, RETRAININGS.c.retraining_id == wanted.retraining_id)
        if there:
            return there[0], False
        for other in _found(connection, RETRAININGS.c.status.not_in(ENDED)):
            raise RetrainingInFlight(
                f"another retraining is {other.status}",
                value=other.retraining_id,
                allowed="one at a time",
                next_step=f"oracle retrain status {other.retraining_id}",
            )
        self._rows.add(connection, [wanted])
        return wanted, True

    def update(self, retraining_id: str, **values: Any) -> Retraining:
        """Set fields of a retraining that has not ended, and return it as it is kept.

        Args:
            retraining_id: Which.
            values: New values by field: status, candidate, experiment, run_id, reason, ended_at.

        Raises:
            NoSuchRetraining: there is none of that id.
            BadInput: there is no such status.
            Unavailable: it could not be written.
        """
        if values.get("status", "running") not in get_args(Status):
            raise BadInput("a retraining has no such status", value=values["status"], allowed=get_args(Status))

        def work(connection: sa.Connection) -> Retraining:
            now = _one(connection, retraining_id)
            if now.ended:
                return now
            then = replace(now, **values)
            where = RETRAININGS.c.retraining_id == retraining_id
            connection.execute(sa.update(RETRAININGS).where(where).values(**values))
            return then

        return self._database.write(work, in_order=True)

    def end(self, retraining_id: str, status: Status, reason: str, at: dt.datetime) -> Retraining:
        """End a retraining and return it as it is kept: one that has ended already stays as the first one left it.

        Raises:
            NoSuchRetraining: there is none of that id.
            BadInput: the status is no end.
            Unavailable: it could not be written.
        """
        if status not in ENDED:
            raise BadInput("that is no end", value=status, allowed=ENDED)
        return self.update(retraining_id, status=status, reason=reason, ended_at=at)

    def get(self, retraining_id: str) -> Retraining | None:
        """Return the retraining of that id, or None."""
        where = RETRAININGS.c.retraining_id == retraining_id
        found = self._database.read(lambda connection: _found(connection, where))
        return found[0] if found else None

    def all(self) -> list[Retraining]:
        """Return every retraining, the first first."""
        return self._database.read(lambda connection: _found(connection, sa.true()))

    def unfinished(self) -> Retraining | None:
        """Return the retraining that has not ended, or None."""
        found = self._database.read(lambda connection: _found(connection, RETRAININGS.c.status.not_in(ENDED)))
        return found[0] if found else None

    def step(self, step: Step) -> None:
        """Add a line to the log of a retraining.

        Raises:
            Unavailable: it could not be written.
        """
        self._database.write(lambda connection: _add_step(connection, self._steps, step))

    def steps(self, retraining_id: str) -> list[Step]:
        """Return the log of a retraining, the first line first."""
        wanted = sa.select(*_STEP_COLUMNS).where(STEPS_TAKEN.c.retraining_id == retraining_id)
        return [_STEP(row) for row in self._read(wanted.order_by(STEPS_TAKEN.c.seq))]

    def _read(self, wanted: sa.Select[Any]) -> list[Any]:
        return self._database.read(lambda connection: list(connection.execute(wanted).all()))


def _add_step(connection: sa.Connection, rows: Rows[Step], step: Step) -> None:
    """Write a line that is not there yet: the write may run twice where a connection is lost after it."""
    same = sa.select(sa.func.count()).select_from(STEPS_TAKEN)
    for name in ("retraining_id", "step", "status", "at"):
        same = same.where(STEPS_TAKEN.c[name] == getattr(step, name))
    if not connection.execute(same).scalar_one():
        rows.add(connection, [step])


def _one(connection: sa.Connection, retraining_id: str) -> Retraining:
    found = _found(connection, RETRAININGS.c.retraining_id == retraining_id)
    if not found:
        there = [each.retraining_id for each in _found(connection, sa.true())]
        raise NoSuchRetraining(
            "there is no such retraining", value=retraining_id, allowed=there[-10:] or "none was started yet"
        )
    return found[0]


def _found(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Retraining]:
    wanted = sa.select(*_COLUMNS).where(where).order_by(RETRAININGS.c.at, RETRAININGS.c.retraining_id)
    return [_VALUE(row) for row in connection.execute(wanted).all()]
