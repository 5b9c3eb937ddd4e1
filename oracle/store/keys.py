"""What names a race where callers name it differently: by an id of theirs, or by its place and time.

A card may come with a race id or without one, and a result has its source's id. Both have a course and an off, so a
race has two names: `race_key`, the id where there is one, and `place_key`, course and off to the minute. What is
personal in the name of a course is masked here, so that every record of the race has the same name.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from oracle.governance.glance import kept


def place_key(course: str, off: dt.datetime) -> str:
    """Return course and off as one word: two races cannot go off at one course in one minute.

    >>> place_key("Redmile", dt.datetime(2026, 5, 3, 14, 35, 20, tzinfo=dt.timezone(dt.timedelta(hours=2))))
    'Redmile|2026-05-03T12:35Z'
    """
    return f"{_course(course)}|{utc(off):%Y-%m-%dT%H:%M}Z"


@lru_cache(maxsize=1024)
def _course(name: str) -> str:
    return kept(name)


def race_key(race_id: str | None, course: str, off: dt.datetime) -> str:
    """Return the name of a race: its id, and its place and time where it has none."""
    return place_key(course, off) if race_id is None else race_id


def utc(moment: dt.datetime) -> dt.datetime:
    """Return the moment in UTC.

    Raises:
        ValueError: it has no time zone, and so is no moment.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone: {moment.isoformat()}")
    return moment.astimezone(dt.UTC)
