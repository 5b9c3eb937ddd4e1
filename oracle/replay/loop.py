"""What tends the served model while history is played: the monitor's tick, and the retrainings it calls for.

The monitor and the pipeline are the real ones. Only where a job would run elsewhere it runs here, at once, at the
moment of the look: the time of history stands still while a model is trained. Nobody outside is told: alerts are kept
in the store of the replay and not sent.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from oracle.alerts import message
from oracle.alerts.message import AlertKind
from oracle.alerts.outbox import Outbox
from oracle.progress import Progress
from oracle.registry.versions import resolve
from oracle.replay.play import Clockwork
from oracle.retraining import monitor, pipeline
from oracle.retraining.shepherd import Shepherd
from oracle.retraining.steps import Context
from oracle.retraining.submission import Job, State
from oracle.retraining.surroundings import Watch
from oracle.settings import Settings
from oracle.store import Store
from oracle.tracking.connection import connect


class Loop(Protocol):
    """What looks after the model in use."""

    def look(self, now: dt.datetime, clockwork: Clockwork) -> None:
        """Look once, and do what is due."""
        ...

    def production(self) -> str:
        """Return the version that is to answer from now on."""
        ...

    def trouble(self) -> list[str]:
        """Return what failed at the last look, in a sentence each."""
        ...


class AtOnce:
    """Jobs that run here and are over when they have been submitted (`oracle.retraining.submission.Jobs`)."""

    where = "the replay itself"

    def __init__(self, own: Settings, store: Store, outbox: Outbox, data: str, progress: Progress) -> None:
        self._ended: set[str] = set()
        self.now = dt.datetime.min
        """The moment of the look."""
        self.seconds = 0.0

        def tell(kind: str, title: str, document: Mapping[str, Any]) -> object:
            return outbox.tell(message.of_step(cast("AlertKind", kind), title, dict(document), self.now))

        self._context = Context(settings=own, store=store, data=data, tell=tell, progress=progress)

    def submit(self, job: Job) -> None:
        """Run a retraining until it is over or waits."""
        self.advance(job.words[job.words.index("--retraining") + 1], self.now)
        self._ended.add(job.submission_id)

    def advance(self, retraining_id: str, now: dt.datetime) -> None:
        """Take every step of a retraining that can be taken now."""
        began = time.perf_counter()
        try:
            pipeline.advance(self._context, retraining_id, now)
        finally:
            self.seconds += time.perf_counter() - began

    def state(self, submission_id: str) -> State:
        """Return whether a job was run here; one that was cut off with the replay is not known any more."""
        return "ended" if submission_id in self._ended else "unknown"

    def stop(self, submission_id: str) -> None:
        """Do nothing: it is over."""

    def last_words(self, submission_id: str) -> str:  # noqa: ARG002 - the signature of `Jobs`
        """Return nothing: it said what it had to say on our own standard error."""
        return ""


class Maintained:
    """The monitor and the pipeline on the store and the registry of a replay.

    Args:
        own: Settings whose home is the replay's.
        store: The replay's.
        data: The races before the replay.
        progress: Told of long loops.
    """

    def __init__(self, own: Settings, store: Store, data: Path, progress: Progress) -> None:
        self._tracking, self._trouble = connect(own), list[str]()
        outbox, watch = Outbox(store, own.alerts.model_copy(update={"webhooks": ()})), Watch(own, store)
        self._jobs = jobs = AtOnce(own, store, outbox, str(data), progress)
        self._context = monitor.Context(
            settings=own,
            store=store,
            outbox=outbox,
            shepherd=Shepherd(store, own.retraining, jobs, jobs.advance, str(data)),
            production=watch.production,
            check=watch.check,
            data=str(data),
        )

    def look(self, now: dt.datetime, clockwork: Clockwork) -> None:
        """Look once, and do what is due."""
        self._jobs.now, self._jobs.seconds = now, 0.0
        began = time.perf_counter()
        done = monitor.tick(self._context, now)
        spent = time.perf_counter() - began
        clockwork.add("retraining", self._jobs.seconds)
        clockwork.add("monitor", spent - self._jobs.seconds)
        self._trouble = [f"{now:%Y-%m-%d}: {each}" for each in done.trouble]

    def production(self) -> str:
        """Return the version that is to answer from now on."""
        return str(resolve(self._tracking, None).number)

    def trouble(self) -> list[str]:
        """Return what failed at the last look."""
        return self._trouble
