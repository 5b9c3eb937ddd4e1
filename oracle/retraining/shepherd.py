"""Brings a retraining to its job, notices a job that died, and advances what waits for results or for a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import orjson

from oracle.retraining.submission import Jobs, job_of
from oracle.settings import RetrainingPolicy
from oracle.store import Retraining, Step, Store
from oracle.store.retrainings import StepStatus

SUBMIT = "submit"
"""Name of the step in the log of a retraining."""
IN_JOB = ("submitted", "running")
"""States in which a job has the retraining; in the others it waits, and a look advances it."""

Advance = Callable[[str, dt.datetime], object]
"""Takes every step of a retraining that can be taken now."""

GiveUp = Callable[[str, str, dt.datetime], object]
"""Ends a retraining as failed, for a reason."""


class Shepherd:
    """Looks after the one retraining that has not ended.

    Args:
        store: Where it is kept.
        policy: How often and how patiently a job is tried.
        jobs: Where jobs run.
        advance: Takes the steps of one that waits.
        data: Dataset to train on; None where none is known, and then nothing is submitted.
        at_work: Whether somebody is at a retraining already, such as a person who began one by hand.
        give_up: Ends a retraining as failed and clears away what it left; by default it is only ended.
    """

    def __init__(
        self,
        store: Store,
        policy: RetrainingPolicy,
        jobs: Jobs,
        advance: Advance,
        data: str | None,
        at_work: Callable[[str], bool] = lambda _: False,
        give_up: GiveUp | None = None,
    ) -> None:
        self._store, self._policy, self._jobs, self._advance, self._data = store, policy, jobs, advance, data
        self._at_work, self._give_up = at_work, give_up or self._end

    def look(self, now: dt.datetime) -> None:
        """Do for the retraining under way what is due now.

        Raises:
            Unavailable: the store, or the place where jobs run, did not answer; nothing was lost.
        """
        under_way = self._store.retrainings.unfinished()
        if under_way is None:
            return
        if under_way.status in IN_JOB:
            self._care(under_way, now)
        else:
            self._advance(under_way.retraining_id, now)

    def _care(self, retraining: Retraining, now: dt.datetime) -> None:
        """Go by the last attempt that was written down, whatever became of it."""
        name, attempts = retraining.retraining_id, self._attempts(retraining.retraining_id)
        job = str(orjson.loads(attempts[-1].document)["submission_id"]) if attempts else ""
        state = self._jobs.state(job) if attempts else "unknown"
        if state == "running":
            if now - attempts[-1].at > dt.timedelta(hours=self._policy.patience_hours):
                self._jobs.stop(job)
        elif self._at_work(name) or self._left_its_job(name):
            return
        elif state == "unknown":  # nothing was tried yet, or the note was made and the submission was not
            self._begin(name, max(1, len(attempts)), now)
        else:
            self._again(name, job, len(attempts), now)

    def _left_its_job(self, retraining_id: str) -> bool:
        """Return whether the job came to its own end between our looks at the store and at the job."""
        now = self._store.retrainings.get(retraining_id)
        return now is None or now.status not in IN_JOB

    def _end(self, retraining_id: str, reason: str, now: dt.datetime) -> object:
        return self._store.retrainings.end(retraining_id, "failed", reason, now)

    def _attempts(self, retraining_id: str) -> list[Step]:
        return [s for s in self._store.retrainings.steps(retraining_id) if s.step == SUBMIT and s.status == "started"]

    def _again(self, retraining_id: str, name: str, attempts: int, now: dt.datetime) -> None:
        """Try once more where a job died, or give the retraining up."""
        words = self._jobs.last_words(name)
        died = f"job {name} died without bringing the retraining to its end{f': {words}' if words else ''}"
        self._note(retraining_id, "failed", now, submission_id=name, why=died)
        if attempts >= self._policy.attempts:
            self._give_up(retraining_id, f"{attempts} jobs died; the last one: {died}", now)
        else:
            self._begin(retraining_id, attempts + 1, now)

    def _begin(self, retraining_id: str, attempt: int, now: dt.datetime) -> None:
        """Write down the attempt, then submit it."""
        if self._data is None:
            return
        job = job_of(retraining_id, attempt, self._data)
        self._note(
            retraining_id, "started", now, submission_id=job.submission_id, attempt=attempt, where=self._jobs.where
        )
        self._jobs.submit(job)

    def _note(self, retraining_id: str, status: StepStatus, at: dt.datetime, **told: object) -> None:
        """Add a line to the log, once for each attempt and status."""
        for step in self._store.retrainings.steps(retraining_id):
            same = (step.step, step.status) == (SUBMIT, status)
            if same and orjson.loads(step.document)["submission_id"] == told["submission_id"]:
                return
        document = orjson.dumps(told).decode()
        self._store.retrainings.step(
            Step(retraining_id=retraining_id, step=SUBMIT, status=status, at=at, document=document)
        )
