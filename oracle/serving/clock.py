"""The moment it is at the edge of serving: the machine's, or in a replay of history the one that requests tell.

Only where the setting `serving.replay` allows it does the header `X-Oracle-Now` count: elsewhere a caller could date
its own predictions, and a request that tries is refused. In a replay time stands still between two requests, for
whatever runs beside them too.
"""

from __future__ import annotations

import datetime as dt

from oracle.errors import BadInput
from oracle.serving.body import MalformedCard, Problem

HEADER = "X-Oracle-Now"


class ToldTheTime(BadInput):
    """A request says what time it is where the machine's clock counts."""


class Clock:
    """Says what time it is, UTC; the one clock of a serving process.

    Args:
        told: Whether requests may say what time it is.
    """

    def __init__(self, *, told: bool = False) -> None:
        self._may_be_told = told
        self._told: dt.datetime | None = None

    @property
    def replayed(self) -> bool:
        """Whether this is the clock of a replay."""
        return self._may_be_told

    def __call__(self) -> dt.datetime:
        """Return the moment that was told last, or that of the machine where none was."""
        return self._told or dt.datetime.now(dt.UTC)

    def hear(self, value: bytes) -> None:
        """Take the moment that a request tells.

        Raises:
            ToldTheTime: this is no replay.
            MalformedCard: the header is no moment with a time zone.
        """
        if not self._may_be_told:
            raise ToldTheTime(
                f"{HEADER} counts in a replay only", allowed="no such header", next_step="leave the header out"
            )
        self._told = _moment(value)


def _moment(value: bytes) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(value.decode("ascii").strip())
    except ValueError:
        moment = dt.datetime.min
    if moment.tzinfo is None:
        shown = value[:80].decode("latin-1")
        allowed = "ISO 8601 with a time zone, such as 2018-01-01T12:00:00+00:00"
        raise MalformedCard([Problem("BadHeader", f"{HEADER} is no moment", HEADER, shown, allowed)])
    return moment.astimezone(dt.UTC)
