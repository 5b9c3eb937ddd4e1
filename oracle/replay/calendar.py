"""A history as a row of moments: a card just before its off, a result once it is known, a look at the monitor. Pure.

The order is the one that training walks a history in: a race reads what was known at its off, and a result is known
`KNOWN_AFTER` seconds after its own. So whatever is served here has the features that the race has in a training.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from oracle.features.ledger import KNOWN_AFTER

LEAD = dt.timedelta(seconds=1)
"""By which everything is earlier than in the walk of a training: a card has to come before its off."""
KNOWN = dt.timedelta(seconds=KNOWN_AFTER)


class What(IntEnum):
    """What happens at a moment; where several fall on one, in this order."""

    RESULT = 0
    LOOK = 1
    """At the monitor."""
    CARD = 2


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """Something that happens."""

    at: dt.datetime
    what: What
    race: int = -1
    """Number of the race in the history; -1 for a look."""


def moments(offs: Sequence[dt.datetime], looks: Sequence[dt.datetime] = ()) -> list[Moment]:
    """Return everything that happens, in order.

    Args:
        offs: Off time of each race, in the order of a history.
        looks: When the monitor looks.
    """
    cards = [Moment(off - LEAD, What.CARD, race) for race, off in enumerate(offs)]
    results = [Moment(off - LEAD + KNOWN, What.RESULT, race) for race, off in enumerate(offs)]
    return sorted([*cards, *results, *(Moment(at, What.LOOK) for at in looks)])


def looks(first: dt.date, last: dt.date, days: float) -> list[dt.datetime]:
    """Return the moments at which the monitor looks: every so many days at midnight (UTC), the last after the last day.

    >>> [f"{at:%m-%d}" for at in looks(dt.date(2018, 1, 1), dt.date(2018, 1, 10), 7)]
    ['01-08', '01-15']
    """
    begin = dt.datetime.combine(first, dt.time(), dt.UTC)
    end = dt.datetime.combine(last, dt.time(), dt.UTC) + dt.timedelta(days=1)
    step = dt.timedelta(days=days)
    found: list[dt.datetime] = []
    while days > 0 and (not found or found[-1] < end):
        found.append(begin + (len(found) + 1) * step)
    return found
