"""Who holds which role: granted by an admin, written down with its line of the audit trail, never taken out of the log.

Embedded, a role is a matter of order and not of safety: who can write the files can write anything. Where MLflow is a
server that governs, the same grants decide there who may do what.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress

from oracle.errors import BadInput, OracleError, Refused
from oracle.governance.audit import Entry, Outcome
from oracle.governance.consent import same_person
from oracle.governance.evidence import canonical
from oracle.governance.roles import Actor, Role, roles_of
from oracle.registry.record import named
from oracle.store import Grant, Store

LONGEST = 64


class LastAdmin(Refused):
    """Somebody has to remain who may say who is who."""


def grant(
    store: Store, actor: Actor, name: str, roles: Iterable[str], now: dt.datetime, reserved: Iterable[str] = ()
) -> Grant:
    """Let a person hold these roles and no others from now on, none for somebody who leaves; return the grant.

    The first grant of a store also writes down what the actor held until then: every role.

    Args:
        store: Where grants are kept.
        actor: Who grants.
        name: The person.
        roles: Names of roles.
        now: The moment.
        reserved: Names that are no person's.

    Raises:
        NotAllowed: the actor is no admin.
        BadInput: a role is none, or the name is no person's.
        LastAdmin: nobody would be left who may grant.
        Unavailable: the store did not answer.
    """
    try:
        with store.database.exclusive("people"):
            actor.require("people")
            held, there = roles_of(roles), store.people.all()
            _check_name(name, there, reserved)
            if "admin" not in held and there and not _admins(there) - {name}:
                raise LastAdmin(
                    "somebody has to remain an admin", value=name, next_step="make another person admin first"
                )
            if not there and not same_person(actor.name, name):
                _write(store, actor, actor.name, actor.roles, now)
            if not there and same_person(actor.name, name):
                held |= {"admin"}  # the first one cannot lock themself out
            return _write(store, actor, name, held, now)
    except (Refused, BadInput) as error:
        store.audit.append(_entry(store, actor, name, "refused", str(error), None, now))
        raise
    except OracleError as error:
        with suppress(OracleError):
            store.audit.append(_entry(store, actor, name, "failed", str(error), None, now))
        raise


def _admins(there: dict[str, Grant]) -> set[str]:
    return {name for name, grant in there.items() if "admin" in grant.held}


def _check_name(name: str, there: dict[str, Grant], reserved: Iterable[str]) -> None:
    if name != name.strip() or not name.isprintable() or not 0 < len(name) <= LONGEST:
        raise BadInput("that is no name", value=name, allowed=f"1 to {LONGEST} printable characters, no space around")
    if any(same_person(name, each) for each in reserved):
        raise BadInput("the name is no person's", value=name, next_step="choose another name")
    alike = next((each for each in there if each != name and same_person(each, name)), None)
    if alike is not None:
        raise BadInput("two names that differ in case only are one person's", value=name, allowed=alike)


def _write(store: Store, actor: Actor, name: str, roles: frozenset[Role], now: dt.datetime) -> Grant:
    before = store.people.roles(name)
    told = " ".join(sorted(roles))
    made = Grant(
        grant_id=named("grant", store.audit.head().position, name, told, now.isoformat()),
        at=now,
        name=name,
        roles=told,
        actor=actor.name,
    )
    texts = canonical({"roles": sorted(before)}), canonical({"roles": sorted(roles)})
    store.people.grant(made, _entry(store, actor, name, "allowed", None, texts, now))
    return made


def _entry(
    store: Store,
    actor: Actor,
    name: str,
    outcome: Outcome,
    reason: str | None,
    texts: tuple[str, str] | None,
    now: dt.datetime,
) -> Entry:
    target = f"people/{name[:LONGEST]}"
    before, after = (None, None) if texts is None else texts
    return Entry(
        entry_id=named(store.audit.head().position, actor.name, "people", target, outcome, after, now.isoformat()),
        at=now,
        actor=actor.name,
        address=actor.address,
        action="people",
        target=target,
        outcome=outcome,
        reason=reason,
        before=before,
        after=after,
    )
