"""What a test of two versions is judged by, read in a few narrow queries: requests, scored pairs, results, behaviour.

Cards and answers stay where they are: they are the bulk of a row and a judge needs none of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from oracle.store.database import Database
from oracle.store.keys import utc
from oracle.store.results import RaceResult, read_results
from oracle.store.tables import EVENTS, PREDICTIONS, RESULTS, SCORINGS

AT_ONCE = 2000
NAMES_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Request:
    """One answered prediction of a test, without what was asked and said."""

    seq: int
    at: dt.datetime
    arm: str
    unit: str
    user: str | None
    race_key: str
    place_key: str
    model_version: str
    fallback: str | None
    latency_ms: float | None
    views: int = 0
    clicks: int = 0
    follows: int = 0
    bets: int = 0
    value: float = 0.0
    """Sum of the values of its bets."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One card that both versions scored with the same form."""

    race_key: str
    place_key: str
    course: str
    off: dt.datetime
    at: dt.datetime
    """When the first of the two scored it."""
    control: str
    """JSON of the runners, as in `Scoring`."""
    treatment: str


class Trials:
    """The part of a store that tests are judged by."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def requests(self, experiment: str, *, latest: int | None = None) -> Iterator[Request]:
        """Yield the requests of a test with what users did with their answers, in the order they were written.

        Read in pieces, so that memory stays flat.

        Args:
            experiment: Name of the test.
            latest: Only so many, the last ones.
        """
        c = PREDICTIONS.c
        after = 0
        if latest is not None:
            newest = sa.select(c.seq).where(c.experiment == experiment).order_by(c.seq.desc()).limit(1).offset(latest)
            found = self._database.read(lambda connection: connection.execute(newest).scalar_one_or_none())
            after = 0 if found is None else int(found)
        columns = (
            c.seq,
            c.at,
            c.arm,
            c.unit,
            c.user,
            c.race_key,
            c.place_key,
            c.model_version,
            c.fallback,
            c.latency_ms,
        )
        while True:
            wanted = sa.select(c.prediction_id, *columns).where(c.experiment == experiment, c.seq > after)
            piece = wanted.order_by(c.seq).limit(AT_ONCE)
            rows = self._database.read(lambda connection, piece=piece: connection.execute(piece).all())  # type: ignore[misc]
            if not rows:
                return
            done = self._behaviour([row[0] for row in rows])
            for row in rows:
                yield Request(*row[1:], *done.get(row[0], ()))
            after = int(rows[-1].seq)

    def _behaviour(self, prediction_ids: Sequence[str]) -> dict[str, tuple[int, int, int, int, float]]:
        c = EVENTS.c
        found: dict[str, list[float]] = {}
        place = {"view": 0, "click": 1, "follow": 2, "bet": 3}
        for begin in range(0, len(prediction_ids), NAMES_AT_ONCE):
            names = prediction_ids[begin : begin + NAMES_AT_ONCE]
            wanted = (
                sa.select(c.prediction_id, c.kind, sa.func.count(), sa.func.coalesce(sa.func.sum(c.value), 0.0))
                .where(c.prediction_id.in_(names))
                .group_by(c.prediction_id, c.kind)
            )
            for name, kind, count, value in self._database.read(lambda k, w=wanted: k.execute(w).all()):  # type: ignore[misc]
                row = found.setdefault(name, [0, 0, 0, 0, 0.0])
                row[place[kind]] = int(count)
                row[4] += float(value) if kind == "bet" else 0.0
        return {n: (int(r[0]), int(r[1]), int(r[2]), int(r[3]), r[4]) for n, r in found.items()}

    def habits(self, before: dt.datetime, since: dt.datetime) -> dict[str, float]:
        """Return for each user seen from `since` until before `before` how many things he did per prediction."""
        c = PREDICTIONS.c
        span = (c.user.is_not(None), c.at >= utc(since), c.at < utc(before))
        shown = sa.select(c.user, sa.func.count()).where(*span).group_by(c.user)
        joined = sa.join(PREDICTIONS, EVENTS, EVENTS.c.prediction_id == c.prediction_id)
        acted = sa.select(c.user, sa.func.count()).select_from(joined)
        acted = acted.where(*span, EVENTS.c.at < utc(before), EVENTS.c.kind != "view").group_by(c.user)
        seen = dict(self._database.read(lambda k: [tuple(row) for row in k.execute(shown).all()]))
        done = dict(self._database.read(lambda k: [tuple(row) for row in k.execute(acted).all()]))
        return {user: done.get(user, 0) / count for user, count in seen.items()}

    def pairs(self, control: str, treatment: str, since: dt.datetime) -> Iterator[Pair]:
        """Yield the cards that both versions scored from `since` on and before the off, race by race, the oldest first.

        Args:
            control: Version.
            treatment: Version; the control's own in an A/A test, whose pairs are then of one scoring each.
            since: When the test began.
        """
        a, b = SCORINGS.alias("a"), SCORINGS.alias("b")
        at = sa.case((a.c.at < b.c.at, a.c.at), else_=b.c.at)
        place, card = "", ""
        while True:
            later = sa.or_(a.c.place_key > place, sa.and_(a.c.place_key == place, a.c.card_key > card))
            wanted = (
                sa.select(a.c.race_key, a.c.place_key, a.c.course, a.c.off, at, a.c.runners, b.c.runners, a.c.card_key)
                .where(a.c.card_key == b.c.card_key, a.c.model_version == control, b.c.model_version == treatment)
                .where(a.c.at >= utc(since), at < a.c.off, later)
                .order_by(a.c.place_key, a.c.card_key)
                .limit(AT_ONCE)
            )
            rows = self._database.read(lambda connection, wanted=wanted: connection.execute(wanted).all())  # type: ignore[misc]
            if not rows:
                return
            for row in rows:
                yield Pair(*row[:7])
            place, card = rows[-1].place_key, rows[-1].card_key

    def results(self, race_keys: Sequence[str], place_keys: Sequence[str]) -> list[RaceResult]:
        """Return every revision of the results of some races, by either of their names, in the order they came in."""
        found: dict[int, RaceResult] = {}
        for column, names in ((RESULTS.c.race_key, race_keys), (RESULTS.c.place_key, place_keys)):
            for begin in range(0, len(names), NAMES_AT_ONCE):
                for result in read_results(self._database, column.in_(names[begin : begin + NAMES_AT_ONCE])):
                    found[result.seq] = result
        return [found[seq] for seq in sorted(found)]
