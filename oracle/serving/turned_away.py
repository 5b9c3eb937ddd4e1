"""Who was turned away at the door: counted on the hot path, written to the audit trail by a thread of its own.

One entry for each kind of refusal, token, place of origin and minute, however many there were, and a bounded number of
them a minute: an attacker fills neither the store nor the memory. While the store is away the entries wait.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from oracle.errors import OracleError
from oracle.governance.audit import Entry

LOG = logging.getLogger("oracle.serving")
MOST_KEYS = 200
"""Entries a minute; what is beyond is counted in one of them."""
MOST_WAITING = 20_000
"""Entries that wait for a store that is away: more than an hour and a half of the worst kind."""
NOBODY, OTHERS = "nobody", "others"
EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Who:
    """Who was turned away, and why."""

    kind: str
    """Name of the refusal, and for strangers its cause."""
    actor: str
    """Name of the token; `nobody` where none was shown that exists."""
    address: str | None
    target: str
    """Method and address, those of ours by name."""


class TurnedAway:
    """Counts and tells; `note` may be called from any thread.

    Args:
        append: Writes an entry; one that is there already stays.
        replica: What this process is called: in the ids of its entries.
        now: The clock, UTC.
    """

    def __init__(self, append: Callable[[Entry], object], *, replica: str, now: Callable[[], dt.datetime]) -> None:
        self._append, self._now = append, now
        self._process = f"{replica}-{now():%Y%m%dT%H%M%S%f}"
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._minute: dt.datetime | None = None
        self._counts: dict[Who, int] = {}
        self._waiting: list[Entry] = []
        self._parts = 0
        self.lost = 0
        """Refusals that could not be told of: the store was away for too long."""

    def note(self, who: Who) -> None:
        """Count one."""
        with self._lock:
            minute = self._now().replace(second=0, microsecond=0)
            if minute != self._minute:
                self._close()
                self._minute = minute
            if who not in self._counts and len(self._counts) >= MOST_KEYS:
                who = Who(OTHERS, OTHERS, None, OTHERS)
            self._counts[who] = self._counts.get(who, 0) + 1

    def flush(self, *, whole: bool = False) -> None:
        """Write what is complete; the rest waits.

        Args:
            whole: Write also what was counted in the minute that has not ended.

        Raises:
            OracleError: the store did not take an entry; it will be tried again.
        """
        with self._lock:
            if whole or (self._minute is not None and self._now() >= self._minute + dt.timedelta(minutes=1)):
                self._close()
                self._minute = None
        with self._writing:
            while self._waiting:
                self._append(self._waiting[0])
                with self._lock:
                    self._waiting.pop(0)

    def close(self) -> None:
        """Write all there is, if the store takes it."""
        try:
            self.flush(whole=True)
        except OracleError as error:
            LOG.error("%d entries of refused requests were not written: %s", len(self._waiting), error)

    def _close(self) -> None:
        """Turn what was counted into entries; called with the lock held."""
        if self._minute is None:
            return
        for who, count in self._counts.items():
            self._parts += 1
            if len(self._waiting) >= MOST_WAITING:
                self.lost += count
                continue
            self._waiting.append(self._entry(who, count, self._minute))
        self._counts = {}

    def _entry(self, who: Who, count: int, minute: dt.datetime) -> Entry:
        return Entry(
            entry_id=f"door-{self._process}-{self._parts}",
            at=minute,
            actor=who.actor,
            address=who.address,
            action="call",
            target=who.target,
            outcome="refused",
            reason=who.kind,
            after=json.dumps({"requests": count}),
        )
