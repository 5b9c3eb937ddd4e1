"""What a replica looks at beside the requests: new results, experiments that start or end, the guardrails.

One cheap query every half second tells whether there is anything new. A store that does not answer costs a look and
changes nothing: the last known routing and form stay in force.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from oracle.errors import OracleError

LOG = logging.getLogger("oracle.serving")
EVERY = 0.5
"""Seconds between two looks: a change is in force in under two."""


class Pulse(Protocol):
    """How far our store has come."""

    @property
    def results_seq(self) -> int:
        """Number of the last result."""
        ...

    @property
    def experiments_seq(self) -> int:
        """Number of the last change of an experiment."""
        ...


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done every so many seconds."""

    every: float
    do: Callable[[], None]


class Watch:
    """Looks at the store's pulse and does what follows; `look` is called from one thread.

    Args:
        pulse: Asks the store.
        on_results: Done when there are results it has not seen.
        on_experiments: Done when an experiment was started, ramped or ended.
        chores: What else is to be done now and then.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        pulse: Callable[[], Pulse],
        *,
        on_results: Callable[[], object],
        on_experiments: Callable[[], object],
        chores: tuple[Chore, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pulse, self._clock = pulse, clock
        self._on_results, self._on_experiments = on_results, on_experiments
        self._results = self._experiments = -1
        self._chores = [(chore, clock() + chore.every) for chore in chores]
        self.trouble: OracleError | None = None
        """Why the last look saw nothing; None where it did."""
        self.looks = 0

    def look(self) -> None:
        """Look once. What fails is kept as `trouble` and tried again next time."""
        self.looks += 1
        trouble: OracleError | None = None
        try:
            pulse = self._pulse()
            if pulse.experiments_seq != self._experiments:
                self._on_experiments()
                self._experiments = pulse.experiments_seq
            if pulse.results_seq != self._results:
                self._on_results()
                self._results = pulse.results_seq
        except OracleError as error:
            trouble = error
        now = self._clock()
        for at, (chore, due) in enumerate(self._chores):
            if now >= due:
                self._chores[at] = (chore, now + chore.every)
                try:
                    chore.do()
                except OracleError as error:
                    trouble = error
        self.trouble = trouble


class Background:
    """Calls something again and again on a thread of its own until it is closed."""

    def __init__(self, do: Callable[[], None], *, name: str, every: float = EVERY) -> None:
        self._do, self._every = do, every
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.faults = 0
        """How often what was called failed in a way that nobody foresaw."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, after the call that is under way."""
        self._closed.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(10)

    def _run(self) -> None:
        failing = False
        while not self._closed.wait(self._every):
            try:
                self._do()
                failing = False
            except Exception as error:
                self.faults += 1
                if not failing:  # once in a row: it may fail twice a second
                    LOG.error("what runs beside the requests failed", exc_info=error)
                failing = True
