"""The authority over a model's life, exercised here: with the registry's client and our store, under one lock.

Every act is the same way: may the actor do it, may the version go there, is the world still as it was when somebody
said yes, then the act, then the record. What is allowed is written down together with the audit entry; what is refused
or fails is written down too. Who is killed between the alias and the record is followed by anybody who comes next: an
approved request whose version the alias points to is brought to its end first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from oracle.errors import BadInput, OracleError, Refused
from oracle.governance.approval import Kind, Promotion, Request, Ruling
from oracle.governance.consent import (
    AlreadyAsked,
    GatesRefuse,
    Standing,
    Superseded,
    approvable,
    same_person,
    usable,
    void_at,
)
from oracle.governance.evidence import bundle, canonical, digest
from oracle.governance.gates import Asked, PromotionPolicy, Verdict, judge, verdict_of
from oracle.governance.lifecycle import after
from oracle.governance.roles import POLICY, Action, Actor, NotAllowed, may
from oracle.registry import acts
from oracle.registry.record import Record, named
from oracle.registry.subject import subject_of
from oracle.registry.versions import STAGING, ModelVersion
from oracle.registry.world import World, require_served
from oracle.store import Store
from oracle.tracking.connection import Tracking

LOCK = "promotion"


@dataclass(frozen=True)
class LocalAuthority:
    """Moves versions, and nobody else does.

    Args:
        tracking: The registry.
        store: Where requests, rulings, promotions and the audit trail are.
        policy: When a version may go into service.
        actor: Who wants it.
        now: The moment.
    """

    tracking: Tracking
    store: Store
    policy: PromotionPolicy
    actor: Actor
    now: dt.datetime

    def stage(self, version: int, reason: str) -> ModelVersion:
        """Let a version prove itself, and return it; one that does already stays as it is.

        Raises:
            NoSuchModel: there is no such version.
            NoSuchMove: it is in service, archived or rejected.
            NotAllowed, Unavailable: as of every act.
        """
        with self._acting("stage", ("stage",), version, reason) as world:
            self._staged(world, world.get(version), reason)
            return World.now(self.tracking).get(version)

    def request(
        self,
        version: int,
        *,
        reason: str,
        measured: Mapping[str, Any] | None = None,
        expected: int | None = None,
        retraining: str | None = None,
    ) -> Asked:
        """Ask that a version goes into service, and return the request with what the gates say.

        Where the gates all pass and the policy is automatic it is approved at once. Asked again, by the same person or
        for the same retraining, the same request comes back as long as it can lead to something.

        Args:
            version: Which.
            reason: Why.
            measured: Documents of `validation`, `replay_ab` and `live_ab`, as far as there are any.
            expected: Version in service that was measured on; by default the one in service now.
            retraining: Id of the retraining that asks.

        Raises:
            NoSuchModel: there is no such version.
            NoSuchMove: it cannot be promoted from where it stands.
            GatesRefuse: a gate fails.
            AlreadyAsked: somebody else's request waits for an answer.
            Superseded: another version is in service than the one expected.
            NotAllowed, Unavailable: as of every act.
        """
        with self._acting("request", ("request",), version, reason) as world:
            found = world.get(version)
            if expected is not None and expected != world.number:
                raise Superseded(
                    "another version is in service than the one that the evidence was measured on",
                    value=world.number,
                    allowed=str(expected),
                    next_step="measure against the version that is in service now, and ask again",
                )
            there = self._there(world, found, measured, retraining)
            if there is not None:
                return self._by_policy(there, verdict_of(there.evidence))
            stage = world.stage(found)
            after("promote", "staging" if stage == "unstaged" else stage, version)
            self._staged(world, found, reason)
            return self._ask(world, found, reason, measured or {}, retraining)

    def approve(self, request_id: str, reason: str) -> Ruling:
        """Say yes to somebody else's request, and return the ruling; `promote` carries it out.

        Raises:
            NoSuchRequest: there is none of that id.
            Answered, Expired, SelfApproval, EvidenceChanged, Superseded, NoSuchMove: it cannot be approved.
            NotAllowed, Unavailable: as of every act.
        """
        with self._acting("approve", ("approve",), request_id, reason) as world:
            standing = self._standing(world, self._record.request(request_id))
            approvable(standing, self.actor.name, self.now).require()
            return self._record.rule(standing.request, "approved", reason, "approve")

    def reject(self, request_id: str, reason: str) -> Ruling:
        """Say no to a request, and return the ruling; the version is found wanting and does not come back.

        Raises:
            NoSuchRequest: there is none of that id.
            Answered: it was answered already.
            NotAllowed, Unavailable: as of every act.
        """
        with self._acting("reject", ("reject",), request_id, reason) as world:
            request = self._record.open(request_id)
            version = next((v for v in world.known if v.number == request.version), None)
            if version is not None and world.stage(version) == "staging":
                acts.out_of_staging(self.tracking, version, "rejected", f"declined by {self.actor.name}: {reason}")
            return self._record.rule(request, "rejected", reason, "reject")

    def withdraw(self, request_id: str, reason: str) -> Ruling:
        """Take one's own request back, and return the ruling; the version stays where it is.

        Raises:
            NoSuchRequest: there is none of that id.
            Answered: it was answered already.
            NotAllowed: it is somebody else's, or the role does not allow it.
            Unavailable: as of every act.
        """
        with self._acting("withdraw", ("withdraw",), request_id, reason):
            request = self._record.open(request_id)
            if not same_person(request.requester, self.actor.name):
                raise NotAllowed(
                    "only who asked takes a request back", value=self.actor.name, allowed=request.requester
                )
            return self._record.rule(request, "withdrawn", reason, "withdraw")

    def promote(self, request_id: str) -> Promotion:
        """Carry an approved request out, once, and return the promotion.

        Raises:
            NoSuchRequest: there is none of that id.
            NotApproved: nobody has said yes yet.
            AlreadyUsed, Expired, EvidenceChanged, Superseded, NoSuchMove: it cannot be carried out.
            NotAllowed, Unavailable: as of every act.
        """
        with self._acting("promote", ("request", "approve"), request_id, None) as world:
            if world.finished is not None and world.finished.request_id == request_id:
                return world.finished
            standing = self._standing(world, self._record.request(request_id))
            usable(standing, self.actor.name, self.now).require()
            version = world.get(standing.request.version)
            return self._into_service(world, version, "promote", standing.request.reason, standing)

    def rollback(self, version: int | None = None, *, reason: str) -> Promotion:
        """Bring back a version that has served, at once, and return the promotion: it was approved before.

        Args:
            version: Which; by default the one that was in service before this one.
            reason: Why.

        Raises:
            NoSuchModel: there is no such version.
            NeverServed: it was never in service, or nothing was in service before.
            NoSuchMove: it is not archived.
            NotAllowed, Unavailable: as of every act.
        """
        with self._acting("rollback", ("rollback",), version, reason) as world:
            told = self._record.promotions()
            number = world.before(told) if version is None else version
            found = world.get(number)
            after("rollback", world.stage(found), found.number)
            require_served(found, told)
            return self._into_service(world, found, "rollback", reason, None)

    def first(self, version: int) -> Promotion | None:
        """Let a version serve where none ever did, for there is nothing it could be worse than; else do nothing.

        None also where the policy wants another person's yes for every version, this one too.
        """
        with self._acting("first", ("request",), version, "the first version") as world:
            told = self._record.promotions()
            found = world.get(version)
            served = {"production", "archived"} & {world.stage(v) for v in world.known}
            if self.policy.approval != "automatic" or told or served:
                return None
            after("first", world.stage(found), version)
            return self._into_service(world, found, "first", "the first version", None)

    def close(self, version: int, move: Literal["reject", "retire"], reason: str) -> ModelVersion:
        """Say how a version ended that never came into service, and return it.

        Args:
            version: Which.
            move: `reject` where it was found wanting, `retire` where its time is over.
            reason: Why.

        Raises:
            NoSuchModel: there is no such version.
            NoSuchMove: it has served, or it has ended already.
            AlreadyAsked: somebody else's request for it waits for an answer.
            NotAllowed, Unavailable: as of every act.
        """
        with self._acting(move, ("stage",), version, reason) as world:
            if move not in ("reject", "retire"):
                raise BadInput("that is no end", value=move, allowed=("reject", "retire"))
            found = world.get(version)
            end = after(move, world.stage(found), version)
            self._withdraw_own(found, reason)
            acts.out_of_staging(self.tracking, found, end, reason)
            self._record.line(move, version, "allowed", reason, {"stage": world.stage(found)}, {"stage": end})
            return World.now(self.tracking).get(version)

    # What the acts share: the lock, the roles, and a line for everything that does not come about.

    @property
    def _record(self) -> Record:
        return Record(self.store, self.tracking.model_name, self.actor, self.now)

    @contextmanager
    def _acting(
        self, verb: str, needs: tuple[Action, ...], target: int | str | None, reason: str | None
    ) -> Iterator[World]:
        try:
            if not any(may(self.actor.roles, action) for action in needs):
                self.actor.require(needs[0])
            with self.store.database.exclusive(LOCK):
                yield self._finished(World.now(self.tracking))
        except (Refused, BadInput) as error:
            self._record.line(verb, target, "refused", str(error), told={"asked": reason})
            raise
        except Exception as error:
            told = str(error) if isinstance(error, OracleError) else f"unexpected {type(error).__name__}: {error}"
            with suppress(OracleError):  # where it is the store that failed, nobody is there to write it down
                self._record.line(verb, target, "failed", told, told={"asked": reason})
            raise

    def _finished(self, world: World) -> World:
        """Bring to its end what was cut off between the alias and its record, and return the world after it."""
        now, told = world.serving, self._record.promotions()
        if now is None or (told and told[-1].version == now.number):
            return world
        for request in reversed(self.store.approvals.of_version(now.name, now.number)):
            standing = self._standing(world, request)
            before = told[-1].version if told else None
            if usable(standing, self.actor.name, self.now).outcome == "yes" and request.expected == before:
                finished = self._into_service(world, now, "promote", request.reason, standing)
                return World.now(self.tracking, finished)
        if not told:
            self._record.found(subject_of(self.tracking, now))
        return world

    def _standing(self, world: World, request: Request) -> Standing:
        version = world.get(request.version)
        return Standing(
            request,
            self.store.approvals.rulings(request.request_id),
            subject_of(self.tracking, version),
            world.stage(version),
            world.number,
            by_person=self.policy.approval == "four eyes",
        )

    def _staged(self, world: World, version: ModelVersion, reason: str) -> None:
        stage = world.stage(version)
        if stage == "staging" and STAGING in version.aliases:
            return
        if stage != "staging":
            after("stage", stage, version.number)
        acts.into_staging(self.tracking, version)
        told = {"stage": "staging", "version": subject_of(self.tracking, version).made_of()}
        self._record.line("stage", version.number, "allowed", reason, {"stage": stage}, told)

    def _there(
        self, world: World, version: ModelVersion, measured: Mapping[str, Any] | None, retraining: str | None
    ) -> Request | None:
        """Return the request for a version that can still lead to something; one without the new evidence makes way."""
        for request in reversed(self.store.approvals.of_version(version.name, version.number)):
            rulings = {ruling.step: ruling for ruling in self.store.approvals.rulings(request.request_id)}
            decided = rulings.get("decided")
            over = "used" in rulings or self.now >= void_at(request, decided) or request.expected != world.number
            if over or (decided and decided.decision != "approved"):
                continue
            if decided is not None or (retraining is not None and request.retraining == retraining):
                return request
            if not same_person(request.requester, self.actor.name):
                raise _waits(request)
            if measured is None:
                return request
            self._record.rule(request, "withdrawn", "asked again with other evidence", "withdraw")
        return None

    def _withdraw_own(self, version: ModelVersion, reason: str) -> None:
        """Take back the requests for a version that comes to its end, or refuse where one is somebody else's."""
        waiting = [
            request
            for request in self.store.approvals.open(self.now)
            if (request.model, request.version) == (version.name, version.number)
        ]
        for request in waiting:
            if not same_person(request.requester, self.actor.name):
                raise _waits(request)
        for request in waiting:
            self._record.rule(request, "withdrawn", reason, "withdraw")

    def _ask(
        self, world: World, version: ModelVersion, reason: str, measured: Mapping[str, Any], retraining: str | None
    ) -> Asked:
        subject = subject_of(self.tracking, version)
        expected = None if world.serving is None else subject_of(self.tracking, world.serving)
        verdict = judge(subject, expected, measured, self.policy)
        if verdict.outcome == "refuse":
            raise GatesRefuse(version.number, verdict)
        evidence = canonical(bundle(subject, expected, measured, verdict.as_dict()))
        request = Request(
            request_id=named(version.name, version.number, self.actor.name, self.now.isoformat(), evidence)[:12],
            at=self.now,
            model=version.name,
            version=version.number,
            label=version.label,
            expected=world.number,
            requester=self.actor.name,
            reason=reason,
            expires=self.now + dt.timedelta(hours=self.policy.expire_hours),
            evidence=evidence,
            evidence_digest=digest(evidence),
            retraining=retraining,
        )
        told = {"request": request.request_id, "evidence": request.evidence_digest, "gates": verdict.outcome}
        before = {"production": world.number, "stage": "staging"}
        entry = self._record.entry("request", version.number, "allowed", reason, before, told)
        self.store.approvals.ask(request, entry)
        return self._by_policy(request, verdict)

    def _by_policy(self, request: Request, verdict: Verdict) -> Asked:
        """Return the request with its ruling: the policy's own where every gate passes and that is enough."""
        rulings = self.store.approvals.rulings(request.request_id)
        decided = next((ruling for ruling in rulings if ruling.step == "decided"), None)
        if decided is None and verdict.outcome == "promote" and self.policy.approval == "automatic":
            decided = self._record.rule(request, "approved", "every gate passes", "approve", POLICY)
        return Asked(request, verdict, decided)

    def _into_service(
        self, world: World, version: ModelVersion, kind: Kind, reason: str, standing: Standing | None
    ) -> Promotion:
        """Move the alias, then write it down together with the audit entry and that the request is used up."""
        told = self._record.promotions()
        half_way = bool(told) and world.number == version.number
        replaced = told[-1].version if half_way else world.number
        acts.into_service(self.tracking, version, world.others(version), f"in service: {reason}")
        subject = subject_of(self.tracking, version)
        return self._record.promoted(subject, kind, replaced, reason, world.stage(version), standing)


def _waits(request: Request) -> AlreadyAsked:
    return AlreadyAsked(
        f"a request of {request.requester} for version {request.version} waits for an answer",
        value=request.request_id,
        next_step=f"oracle model approve {request.request_id} --reason ...",
    )
