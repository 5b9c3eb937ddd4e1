"""How long answers are kept, and what must not go: whole days leave, and never one that a running test is judged by.

Days are days of UTC, and leave whole: an export holds one file a day, and a day of which half is gone would be written
again as half a day. Results stay, for the form of every later card stands on them; experiments and their log stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from oracle.errors import BadInput
from oracle.store.experiments import Experiment
from oracle.store.keys import utc
from oracle.store.store import Store
from oracle.store.tables import EVENTS, PREDICTIONS, SCORINGS

AT_ONCE = 1000
"""Rows deleted in one transaction: a writer of answers waits no longer than that takes."""
HABITS = dt.timedelta(days=28)
"""Days before its start that a test looks back on, for what its users did before it."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """From when on answers stay."""

    before: dt.datetime
    """Midnight UTC: what was answered before it may go."""
    held_by: str | None
    """The running experiment without which more would go."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What goes, or has gone."""

    predictions: int
    scorings: int
    events: int


def boundary(older_than_days: int, now: dt.datetime, running: Sequence[Experiment]) -> Boundary:
    """Return from when on answers stay, by their age and by what the running experiments need.

    Raises:
        BadInput: the age is no number of days from 0 on.
    """
    if older_than_days < 0:
        raise BadInput("answers cannot be younger than now", value=older_than_days, allowed="0 days and more")
    wanted = _midnight(now - dt.timedelta(days=older_than_days))
    needed = [(_midnight(e.started_at - HABITS), e.name) for e in running]
    first, name = min(needed, default=(wanted, ""))
    return Boundary(first, name) if first < wanted else Boundary(wanted, None)


def _midnight(moment: dt.datetime) -> dt.datetime:
    return utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)


def prunable(store: Store, before: dt.datetime) -> Counts:
    """Return how much was answered before a moment."""
    old = sa.select(PREDICTIONS.c.prediction_id).where(PREDICTIONS.c.at < utc(before))
    questions = (
        sa.select(sa.func.count()).select_from(PREDICTIONS).where(PREDICTIONS.c.at < utc(before)),
        sa.select(sa.func.count()).select_from(SCORINGS).where(SCORINGS.c.at < utc(before)),
        sa.select(sa.func.count()).select_from(EVENTS).where(EVENTS.c.prediction_id.in_(old)),
    )
    return Counts(*(int(store.database.read(lambda c, q=q: c.execute(q).scalar_one())) for q in questions))  # type: ignore[misc]


def prune(store: Store, before: dt.datetime) -> Counts:
    """Delete what was answered before a moment, with its events, and return how much that was.

    In many small transactions: one that is stopped half-way has deleted the oldest part, and goes on when it is asked
    again.
    """
    gone = Counts(0, 0, 0)
    while (piece := store.database.write(lambda c: _predictions(c, before))).predictions:
        gone = Counts(gone.predictions + piece.predictions, 0, gone.events + piece.events)
    scorings = 0
    while piece_of := store.database.write(lambda c: _scorings(c, before)):
        scorings += piece_of
    return Counts(gone.predictions, scorings, gone.events)


def _predictions(connection: sa.Connection, before: dt.datetime) -> Counts:
    c = PREDICTIONS.c
    oldest = sa.select(c.prediction_id).where(c.at < utc(before)).order_by(c.at).limit(AT_ONCE)
    names = list(connection.execute(oldest).scalars())
    events = connection.execute(sa.delete(EVENTS).where(EVENTS.c.prediction_id.in_(names))).rowcount
    return Counts(connection.execute(sa.delete(PREDICTIONS).where(c.prediction_id.in_(names))).rowcount, 0, events)


def _scorings(connection: sa.Connection, before: dt.datetime) -> int:
    c = SCORINGS.c
    cards = list(
        connection.execute(sa.select(c.card_key).where(c.at < utc(before)).order_by(c.at).limit(AT_ONCE)).scalars()
    )
    return connection.execute(sa.delete(SCORINGS).where(c.card_key.in_(cards), c.at < utc(before))).rowcount
