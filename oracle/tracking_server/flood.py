"""So many refusals of one kind a minute are written down each; of more, only how many there were."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass

A_MINUTE = 120
"""Refusals of one origin and one kind in a minute that are written down one by one."""
ORIGINS = 10_000


@dataclass
class _Minute:
    begun: dt.datetime
    seen: int = 0
    left_out: int = 0


class Flood:
    """Counts refusals by their origin; what it left out is told with the first line of the next minute."""

    def __init__(self, most: int = A_MINUTE) -> None:
        self._most = most
        self._minutes: dict[str, _Minute] = {}
        self._lock = threading.Lock()

    def more(self, origin: str, now: dt.datetime) -> int | None:
        """Count one more; return how many were left out before it, or None where it is left out itself."""
        with self._lock:
            minute = self._minutes.get(origin)
            if minute is None or now - minute.begun >= dt.timedelta(minutes=1):
                left_out = minute.left_out if minute else 0
                if minute is None and len(self._minutes) >= ORIGINS:
                    self._minutes.clear()
                self._minutes[origin] = _Minute(now, seen=1)
                return left_out
            minute.seen += 1
            if minute.seen > self._most:
                minute.left_out += 1
                return None
            return 0
