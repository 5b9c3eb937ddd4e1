"""What an act leaves in our store: a ruling, a promotion, and a line of the audit trail with each."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oracle.governance.approval import Decision, Kind, Promotion, Request, Ruling
from oracle.governance.audit import Entry, Outcome
from oracle.governance.consent import Answered, NoSuchRequest, Standing
from oracle.governance.evidence import Subject, canonical
from oracle.governance.roles import Actor
from oracle.store import Store

FOUND = "found in service"
"""Who put a version into service that served before any record."""


@dataclass(frozen=True)
class Record:
    """Writes down what one actor does to one model at one moment."""

    store: Store
    model: str
    actor: Actor
    now: dt.datetime

    def promotions(self) -> list[Promotion]:
        """Return the promotions of the model, the first first."""
        return self.store.promotions.all(self.model)

    def request(self, request_id: str) -> Request:
        """Return the request of that id.

        Raises:
            NoSuchRequest: there is none for this model.
        """
        request = self.store.approvals.get(request_id)
        if request is None or request.model != self.model:
            known = [each.request_id for each in self.store.approvals.latest(10)]
            raise NoSuchRequest(
                "there is no such request",
                value=request_id,
                allowed=known or "nobody has asked for a promotion yet",
                next_step="oracle model requests lists them",
            )
        return request

    def open(self, request_id: str) -> Request:
        """Return a request that nobody has decided.

        Raises:
            NoSuchRequest: there is none of that id.
            Answered: somebody has.
        """
        request = self.request(request_id)
        for ruling in self.store.approvals.rulings(request_id):
            raise Answered(
                f"the request was {ruling.decision} by {ruling.actor} already",
                value=request_id,
                allowed="a request that waits for an answer",
                next_step="oracle model requests",
            )
        return request

    def rule(self, request: Request, decision: Decision, reason: str, verb: str, actor: str | None = None) -> Ruling:
        """Write what is said to a request, and return it.

        Raises:
            Answered: somebody was first.
        """
        who = actor or self.actor.name
        ruling = Ruling(
            request_id=request.request_id, step="decided", at=self.now, decision=decision, actor=who, reason=reason
        )
        told = {"request": request.request_id, "decision": decision, "evidence": request.evidence_digest}
        stands = self.store.approvals.rule(
            ruling, self.entry(verb, request.version, "allowed", reason, told=told, actor=who)
        )
        if stands != ruling:
            raise Answered(f"the request was {stands.decision} by {stands.actor} already", value=request.request_id)
        return ruling

    def promoted(
        self, subject: Subject, kind: Kind, replaced: int | None, reason: str, stage: str, standing: Standing | None
    ) -> Promotion:
        """Write that a version came into service and, where a request asked for it, that this is used up; return it.

        Args:
            subject: The version.
            kind: How it came into service.
            replaced: What was in service before.
            reason: Why.
            stage: Where the version stood before.
            standing: The request and what was said to it; None where there was none.
        """
        request, ruling = (None, None) if standing is None else (standing.request, standing.ruled("decided"))
        promotion = self._promotion(subject, kind, replaced, request, ruling)
        before = {"production": replaced, "stage": stage}
        told = {"production": subject.version, "kind": kind, "request": promotion.request_id}
        used = None
        if request is not None:
            name, why = request.request_id, f"promotion {promotion.promotion_id}"
            used = Ruling(request_id=name, step="used", at=self.now, decision="used", actor=self.actor.name, reason=why)
        self.store.promotions.add(promotion, self.entry(kind, subject.version, "allowed", reason, before, told), used)
        return promotion

    def found(self, subject: Subject) -> Promotion:
        """Write down which version was in service when somebody looked for the first time, and return that."""
        promotion = self._promotion(subject, "first", None, None, None, FOUND)
        reason = "it was in service before any record"
        entry = self.entry("found", subject.version, "allowed", reason, told={"production": subject.version})
        self.store.promotions.add(promotion, entry)
        return promotion

    def _promotion(
        self,
        subject: Subject,
        kind: Kind,
        replaced: int | None,
        request: Request | None,
        ruling: Ruling | None,
        actor: str | None = None,
    ) -> Promotion:
        document: dict[str, Any] = {**subject.made_of(), "metrics": dict(subject.metrics)}
        if request is not None:
            document["evidence_sha256"] = request.evidence_digest
            document["requested"] = {"by": request.requester, "at": request.at.isoformat(), "reason": request.reason}
        if ruling is not None:
            document["approved"] = {"by": ruling.actor, "at": ruling.at.isoformat(), "reason": ruling.reason}
        asked = None if request is None else request.request_id
        return Promotion(
            promotion_id=named(subject.model, subject.version, kind, len(self.promotions()), asked),
            at=self.now,
            model=subject.model,
            version=subject.version,
            label=subject.label,
            kind=kind,
            replaced=replaced,
            request_id=asked,
            actor=actor or self.actor.name,
            approver=None if ruling is None else ruling.actor,
            document=canonical(document),
        )

    def line(
        self,
        verb: str,
        target: int | str | None,
        outcome: Outcome,
        reason: str | None,
        before: Mapping[str, Any] | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """Append a line to the audit trail.

        Raises:
            Unavailable: it could not be written.
        """
        self.store.audit.append(self.entry(verb, target, outcome, reason, before, told))

    def entry(
        self,
        verb: str,
        target: int | str | None,
        outcome: Outcome,
        reason: str | None,
        before: Mapping[str, Any] | None = None,
        told: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> Entry:
        """Return a line of the audit trail about a version (a number), a request (its id) or the model."""
        who, of = actor or self.actor.name, _target(self.model, target)
        texts = [None if each is None else canonical(each) for each in (before, told)]
        place = self.store.audit.head().position
        return Entry(
            entry_id=named(place, who, verb, of, outcome, reason, *texts, self.now.isoformat()),
            at=self.now,
            actor=who,
            address=self.actor.address,
            action=verb,
            target=of,
            outcome=outcome,
            reason=reason,
            before=texts[0],
            after=texts[1],
        )


def _target(model: str, target: int | str | None) -> str:
    if target is None:
        return model
    return f"{model}/{target}" if isinstance(target, int) else f"{model}/request/{target[:64]}"


def named(*parts: object) -> str:
    """Return 32 hexadecimal digits that are equal for equal parts."""
    return hashlib.blake2b(canonical(parts).encode(), digest_size=16).hexdigest()
