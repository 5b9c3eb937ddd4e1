"""One look after another, until somebody says stop; a look that fails is told, and the next one comes as ever."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Protocol

from oracle.errors import BadInput

LOG = logging.getLogger("oracle.monitor")
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Stop(Protocol):
    """What is waited on between two looks, such as `threading.Event`."""

    def wait(self, timeout: float) -> bool:
        """Return True as soon as it is time to stop, False after the time."""
        ...


def every(look: Callable[[], object], seconds: float, stop: Stop, clock: Callable[[], float]) -> int:
    """Look until it is time to stop, and return how often was looked.

    Args:
        look: One look; whatever it raises is logged.
        seconds: From the begin of one look to that of the next; one that takes longer is followed at once.
        stop: Ends the wait, and with it all.
        clock: Seconds that only grow.
    """
    looks = 0
    while True:
        begun = clock()
        try:
            look()
        except Exception:
            LOG.exception("a look failed; the next one comes in %g s", seconds)
        looks += 1
        if stop.wait(max(0.0, seconds - (clock() - begun))):
            return looks


def seconds_of(words: str) -> float:
    """Return the seconds of a time such as 90s, 15m, 1h or 2d.

    >>> seconds_of("1h"), seconds_of("1.5m")
    (3600.0, 90.0)

    Raises:
        BadInput: it is no time, or none at all.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", words.strip().lower())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if seconds <= 0.0:
        raise BadInput("that is no time between two looks", value=words, allowed="such as 90s, 15m, 1h, 2d")
    return seconds
