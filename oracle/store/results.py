"""Results as they come in: late, corrected, twice, and joined to what was predicted.

Each revision of a race's result gets a number that only grows, in the order in which revisions become visible, so that
a reader who knows everything up to 7 asks for what came after 7 and misses nothing. A revision with the content of the
latest one adds nothing.

A prediction belongs to a result when its race id is the result's, or when course and off (UTC, to the minute) are: a
card may come without an id, or with one of the caller's own, and a race may be put off after its card was priced.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import orjson
import sqlalchemy as sa

from oracle.governance.glance import kept, masked_json
from oracle.store.database import Database
from oracle.store.keys import place_key, utc
from oracle.store.tables import PREDICTIONS, RESULTS, Rows, reader

AT_ONCE = 500
What = Literal["new", "same", "corrected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult:
    """What became of a race, as somebody told it."""

    race_id: str | None = None
    race_key: str
    course: str
    off: dt.datetime
    received_at: dt.datetime
    source: str
    """Who told it."""
    runners: str
    """JSON: the race's rows, by the column names of `oracle.race.COLUMNS`."""
    seq: int = 0
    """Number of the revision; 0 for one that is not stored yet."""

    @property
    def place_key(self) -> str:
        """Course and off, the race's other name."""
        return place_key(self.course, self.off)

    @property
    def content(self) -> str:
        """Fingerprint of what the result says; who told it and when is not part of it."""
        said = [self.race_key, self.course, utc(self.off).isoformat(), orjson.loads(self.runners)]
        return hashlib.blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a result that was handed in."""

    seq: int
    """Number of the revision that holds it."""
    race_id: str | None
    what: What
    predictions: int
    """How many predictions were made of the race."""


_COLUMNS, _VALUE = reader(RaceResult, RESULTS, without=["place_key", "content"])


class Results:
    """The results of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: Rows[RaceResult] = Rows(RESULTS, database.dialect)

    def add(self, results: Sequence[RaceResult]) -> list[Receipt]:
        """Write what is new in the results, all or none, and return one receipt for each, in their order.

        Personal data in them is masked first, so that also the fingerprint of the content tells nothing of it.

        Raises:
            Unavailable: they could not be written.
        """
        clean = [replace(each, course=kept(each.course), runners=masked_json(each.runners)) for each in results]
        return self._database.write(lambda c: [self._one(c, result) for result in clean], in_order=True)

    def _one(self, connection: sa.Connection, result: RaceResult) -> Receipt:
        latest = (
            sa.select(RESULTS.c.seq, RESULTS.c.content)
            .where(RESULTS.c.race_key == result.race_key)
            .order_by(RESULTS.c.seq.desc())
            .limit(1)
        )
        before = connection.execute(latest).one_or_none()
        if before is not None and before.content == result.content:
            return Receipt(before.seq, result.race_id, "same", _predicted(connection, result))
        self._rows.add(connection, [result])
        seq = connection.execute(latest).one().seq
        return Receipt(seq, result.race_id, "new" if before is None else "corrected", _predicted(connection, result))

    def since(self, seq: int, limit: int | None = None) -> list[RaceResult]:
        """Return the races that have a revision after `seq`, each with its latest one only, in the order of `seq`.

        Args:
            seq: What the caller knows already; 0 for all.
            limit: Return so many at most: the caller asks again after the last one's `seq`.
        """
        found: list[RaceResult] = []
        while limit is None or len(found) < limit:
            piece = self._piece(seq, AT_ONCE if limit is None else min(AT_ONCE, limit - len(found)))
            found += piece
            if not piece:
                break
            seq = piece[-1].seq
        return found

    def _piece(self, seq: int, most: int) -> list[RaceResult]:
        later = RESULTS.alias("later")
        newest = ~sa.exists().where(later.c.race_key == RESULTS.c.race_key, later.c.seq > RESULTS.c.seq)
        return self._read(sa.select(*_COLUMNS, RESULTS.c.seq).where(RESULTS.c.seq > seq, newest).limit(most))

    def revisions(self, race_key: str) -> list[RaceResult]:
        """Return every revision of a race's result, the first one first."""
        return self._read(sa.select(*_COLUMNS, RESULTS.c.seq).where(RESULTS.c.race_key == race_key))

    def of_races(self, names: Collection[str]) -> dict[str, RaceResult]:
        """Return the latest result of each race by the names it was asked for: race keys, or course and off."""
        found: dict[str, RaceResult] = {}
        listed = sorted(names)
        for begin in range(0, len(listed), AT_ONCE):
            asked = listed[begin : begin + AT_ONCE]
            wanted = sa.select(*_COLUMNS, RESULTS.c.seq)
            for result in self._read(
                wanted.where(sa.or_(RESULTS.c.race_key.in_(asked), RESULTS.c.place_key.in_(asked)))
            ):
                found[result.race_key] = found[result.place_key] = result
        return found

    def races_after(self, off: dt.datetime | None, received_at: dt.datetime | None) -> int:
        """Return how many races went off after the one moment and had their first result after the other; None: any."""
        first = sa.select(sa.func.min(RESULTS.c.received_at).label("came")).group_by(RESULTS.c.race_key)
        if off is not None:
            first = first.where(RESULTS.c.off > off)
        came = first.subquery()
        wanted = sa.select(sa.func.count()).select_from(came)
        if received_at is not None:
            wanted = wanted.where(came.c.came > received_at)
        return int(self._database.read(lambda connection: connection.execute(wanted).scalar_one()))

    def known(self, at: dt.datetime, off_after: dt.datetime) -> list[RaceResult]:
        """Return the results of races off after a moment as they were known at another, in the order they came in.

        Args:
            at: Nothing that came in later is looked at.
            off_after: Only races off after it.
        """
        c = RESULTS.c
        wanted = sa.select(*_COLUMNS, c.seq).where(c.off > utc(off_after), c.received_at <= utc(at))
        return sorted({each.race_key: each for each in self._read(wanted)}.values(), key=lambda each: each.seq)

    def changed(self, off_until: dt.datetime, seq: int, at: dt.datetime, now: dt.datetime) -> bool:
        """Return whether a result of a race off by a moment has become known since an earlier look, new or corrected.

        Args:
            off_until: Only races off by then.
            seq: The last result of the earlier look.
            at: Its moment.
            now: The moment of this one.
        """
        c = RESULTS.c
        new = sa.or_(c.seq > seq, c.received_at > utc(at))
        wanted = sa.select(c.seq).where(c.off <= utc(off_until), c.received_at <= utc(now), new).limit(1)
        return self._database.read(lambda connection: connection.execute(wanted).first()) is not None

    def latest(self) -> int:
        """Return the number of the last revision, 0 where there is none."""
        return int(self._database.read(lambda c: c.execute(sa.select(LATEST)).scalar_one()))

    def _read(self, wanted: sa.Select[tuple[object, ...]]) -> list[RaceResult]:
        rows = self._database.read(lambda connection: connection.execute(wanted.order_by(RESULTS.c.seq)).all())
        return [_VALUE(row, seq=row[-1]) for row in rows]


LATEST = sa.select(sa.func.coalesce(sa.func.max(RESULTS.c.seq), 0)).scalar_subquery()


def read_results(database: Database, where: sa.ColumnElement[bool]) -> list[RaceResult]:
    """Return the revisions that a condition holds for, in the order they came in."""
    wanted = sa.select(*_COLUMNS, RESULTS.c.seq).where(where).order_by(RESULTS.c.seq)
    return [_VALUE(row, seq=row[-1]) for row in database.read(lambda connection: connection.execute(wanted).all())]


def _predicted(connection: sa.Connection, result: RaceResult) -> int:
    c = PREDICTIONS.c
    wanted = sa.select(sa.func.count()).where(sa.or_(c.race_key == result.race_key, c.place_key == result.place_key))
    return int(connection.execute(wanted).scalar_one())
