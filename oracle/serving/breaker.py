"""A circuit breaker: after some failures in a row nobody is asked for a while, then one caller tries. Pure.

A challenger that hangs would cost every one of its callers the whole time-out; after a few of them it costs nothing.
Nygard, *Release It!* (2007), chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FAILURES = 5
"""In a row, after which the circuit opens."""
PAUSE = 5.0
"""Seconds for which nobody is asked then; doubled with each trial that fails, up to `LONGEST`."""
LONGEST = 60.0


@dataclass(slots=True)
class Breaker:
    """Counts failures of one callee; one instance per callee and process, used from one thread.

    Time is whatever the caller's clock says, in seconds, as long as it only grows.
    """

    failures: int = 0
    """In a row."""
    opened_at: float | None = None
    pause: float = PAUSE
    trying: bool = False

    def allows(self, now: float) -> bool:
        """Tell whether to ask; an open circuit lets a single caller through once its pause is over."""
        if self.opened_at is None:
            return True
        if self.trying or now - self.opened_at < self.pause:
            return False
        self.trying = True
        return True

    def succeeded(self) -> None:
        """Note an answer: the circuit is closed."""
        self.failures, self.opened_at, self.pause, self.trying = 0, None, PAUSE, False

    def failed(self, now: float) -> None:
        """Note a failure."""
        self.failures += 1
        if self.trying:
            self.opened_at, self.pause, self.trying = now, min(2 * self.pause, LONGEST), False
        elif self.opened_at is None and self.failures >= FAILURES:
            self.opened_at = now

    @property
    def state(self) -> Literal["closed", "open", "trying"]:
        """How the circuit is."""
        return "closed" if self.opened_at is None else "trying" if self.trying else "open"
