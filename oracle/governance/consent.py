"""May somebody approve a request, and may an approved one be carried out? Pure, three outcomes, each with its cause.

A consent is about one version, one bundle of evidence and one version in service. Named rules look at each of these
again, when somebody says yes and when it is carried out: the request is open and in time, another person approves it
than asked for it, the evidence is the text that was hashed, the registry still says the same of the version, the
version still stands where it may move, and the one in service is the one that the evidence was measured on. The first
rule that objects decides.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from oracle.errors import BadInput, OracleError, Refused
from oracle.governance.approval import Request, Ruling
from oracle.governance.evidence import Subject, changed, digest
from oracle.governance.gates import Verdict
from oracle.governance.lifecycle import Stage, after
from oracle.governance.roles import POLICY

Outcome = Literal["yes", "no", "not yet"]


class SelfApproval(Refused):
    """Who asks does not approve."""


class Answered(Refused):
    """The request has been answered already."""


class AlreadyUsed(Answered):
    """The request has been carried out already."""


class Expired(Refused):
    """The request waited for too long."""


class NotApproved(Refused):
    """Nobody has approved the request yet."""


class EvidenceChanged(Refused):
    """The evidence, or the version, is not what it was when somebody asked."""


class Superseded(Refused):
    """Another version came into service than the one that the evidence was measured on."""


class AlreadyAsked(Refused):
    """Somebody else's request for the version waits for an answer."""


class NoSuchRequest(BadInput):
    """There is no request of that id."""


class GatesRefuse(Refused):
    """A gate fails: the version does not go into service by this evidence.

    Args:
        version: Which.
        verdict: What the gates said.
    """

    def __init__(self, version: int, verdict: Verdict) -> None:
        super().__init__(
            f"the gates refuse version {version}: {'; '.join(verdict.causes)}",
            next_step="train a better one; the gates and their limits stand in docs/governance.md",
        )
        self.verdict = verdict

    def as_dict(self) -> dict[str, Any]:
        """Return the error with the gates."""
        return {**super().as_dict(), **self.verdict.as_dict()}


@dataclass(frozen=True, slots=True)
class Standing:
    """A request, and how the world stands to it now."""

    request: Request
    rulings: Sequence[Ruling]
    subject: Subject
    """The version, as the registry has it now."""
    stage: Stage
    serving: int | None
    """The version in service now."""
    by_person: bool = False
    """Whether a person has to have approved it, whatever the gates say."""

    def ruled(self, step: str) -> Ruling | None:
        """Return the ruling of a step, or None."""
        return next((ruling for ruling in self.rulings if ruling.step == step), None)


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether it may be done."""

    outcome: Outcome
    cause: str
    objection: OracleError | None = None
    """What to raise where it may not."""

    def require(self) -> None:
        """Return silently where the outcome is yes.

        Raises:
            Refused: it is not; a child that names the rule.
        """
        if self.objection is not None:
            raise self.objection


Rule = Callable[[Standing, str, dt.datetime], OracleError | None]


def approvable(standing: Standing, approver: str, now: dt.datetime) -> Consent:
    """Return whether somebody may approve a request now."""
    return _asked(
        (_open, _in_time, _four_eyes, _same_text, _same_version, _movable, _same_serving), standing, approver, now
    )


def usable(standing: Standing, actor: str, now: dt.datetime) -> Consent:
    """Return whether an approved request may be carried out now; `not yet` where nobody has approved it so far."""
    return _asked(
        (_unused, _approved, _in_time, _same_text, _same_version, _movable, _same_serving), standing, actor, now
    )


def _asked(rules: Sequence[Rule], standing: Standing, actor: str, now: dt.datetime) -> Consent:
    for rule in rules:
        objection = rule(standing, actor, now)
        if objection is not None:
            return Consent("not yet" if isinstance(objection, NotApproved) else "no", str(objection), objection)
    return Consent("yes", "nothing stands against it")


def _open(standing: Standing, _actor: str, _now: dt.datetime) -> OracleError | None:
    ruling = standing.ruled("decided")
    if ruling is None:
        return None
    return Answered(
        f"the request was {ruling.decision} by {ruling.actor} already",
        value=standing.request.request_id,
        allowed="a request that waits for an answer",
        next_step="oracle model requests",
    )


def void_at(request: Request, decided: Ruling | None) -> dt.datetime:
    """Return when a request is void: nobody answered it for so long, or nobody carried it out for as long again."""
    return request.expires if decided is None else decided.at + (request.expires - request.at)


def _in_time(standing: Standing, _actor: str, now: dt.datetime) -> OracleError | None:
    request = standing.request
    until = void_at(request, standing.ruled("decided"))
    if now < until:
        return None
    return Expired(
        f"the request expired at {until:%Y-%m-%d %H:%M} UTC",
        value=request.request_id,
        allowed="an answer in time (governance.expire_hours)",
        next_step=f"ask again: oracle model promote {request.version}",
    )


def _four_eyes(standing: Standing, approver: str, _now: dt.datetime) -> OracleError | None:
    if same_person(approver, standing.request.requester):
        return SelfApproval(
            "who asks for a promotion does not approve it",
            value=approver,
            allowed=f"an approver other than {standing.request.requester}",
            next_step=f"another person: oracle model approve {standing.request.request_id} --reason ...",
        )
    return None


def same_person(one: str, other: str) -> bool:
    """Return whether two names are one person's: case and space around a name make nobody else of him.

    >>> same_person("Ann", " ann"), same_person("ann", "bea"), same_person(POLICY, POLICY)
    (True, False, True)
    """
    return one.strip().casefold() == other.strip().casefold()


def _same_text(standing: Standing, _actor: str, _now: dt.datetime) -> OracleError | None:
    request = standing.request
    if digest(request.evidence) == request.evidence_digest:
        return None
    return EvidenceChanged(
        "the evidence is not the text that was hashed when somebody asked",
        value=digest(request.evidence),
        allowed=request.evidence_digest,
        next_step="oracle audit verify; then ask again",
    )


def _same_version(standing: Standing, _actor: str, _now: dt.datetime) -> OracleError | None:
    names = changed(standing.request.evidence, standing.subject)
    if not names:
        return None
    return EvidenceChanged(
        f"the registry says otherwise of the version than its evidence does: {', '.join(names)}",
        value=f"{standing.subject.model}/{standing.subject.version}",
        next_step=f"ask again: oracle model promote {standing.subject.version}",
    )


def _movable(standing: Standing, _actor: str, _now: dt.datetime) -> OracleError | None:
    half_way = standing.stage == "production" and standing.serving == standing.request.version
    if half_way and standing.ruled("decided") is not None:
        return None  # whoever carried it out was cut off before the record: it is brought to its end
    try:
        after("first" if standing.request.expected is None else "promote", standing.stage, standing.request.version)
    except Refused as error:
        return error
    return None


def _same_serving(standing: Standing, _actor: str, _now: dt.datetime) -> OracleError | None:
    request, now = standing.request, standing.serving
    if now == request.expected or (now == request.version and standing.ruled("decided") is not None):
        return None
    return Superseded(
        "another version is in service than the one that the evidence was measured on",
        value="none" if now is None else now,
        allowed="none" if request.expected is None else str(request.expected),
        next_step="measure against the version that is in service now, and ask again",
    )


def _unused(standing: Standing, _actor: str, _now: dt.datetime) -> OracleError | None:
    ruling = standing.ruled("used")
    if ruling is None:
        return None
    return AlreadyUsed(
        f"the request was carried out by {ruling.actor} at {ruling.at:%Y-%m-%d %H:%M} UTC",
        value=standing.request.request_id,
        allowed="once",
        next_step=f"to bring the version back: oracle model rollback {standing.request.version}",
    )


def _approved(standing: Standing, _actor: str, _now: dt.datetime) -> OracleError | None:
    ruling, request = standing.ruled("decided"), standing.request
    if ruling is None:
        return NotApproved(
            "nobody has approved the request yet",
            value=request.request_id,
            allowed=f"the yes of an approver other than {request.requester}",
            next_step=f"oracle model approve {request.request_id} --reason ...",
        )
    if ruling.decision != "approved":
        return Answered(
            f"the request was {ruling.decision} by {ruling.actor}: {ruling.reason}", value=request.request_id
        )
    if ruling.actor == POLICY and standing.by_person:
        return NotApproved(
            "the gates approved the request, and since then a person has to",
            value=request.request_id,
            next_step="ask again",
        )
    if same_person(ruling.actor, request.requester):
        return SelfApproval(
            "the request was approved by who asked for it", value=ruling.actor, next_step="oracle audit verify"
        )
    return None
