"""A retraining from its start to its end, as a list of recorded steps.

`advance` does what can be done now and returns: at the end, or where something has to be waited for (a live test, an
approval, a place for a test). Whoever is killed is followed by anybody who calls it again: what is recorded as done is
not done again, and what was half-way is found by its name (the data version by its folder, the run and the registered
version by the retraining's id, the live test by its own). One process works on a retraining at a time.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from oracle.errors import Unavailable
from oracle.registry.lifecycle import staged
from oracle.registry.versions import ARCHIVED, PRODUCTION, resolve, serving
from oracle.retraining import candidate, measuring, promotion, snapshot, testing
from oracle.retraining.promotion import found, settle, unfit
from oracle.retraining.steps import (
    APPROVAL,
    ARCHIVE,
    LIVE_AB,
    PROMOTE,
    REGISTER,
    REPLAY_AB,
    SNAPSHOT,
    SWEEP,
    TRAIN,
    VALIDATE,
    Context,
    Outcome,
    Over,
    Stopwatch,
    Waiting,
    Work,
    folder_of,
    told,
)
from oracle.settings import Settings
from oracle.store.retrainings import Retraining, Step, StepStatus

STEPS: Mapping[str, Callable[[Work], Outcome]] = {
    SNAPSHOT: snapshot.take,
    SWEEP: candidate.sweep,
    TRAIN: candidate.train,
    VALIDATE: measuring.judge,
    REGISTER: candidate.register,
    REPLAY_AB: testing.on_past_races,
    LIVE_AB: testing.on_live_traffic,
    APPROVAL: promotion.approval,
    PROMOTE: promotion.into_service,
    ARCHIVE: promotion.archive,
}
"""In their order."""
PATIENT = frozenset({LIVE_AB, APPROVAL})
"""Steps that may wait: begun once, and looked at however often."""
ENDS = "ends"


def advance(context: Context, retraining_id: str, now: dt.datetime) -> Retraining:
    """Do every step of a retraining that can be done now, and return it as it stands then.

    Where another process is at it, nothing is done here.

    Args:
        context: What it works with.
        retraining_id: Which.
        now: The moment.

    Raises:
        NoSuchRetraining: there is none of that id.
        Unavailable: something outside did not answer; the same call goes on from there.
    """
    there = found(context.store, retraining_id)
    if there.ended:
        return there
    with _alone(folder_of(context.settings, retraining_id)) as mine:
        there = found(context.store, retraining_id)  # another process may have had it until now
        return _Run(context, there, Stopwatch(now)).on() if mine and not there.ended else there


def by_hand(context: Context, reason: str, actor: str, now: dt.datetime) -> Retraining:
    """Begin a retraining that somebody asks for, against the version in service, and return it.

    Raises:
        NoSuchModel: there is no version in service that a candidate could be measured against.
        RetrainingInFlight: another one has not ended.
    """
    production = resolve(context.tracking)
    seen = [production.number, context.store.results.latest(), now.isoformat(), actor, reason]
    name = hashlib.blake2b(orjson.dumps(seen), digest_size=8).hexdigest()
    wanted = Retraining(
        retraining_id=name,
        event_id=f"hand-{name}",
        at=now,
        cause=f"{reason} ({actor})",
        production=str(production.number),
    )
    return context.store.retrainings.start(wanted)[0]


def at_work(settings: Settings, retraining_id: str) -> bool:
    """Return whether a process of this machine is at a retraining now."""
    with _alone(folder_of(settings, retraining_id)) as mine:
        return not mine


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold a retraining's folder; False where another process does. The kernel lets go of it with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@dataclass
class _Run:
    """One call of `advance`."""

    context: Context
    retraining: Retraining
    clock: Stopwatch

    def on(self) -> Retraining:
        """Go from step to step."""
        for name, step in STEPS.items():
            log = self._log(name)
            document = _document(log)
            if document is None:
                outcome = self._try(name, step, log)
                if isinstance(outcome, Waiting):
                    return self._wait(outcome)
                document = outcome
            if ENDS in document:
                ends = document[ENDS]
                return settle(self.context, self.retraining, ends["status"], ends["reason"], self.clock.moment())
        raise AssertionError("the last step ends a retraining")

    def _log(self, name: str) -> list[Step]:
        """Return the lines of one step, newly read: an approval may have come in."""
        return [s for s in self.context.store.retrainings.steps(self.retraining.retraining_id) if s.step == name]

    def _try(self, name: str, step: Callable[[Work], Outcome], log: list[Step]) -> Mapping[str, Any] | Waiting:
        """Do a step and record it; return its document, or that it waits."""
        began = self.clock.moment()
        over = self._over(name, log)
        if not log or name not in PATIENT:
            self._record(name, "started", began)
        self._begin(name)
        self.context.mark(f"{name}.started")
        work = self._work(log[0].at if log else began)
        outcome = over or self._done(name, step, work)
        if isinstance(outcome, Waiting):
            return outcome
        document: dict[str, Any] = dict(outcome.document)
        if isinstance(outcome, Over):
            document[ENDS] = {"status": outcome.status, "reason": outcome.reason}
        self.context.mark(f"{name}.done")
        since = log[0].at if log and name in PATIENT else began
        failed = isinstance(outcome, Over) and outcome.status == "failed"
        self._record(name, "failed" if failed else "done", self.clock.moment(), since, document)
        self.context.mark(f"{name}.recorded")
        return document

    def _done(self, name: str, step: Callable[[Work], Outcome], work: Work) -> Outcome:
        """Return what a step comes to; one that cannot be done ends the retraining, unless it may pass by itself."""
        try:
            return step(work)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it would be there again, and block all others
            return Over("failed", f"{name}: {unfit(error)}", {"error": told(error)})

    def _over(self, name: str, log: list[Step]) -> Over | None:
        """Return why there is no use in a step: begun too often, or about a version that is in service no more."""
        begun = Counter(step.status for step in log)["started"]
        most = self.context.settings.candidate.max_attempts
        if name not in PATIENT and begun >= most:
            return Over("failed", f"{name} was begun {begun} times and never came to its end")
        if name in (PROMOTE, ARCHIVE):
            return None  # the promotion looks for itself, under its lock
        now = serving(self.context.tracking)
        its = self.retraining.production
        if now is None or its in (str(now.number), now.label):
            return None
        if now.retraining == self.retraining.retraining_id or _was_ours(self.context, self.retraining):
            return None
        return Over("superseded", f"version {now.label} came into service; the retraining began with {its}")

    def _begin(self, name: str) -> None:
        """Say that the retraining runs."""
        if self.retraining.status == "submitted":
            self.retraining = self.context.store.retrainings.update(self.retraining.retraining_id, status="running")
        if name == SNAPSHOT:
            document = {"retraining_id": self.retraining.retraining_id, "step": name, "cause": self.retraining.cause}
            self.context.tell("retraining_started", "a retraining has started", document)

    def _wait(self, outcome: Waiting) -> Retraining:
        values = {"status": outcome.status, "reason": outcome.reason}
        return self.context.store.retrainings.update(self.retraining.retraining_id, **values)

    def _work(self, began_at: dt.datetime) -> Work:
        steps = self.context.store.retrainings.steps(self.retraining.retraining_id)
        done = {step.step: orjson.loads(step.document) for step in steps if step.status == "done"}
        return Work(self.context, self.retraining, done, self.clock.moment(), began_at)

    def _record(
        self,
        name: str,
        status: StepStatus,
        at: dt.datetime,
        since: dt.datetime | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        self.context.store.retrainings.step(
            Step(
                retraining_id=self.retraining.retraining_id,
                step=name,
                status=status,
                at=at,
                seconds=None if since is None else (at - since).total_seconds(),
                document=orjson.dumps(document or {}, option=_OPTIONS, default=str).decode(),
            )
        )


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def _document(log: list[Step]) -> Mapping[str, Any] | None:
    """Return what a step that is over came to; the first line stands. None where it has to be done."""
    for step in log:
        if step.status in ("done", "failed"):
            document: dict[str, Any] = orjson.loads(step.document)
            return document
    return None


def _was_ours(context: Context, retraining: Retraining) -> bool:
    """Return whether the candidate has been in service already."""
    version = staged(context.tracking, retraining.retraining_id)
    return version is not None and version.lifecycle in (PRODUCTION, ARCHIVED)
