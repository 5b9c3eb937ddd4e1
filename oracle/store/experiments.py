"""Experiments: what is tested against what, with which shares, and everything that was ever done to them.

The row of an experiment is its present state; `experiment_changes` is its history, to which the database itself only
lets rows be added. Whoever writes first wins: a second start under the name, or a second end, finds what is there and
changes nothing. The plan is kept as the text that was hashed at the start, and every read hashes it again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import orjson
import sqlalchemy as sa

from oracle.errors import BadInput, Refused
from oracle.governance.glance import masked_json
from oracle.governance.privacy import certain
from oracle.store.database import Database
from oracle.store.tables import CHANGES, EXPERIMENTS, Rows

Status = Literal["running", "stopped", "rolled_back", "shipped"]


class NoSuchExperiment(BadInput):
    """There is no experiment of that name."""


class ExperimentExists(Refused):
    """The name, or a place it needs, is taken by another experiment."""


class ExperimentEnded(Refused):
    """What has ended cannot be changed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A test of challengers against the control, as it stands."""

    name: str
    plan: str
    """The plan as canonical JSON, the very text that was hashed."""
    fingerprint: str
    """SHA-256 of that text at the start."""
    status: Status = "running"
    control: str
    """Version of the model."""
    treatments: tuple[tuple[str, str], ...]
    """(arm, version) of each challenger."""
    shares: tuple[float, ...]
    """Share of the units of each challenger."""
    started_at: dt.datetime
    ended_at: dt.datetime | None = None
    reason: str | None = None
    actor: str
    """Who started it."""
    edited: bool = False
    """The plan is not the one that was started with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that was done to an experiment."""

    name: str
    at: dt.datetime
    actor: str
    what: str
    """started, ramped, or the status it ended with."""
    why: str | None
    shares: tuple[float, ...]
    """In force from then on; all 0 after the end."""
    fingerprint: str
    """Of the plan at the start."""
    seq: int = 0


class Experiments:
    """The experiments of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Rows[Any] = Rows(EXPERIMENTS, database.dialect)
        self._log: Rows[Any] = Rows(CHANGES, database.dialect)

    def start(self, experiment: Experiment) -> Experiment:
        """Write a new experiment and return it as it is kept; the very same again changes nothing.

        Raises:
            ExperimentExists: another one has the name, or runs already.
            BadInput: name or plan hold personal data, or the shares are none.
            Unavailable: it could not be written.
        """
        _check_shares(experiment.shares, len(experiment.treatments))
        if certain(experiment.name) or masked_json(experiment.plan) != experiment.plan:
            raise BadInput(
                "the plan of an experiment is kept as it is, and this one looks as if it held personal data",
                allowed="a name and a plan without e-mail addresses, telephone numbers, cards and postal addresses",
            )
        return self._database.write(lambda connection: self._start(connection, experiment), in_order=True)

    def _start(self, connection: sa.Connection, wanted: Experiment) -> Experiment:
        there = _found(connection, EXPERIMENTS.c.name == wanted.name)
        if there:
            if (there[0].fingerprint, there[0].started_at) == (wanted.fingerprint, wanted.started_at):
                return there[0]
            raise ExperimentExists(
                f"there is an experiment of that name; it is {there[0].status}",
                value=wanted.name,
                next_step="choose another name: what was measured under one name must stay one thing",
            )
        for other in _found(connection, EXPERIMENTS.c.status == "running"):
            raise ExperimentExists(
                "another experiment is running", value=other.name, next_step=f"oracle ab stop {other.name}"
            )
        self._rows.add(connection, [_Written(wanted)])
        self._note(connection, wanted, wanted.started_at, wanted.actor, "started", None)
        return wanted

    def ramp(self, name: str, shares: Sequence[float], actor: str, why: str | None, at: dt.datetime) -> Experiment:
        """Set the shares of a running experiment and return it; the shares it has already change nothing.

        Raises:
            NoSuchExperiment: there is none of that name.
            ExperimentEnded: it runs no more.
            Unavailable: it could not be written.
        """

        def work(connection: sa.Connection) -> Experiment:
            now = _one(connection, name)
            _check_shares(shares, len(now.treatments))
            if now.status != "running":
                raise ExperimentEnded(f"the experiment has ended: it is {now.status}", value=name)
            if tuple(shares) == now.shares:
                return now
            then = replace(now, shares=tuple(shares))
            _update(connection, name, shares=_as_json(then.shares))
            self._note(connection, then, at, actor, "ramped", why)
            return then

        return self._database.write(work, in_order=True)

    def end(self, name: str, status: Status, reason: str, actor: str, at: dt.datetime) -> Experiment:
        """End an experiment and return it as it is kept: one that has ended already stays as the first one left it.

        Raises:
            NoSuchExperiment: there is none of that name.
            Unavailable: it could not be written.
        """
        if status == "running" or status not in get_args(Status):
            raise BadInput("that is no end", value=status, allowed=get_args(Status)[1:])

        def work(connection: sa.Connection) -> Experiment:
            now = _one(connection, name)
            if now.status != "running":
                return now
            then = replace(now, status=status, reason=reason, ended_at=at)
            _update(connection, name, status=status, reason=reason, ended_at=at)
            self._note(connection, replace(then, shares=(0.0,) * len(now.shares)), at, actor, status, reason)
            return then

        return self._database.write(work, in_order=True)

    def get(self, name: str) -> Experiment | None:
        """Return the experiment of that name, or None."""
        found = self._database.read(lambda connection: _found(connection, EXPERIMENTS.c.name == name))
        return found[0] if found else None

    def running(self) -> list[Experiment]:
        """Return the experiments that run, the first started first."""
        return self._database.read(lambda connection: _found(connection, EXPERIMENTS.c.status == "running"))

    def all(self) -> list[Experiment]:
        """Return every experiment, the first started first."""
        return self._database.read(lambda connection: _found(connection, sa.true()))

    def changes(self, name: str) -> list[Change]:
        """Return what was done to an experiment, the first change first."""
        wanted = sa.select(CHANGES).where(CHANGES.c.name == name).order_by(CHANGES.c.seq)
        rows = self._database.read(lambda connection: connection.execute(wanted).mappings().all())
        return [Change(**{**row, "shares": tuple(orjson.loads(row["shares"]))}) for row in rows]

    def latest(self) -> int:
        """Return the number of the last change of any experiment, 0 where there is none."""
        return int(self._database.read(lambda c: c.execute(sa.select(LATEST)).scalar_one()))

    def _note(
        self, connection: sa.Connection, then: Experiment, at: dt.datetime, actor: str, what: str, why: str | None
    ) -> None:
        change = Change(
            name=then.name,
            at=at,
            actor=actor,
            what=what,
            why=why,
            shares=then.shares,
            fingerprint=then.fingerprint,
        )
        self._log.add(connection, [_Written(change)])


LATEST = sa.select(sa.func.coalesce(sa.func.max(CHANGES.c.seq), 0)).scalar_subquery()


class _Written:
    """A value with its lists as JSON."""

    def __init__(self, value: Experiment | Change) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._value, name)
        return _as_json(found) if name in ("shares", "treatments") else found


def fingerprint(plan: str) -> str:
    """Return the SHA-256 of a plan's text."""
    return hashlib.sha256(plan.encode()).hexdigest()


def _as_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _check_shares(shares: Sequence[float], challengers: int) -> None:
    if len(shares) != challengers or not all(0.0 <= share <= 1.0 / challengers for share in shares):
        raise BadInput(
            "that is no split of the traffic",
            value=list(shares),
            allowed=f"{challengers} shares, each from 0 to {1.0 / max(challengers, 1):g}",
        )


def _one(connection: sa.Connection, name: str) -> Experiment:
    found = _found(connection, EXPERIMENTS.c.name == name)
    if not found:
        there = [e.name for e in _found(connection, sa.true())]
        raise NoSuchExperiment("there is no such experiment", value=name, allowed=there or "none was started yet")
    return found[0]


def _found(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Experiment]:
    started = (
        sa.select(CHANGES.c.fingerprint)
        .where(CHANGES.c.name == EXPERIMENTS.c.name)
        .order_by(CHANGES.c.seq)
        .limit(1)
        .scalar_subquery()
    )
    wanted = sa.select(EXPERIMENTS, started.label("started_with")).where(where)
    rows = connection.execute(wanted.order_by(EXPERIMENTS.c.started_at, EXPERIMENTS.c.name)).mappings().all()
    return [_experiment(dict(row)) for row in rows]


def _experiment(row: dict[str, Any]) -> Experiment:
    was = row.pop("started_with")
    row["treatments"] = tuple((arm, version) for arm, version in orjson.loads(row["treatments"]))
    row["shares"] = tuple(orjson.loads(row["shares"]))
    return Experiment(**row, edited=not fingerprint(row["plan"]) == row["fingerprint"] == was)


def _update(connection: sa.Connection, name: str, **values: object) -> None:
    connection.execute(sa.update(EXPERIMENTS).where(EXPERIMENTS.c.name == name).values(**values))
