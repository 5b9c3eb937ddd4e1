"""The last steps: somebody's yes where one is wanted, the candidate into service, the old version into the archive.

An approval is a line in the log of the retraining: the first one stands, whoever says something else later. The
promotion is refused where another version has come into service than the one that the evidence was measured on.
"""

from __future__ import annotations

import datetime as dt
import shutil
from typing import Any

import orjson

from oracle.errors import OracleError, Refused
from oracle.registry.lifecycle import mark, staged
from oracle.registry.promotion import Superseded, promote
from oracle.registry.versions import ARCHIVED, PRODUCTION, REJECTED
from oracle.retraining.candidate import LEARNED
from oracle.retraining.steps import APPROVAL, PROMOTE, Context, Done, Outcome, Over, Waiting, Work
from oracle.retraining.testing import stopped
from oracle.store import Store
from oracle.store.retrainings import NoSuchRetraining, Retraining, Status, Step

APPROVED, DECLINED = "approved", "declined"


class NotWaiting(Refused):
    """Nobody waits for an approval."""


def approval(work: Work) -> Outcome:
    """Return at once where nobody is asked, else wait; what somebody says is recorded as this step's end."""
    if work.settings.candidate.approval == "automatic":
        return Done({"decision": APPROVED, "actor": "settings", "reason": "candidate.approval is automatic"})
    return Waiting("awaiting_approval", f"next: oracle retrain approve {work.id}, or reject")


def answer(
    store: Store, retraining_id: str, *, approved: bool, actor: str, reason: str, now: dt.datetime
) -> Retraining:
    """Record a yes or a no, and return the retraining; what it leads to is done by the next advance.

    Raises:
        NoSuchRetraining: there is none of that id.
        NotWaiting: it does not wait for an approval, or somebody was first.
    """
    with store.database.exclusive(f"approval-{retraining_id}"):
        there = found(store, retraining_id)
        steps = [step for step in store.retrainings.steps(retraining_id) if step.step == APPROVAL]
        if there.status != "awaiting_approval" or any(step.status == "done" for step in steps):
            raise NotWaiting(
                "the retraining does not wait for an approval",
                value=f"{retraining_id} is {there.status}",
                allowed="awaiting_approval",
                next_step=f"oracle retrain status {retraining_id}",
            )
        document: dict[str, Any] = {"decision": APPROVED if approved else DECLINED, "actor": actor, "reason": reason}
        if not approved:
            document["ends"] = {"status": "rejected", "reason": f"declined by {actor}: {reason}"}
        took = (now - steps[0].at).total_seconds()
        store.retrainings.step(
            Step(
                retraining_id=retraining_id,
                step=APPROVAL,
                status="done",
                at=now,
                seconds=took,
                document=orjson.dumps(document).decode(),
            )
        )
    return there


def found(store: Store, retraining_id: str) -> Retraining:
    """Return the retraining of that id.

    Raises:
        NoSuchRetraining: there is none; names the latest there are.
    """
    there = store.retrainings.get(retraining_id)
    if there is None:
        known = [each.retraining_id for each in store.retrainings.all()]
        raise NoSuchRetraining(
            "there is no such retraining", value=retraining_id, allowed=known[-10:] or "none was started yet"
        )
    return there


def into_service(work: Work) -> Outcome:
    """Let serving follow the candidate, unless another version has come into service meanwhile."""
    candidate, store = work.candidate(), work.context.store
    work.mark("promote.found")
    try:
        version = promote(work.context.tracking, store, candidate.number, expected=work.retraining.production)
    except Superseded as error:
        return Over("superseded", str(error), {"error": error.as_dict()})
    work.mark("promote.moved")
    told = {"candidate": version.label, "production": work.retraining.production}
    work.tell("promoted", f"{version.label} is in service", PROMOTE, told)
    return Done({"version": str(version.number), "semver": version.label, "replaced": work.retraining.production})


def archive(work: Work) -> Outcome:
    """Say of the old version that it is archived, and leave of the files what nothing else holds: the data version."""
    old, new = work.production(), work.candidate()
    if old.number != new.number and old.lifecycle != ARCHIVED:
        mark(work.context.tracking, old, ARCHIVED, f"{new.label} took its place")
    work.mark("archive.marked")
    shutil.rmtree(work.folder / LEARNED, ignore_errors=True)
    work.mark("archive.swept")
    return Over("promoted", f"{new.label} is in service in the place of {old.label}", {"archived": str(old.number)})


def settle(context: Context, retraining: Retraining, status: Status, reason: str, now: dt.datetime) -> Retraining:
    """End a retraining: its candidate is marked, its live test ended, and its row closed, in this order.

    May be begun again by whoever finds it half-way.
    """
    stopped(context, retraining.retraining_id, f"the retraining is {status}", now)
    context.mark("end.stopped")
    version = staged(context.tracking, retraining.retraining_id)
    if version is not None and status != "promoted" and version.lifecycle not in (PRODUCTION, ARCHIVED, REJECTED):
        mark(context.tracking, version, ARCHIVED if status == "superseded" else REJECTED, _short(reason))
    context.mark("end.marked")
    if status == "failed":
        document = {"retraining_id": retraining.retraining_id, "step": "end", "reason": reason}
        context.tell("retraining_failed", f"the retraining failed: {reason}", document)
    return context.store.retrainings.end(retraining.retraining_id, status, reason, now)


def _short(reason: str) -> str:
    return reason if len(reason) <= 1000 else f"{reason[:997]}..."


def unfit(error: Exception) -> str:
    """Return why a step ended a retraining, in one sentence."""
    return str(error) if isinstance(error, OracleError) else f"unexpected {type(error).__name__}: {error}"
