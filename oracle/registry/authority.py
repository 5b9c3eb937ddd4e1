"""Who moves the versions of the model: the one door to a promotion, wherever it is exercised.

Embedded, the acts are done by this process with the registry's database and our store. Where MLflow is a server that
governs, they are asked of the server, which alone holds the keys. Both keep the same rules and leave the same record;
whoever calls does not see which it is.
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from oracle.errors import BadSetting
from oracle.governance.approval import Promotion, Ruling
from oracle.governance.gates import Asked, PromotionPolicy
from oracle.governance.roles import POLICY, ROLES, Actor, Role
from oracle.registry.local import LOCK, LocalAuthority
from oracle.registry.record import FOUND
from oracle.registry.remote import RemoteAuthority, governs
from oracle.registry.versions import ModelVersion
from oracle.settings import Settings
from oracle.store import Store
from oracle.tracking.connection import Tracking

RETRAINING = Actor("retraining", frozenset({"scientist"}))
"""Who asks for what a retraining made: so whoever started it may approve it."""
RESERVED = frozenset({POLICY, RETRAINING.name, FOUND})
"""Names that are no person's."""


class Authority(Protocol):
    """What can be done to a version. Each act raises what `LocalAuthority` says it raises, and is audited."""

    def stage(self, version: int, reason: str) -> ModelVersion:
        """Let a version prove itself, and return it."""
        ...

    def request(
        self,
        version: int,
        *,
        reason: str,
        measured: Mapping[str, Any] | None = None,
        expected: int | None = None,
        retraining: str | None = None,
    ) -> Asked:
        """Ask that a version goes into service, and return the request with what the gates and the policy say."""
        ...

    def approve(self, request_id: str, reason: str) -> Ruling:
        """Say yes to somebody else's request, and return the ruling; `promote` carries it out."""
        ...

    def reject(self, request_id: str, reason: str) -> Ruling:
        """Say no to a request, and return the ruling."""
        ...

    def withdraw(self, request_id: str, reason: str) -> Ruling:
        """Take one's own request back, and return the ruling."""
        ...

    def promote(self, request_id: str) -> Promotion:
        """Carry an approved request out, once, and return the promotion."""
        ...

    def rollback(self, version: int | None = None, *, reason: str) -> Promotion:
        """Bring back a version that has served, by default the one before, and return the promotion."""
        ...

    def first(self, version: int) -> Promotion | None:
        """Let a version serve where none ever did and the policy allows it; else return None."""
        ...

    def close(self, version: int, move: Literal["reject", "retire"], reason: str) -> ModelVersion:
        """Say how a version ended that never came into service, and return it."""
        ...


def of(
    settings: Settings, tracking: Tracking, store: Store, now: dt.datetime, actor: Actor | str | None = None
) -> Authority:
    """Return the authority over the model that the settings name: the server's, where one governs, else our own.

    Args:
        settings: The tree in force.
        tracking: The registry.
        store: Our store.
        now: The moment.
        actor: Who acts, where no server knows it, with or without roles; by default who the settings name, else the
            user of this machine.

    Raises:
        BadSetting: the name that acts is no person's, or the server does not know its user.
        Unavailable: the store, or the server, does not answer.
    """
    if governs(tracking.uri):
        return RemoteAuthority(tracking)
    who = actor if isinstance(actor, Actor) else actor_of(settings, store, actor)
    return LocalAuthority(tracking, store, policy_of(settings), who, now)


def policy_of(settings: Settings) -> PromotionPolicy:
    """Return when a version may go into service, by the settings; each limit is set where it is measured."""
    return PromotionPolicy(
        approval=settings.governance.approval,
        expire_hours=settings.governance.expire_hours,
        evidence=settings.candidate.evidence,
        min_ndcg_at_3=settings.gate.min_ndcg_at_3,
    )


def actor_of(settings: Settings, store: Store, name: str | None = None) -> Actor:
    """Return who acts and what they may do: embedded, a name is a claim that nobody proves.

    Where nobody was ever granted anything the user of the operating system holds every role.

    Raises:
        BadSetting: the name is no person's.
        Unavailable: the store does not answer.
    """
    user = getpass.getuser()
    who = name or settings.governance.actor or user
    if who.strip().casefold() in RESERVED:
        raise BadSetting(
            "the name is no person's", value=who, next_step="name a person: governance.actor (ORACLE_GOVERNANCE__ACTOR)"
        )
    return Actor(who, roles_of(store, who, user))


def roles_of(store: Store, name: str, user: str) -> frozenset[Role]:
    """Return the roles of a name: those granted, or all of them for the machine's user where nothing ever was."""
    if store.people.anybody():
        return store.people.roles(name)
    return frozenset(ROLES) if name == user else frozenset()


__all__ = ["LOCK", "RESERVED", "RETRAINING", "Authority", "LocalAuthority", "actor_of", "of", "policy_of", "roles_of"]
