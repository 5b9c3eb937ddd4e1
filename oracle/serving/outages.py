"""What serving can lose and go on without: it is noticed, told, and told again when it is back.

Health and metrics show it at once; the alarm waits a few seconds, because a database that is started again is back by
then and nobody has to get up for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Protocol

from oracle.alerts.message import Part
from oracle.errors import OracleError, Unavailable
from oracle.serving.gateway import Gateway
from oracle.serving.messages import ModelMessage
from oracle.serving.slot import Slot
from oracle.store import Away, Store

ALARM_AFTER = dt.timedelta(seconds=5)
"""How long a part is away before somebody is told."""
CHECK_EVERY = 10.0
"""Seconds between two questions whether the artifacts are there."""
CHECK_AWAY = 2.0
"""The same while they are not."""


class Rings(Protocol):
    """Tells of one part."""

    def ring(self, since: dt.datetime, why: str, now: dt.datetime) -> None:
        """Tell that it is away."""
        ...

    def settle(self, store: Store, now: dt.datetime) -> bool:
        """Keep that in the store, and tell that it is back."""
        ...


class Outages:
    """Looks after what is away; `look` is called once a second, from one thread.

    Args:
        gateway: Knows what is away.
        alarms: Who tells of each part.
        now: The clock, UTC.
        after: How long a part is away before somebody is told.
    """

    def __init__(
        self,
        gateway: Gateway,
        alarms: Mapping[Part, Rings],
        now: Callable[[], dt.datetime],
        *,
        after: dt.timedelta = ALARM_AFTER,
    ) -> None:
        self._gateway, self._alarms, self._now, self._after = gateway, alarms, now, after
        self._open = set(alarms)  # also what a process before this one has left open

    def look(self) -> None:
        """Look once."""
        for part, alarm in self._alarms.items():
            away = self._away(part)
            if away is not None:
                self._open.add(part)
                if self._now() - away.since >= self._after:
                    alarm.ring(away.since, away.why, self._now())
            elif part in self._open and self._known(part) and self._gateway.commit.away is None:
                try:
                    alarm.settle(self._gateway.store, self._now())
                    self._open.discard(part)
                except Unavailable:
                    continue  # the store has gone again: the alarm stays open

    def _known(self, part: Part) -> bool:
        """Return whether it was asked: a process that has just begun must not tell that what it has not met is back."""
        return part == "store" or self._gateway.registry_asked

    def _away(self, part: Part) -> Away | None:
        return self._gateway.commit.away if part == "store" else self._gateway.registry_away


class Checked(Protocol):
    """A registry that can say whether it is there."""

    @property
    def away(self) -> Away | None:
        """Since when it is not."""
        ...

    def look(self, serving: ModelMessage | None) -> None:
        """Find out."""
        ...


class Following:
    """Asks the registry now and then: which version the alias names, and whether its package could be fetched.

    A registry that hangs holds up this and nothing else: it has a thread of its own.

    Args:
        slot: What follows.
        registry: What is asked.
        every: Seconds between two looks at the alias; 0 for never.
        clock: Seconds that only grow.
    """

    def __init__(self, slot: Slot, registry: Checked, *, every: float, clock: Callable[[], float]) -> None:
        self._slot, self._registry, self._every, self._clock = slot, registry, every, clock
        self._follow_at = clock() + every
        self._check_at = clock()
        self.trouble: OracleError | None = None
        """Why the alias could not be followed; None where it was."""

    def look(self) -> None:
        """Look once, at whatever is due."""
        was_away = self._registry.away is not None
        if self._clock() >= self._check_at:
            self._registry.look(None if self._slot.loaded is None else self._slot.loaded.message)
            self._check_at = self._clock() + (CHECK_EVERY if self._registry.away is None else CHECK_AWAY)
        returned = was_away and self._registry.away is None
        if returned or (self._every and self._clock() >= self._follow_at):
            self._follow_at = self._clock() + self._every
            try:
                self._slot.follow_alias()
                self.trouble = None
            except OracleError as error:
                self.trouble = error
