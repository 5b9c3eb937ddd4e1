"""The last steps: a request with its evidence, somebody's yes where one is wanted, the candidate into service.

What is asked for and what is said to it stands in our store, with the evidence: the first word stands, whoever says
something else later. The authority carries it out, once, and refuses where another version has come into service than
the one that the evidence was measured on.
"""

from __future__ import annotations

import datetime as dt
import shutil

from oracle.errors import OracleError, Refused
from oracle.governance.approval import Request, Ruling
from oracle.governance.consent import AlreadyUsed, Expired, GatesRefuse, Superseded
from oracle.registry import acts, authority
from oracle.registry.lifecycle import staged
from oracle.retraining.candidate import LEARNED
from oracle.retraining.steps import (
    APPROVAL,
    LIVE_AB,
    PROMOTE,
    REPLAY_AB,
    VALIDATE,
    Context,
    Done,
    Outcome,
    Over,
    Waiting,
    Work,
)
from oracle.retraining.testing import stopped
from oracle.store import Store
from oracle.store.retrainings import NoSuchRetraining, Retraining, Status

MEASURED = {"validation": VALIDATE, "replay_ab": REPLAY_AB, "live_ab": LIVE_AB}
"""What goes into the evidence, by the steps that measured it."""


class NotWaiting(Refused):
    """Nobody waits for an approval."""


def approval(work: Work) -> Outcome:
    """Ask for the promotion, with the evidence, and wait where nobody has said anything yet."""
    request = asked(work.context.store, work.context.tracking.model_name, work.candidate().number, work.id)
    if request is None:
        try:
            request = _ask(work)
        except Superseded as error:
            return Over("superseded", str(error), {"error": error.as_dict()})
        except GatesRefuse as error:
            return Over("rejected", error.what, {"error": error.as_dict()})
    work.mark("approval.asked")
    ruling = _decided(work.context.store, request)
    if ruling is None and work.now >= request.expires:
        return Over(
            "rejected", f"nobody answered request {request.request_id} in time", {"request": request.request_id}
        )
    if ruling is None:
        return Waiting("awaiting_approval", f"next: oracle retrain approve {work.id}, or reject")
    said = {
        "decision": ruling.decision,
        "actor": ruling.actor,
        "reason": ruling.reason,
        "request": request.request_id,
        "evidence_sha256": request.evidence_digest,
    }
    if ruling.decision == "approved":
        return Done(said)
    word = "declined" if ruling.decision == "rejected" else ruling.decision
    return Over("rejected", f"{word} by {ruling.actor}: {ruling.reason}", said)


def _ask(work: Work) -> Request:
    measured = {name: dict(work.done[step]) for name, step in MEASURED.items() if step in work.done}
    return (
        work.authority()
        .request(
            work.candidate().number,
            reason=f"retraining {work.id}: {work.retraining.cause}",
            measured=measured,
            expected=work.production().number,
            retraining=work.id,
        )
        .request
    )


def asked(store: Store, model: str, version: int, retraining_id: str) -> Request | None:
    """Return the last request of a retraining, or None."""
    return next(
        (r for r in reversed(store.approvals.of_version(model, version)) if r.retraining == retraining_id), None
    )


def _decided(store: Store, request: Request) -> Ruling | None:
    return next((r for r in store.approvals.rulings(request.request_id) if r.step == "decided"), None)


def answer(
    context: Context, retraining_id: str, *, approved: bool, actor: str | None, reason: str, now: dt.datetime
) -> Retraining:
    """Say yes or no to the request of a retraining, and return it; what it leads to is done by the next advance.

    Raises:
        NoSuchRetraining: there is none of that id.
        NotWaiting: it does not wait for an approval, or somebody was first.
        Refused: the request cannot be answered so; see `oracle.registry.local.LocalAuthority`.
    """
    there, store = found(context.store, retraining_id), context.store
    model = context.tracking.model_name
    request = asked(store, model, int(there.candidate), retraining_id) if there.candidate else None
    if there.status != "awaiting_approval" or request is None or _decided(store, request) is not None:
        raise NotWaiting(
            "the retraining does not wait for an approval",
            value=f"{retraining_id} is {there.status}",
            allowed="awaiting_approval",
            next_step=f"oracle retrain status {retraining_id}",
        )
    who = authority.of(context.settings, context.tracking, store, now, actor)
    (who.approve if approved else who.reject)(request.request_id, reason)
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
    candidate, who = work.candidate(), work.authority()
    request = work.done[APPROVAL].get("request") or _ask(work).request_id
    work.mark("promote.found")
    try:
        who.promote(str(request))
    except AlreadyUsed:
        pass  # an attempt before this one did, and was cut off before it could say so
    except Superseded as error:
        return Over("superseded", str(error), {"error": error.as_dict()})
    except Expired as error:
        return Over("rejected", str(error), {"error": error.as_dict()})
    work.mark("promote.moved")
    told = {"candidate": candidate.label, "production": work.retraining.production}
    work.tell("promoted", f"{candidate.label} is in service", PROMOTE, told)
    return Done({"version": str(candidate.number), "semver": candidate.label, "replaced": work.retraining.production})


def archive(work: Work) -> Outcome:
    """Leave of the files what nothing else holds, the data version; the promotion has archived the old version."""
    old, new = work.production(), work.candidate()
    work.mark("archive.found")
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
    waits = version is not None and acts.stands(context.tracking, version) in ("unstaged", "staging")
    if version is not None and waits and status != "promoted":
        context.authority(now).close(version.number, "retire" if status == "superseded" else "reject", reason)
    context.mark("end.marked")
    if status == "failed":
        document = {"retraining_id": retraining.retraining_id, "step": "end", "reason": reason}
        context.tell("retraining_failed", f"the retraining failed: {reason}", document)
    return context.store.retrainings.end(retraining.retraining_id, status, reason, now)


def unfit(error: Exception) -> str:
    """Return why a step ended a retraining, in one sentence."""
    return str(error) if isinstance(error, OracleError) else f"unexpected {type(error).__name__}: {error}"
