"""Our own routes on the server: what is asked is read strictly, done by the authority in this process, and answered.

`POST /api/2.0/oracle/<verb>` acts, `GET` tells. Who asks is who MLflow's authentication let in; what they may do stands
in our store. Whoever approves must be somebody else than who asked, and also nobody whom the asker could have made up:
not with roles that the asker granted, and not on an account whose password another person set within a day.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from oracle.errors import BadInput, OracleError, Refused, Unavailable
from oracle.governance.audit import Entry, Outcome
from oracle.governance.consent import same_person
from oracle.governance.roles import Actor, Role
from oracle.registry import people as granting
from oracle.registry.authority import RESERVED, Authority, LocalAuthority
from oracle.settings import Settings
from oracle.store import Store
from oracle.tracking.connection import Tracking
from oracle.tracking_server.users import Users

HELD_HOURS = 24
"""Hours for which nobody approves on an account whose password somebody else has set."""
MOST = 1000

Words = Annotated[str, Field(min_length=1, max_length=2000)]
Number = Annotated[int, Field(ge=1)]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Stage(_Wish):
    """A version is to prove itself."""

    version: Number
    reason: Words


class Request(_Wish):
    """A version is to go into service."""

    version: Number
    reason: Words
    measured: dict[str, Any] | None = None
    expected: Number | None = None
    retraining: Words | None = None


class Decide(_Wish):
    """What is said to a request."""

    request_id: Words
    reason: Words


class Promote(_Wish):
    """An approved request is to be carried out."""

    request_id: Words


class Rollback(_Wish):
    """A version that has served is to serve again."""

    version: Number | None = None
    reason: Words


class First(_Wish):
    """A version is to serve where none ever did."""

    version: Number


class Close(_Wish):
    """A version is not to be promoted any more."""

    version: Number
    move: Literal["reject", "retire"]
    reason: Words


class Person(_Wish):
    """Somebody is to hold these roles and no others; none for somebody who leaves."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")]
    roles: tuple[Role, ...]
    password: Annotated[SecretStr, Field(min_length=12, max_length=200)] | None = None


VERBS: Mapping[str, tuple[type[_Wish], Callable[[Authority, Any], object]]] = {
    "stage": (Stage, lambda a, w: a.stage(w.version, w.reason)),
    "request": (
        Request,
        lambda a, w: a.request(
            w.version, reason=w.reason, measured=w.measured, expected=w.expected, retraining=w.retraining
        ),
    ),
    "approve": (Decide, lambda a, w: a.approve(w.request_id, w.reason)),
    "reject": (Decide, lambda a, w: a.reject(w.request_id, w.reason)),
    "withdraw": (Decide, lambda a, w: a.withdraw(w.request_id, w.reason)),
    "promote": (Promote, lambda a, w: a.promote(w.request_id)),
    "rollback": (Rollback, lambda a, w: a.rollback(w.version, reason=w.reason)),
    "first": (First, lambda a, w: a.first(w.version)),
    "close": (Close, lambda a, w: a.close(w.version, w.move, w.reason)),
}
"""What is done by the authority, as it is asked for."""


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to one of our routes."""

    status: int
    document: Any
    audited: bool = False
    """Whether the trail tells of it already."""


@dataclass(frozen=True)
class Acts:
    """What stands behind our routes; one per process."""

    settings: Settings
    tracking: Tracking
    store: Store
    users: Users
    policy: Any
    """`PromotionPolicy`."""
    new_id: Callable[[], str]

    def tell(self, verb: str, query: Mapping[str, str], actor: Actor, now: dt.datetime) -> Said:
        """Return what is asked by GET."""
        known: Mapping[str, tuple[frozenset[str], Callable[[Mapping[str, str]], Any]]] = {
            "about": (frozenset(), lambda _: self._about(actor)),
            "requests": (frozenset({"open"}), lambda q: self._requests(q, now)),
            "promotions": (frozenset(), lambda _: plain(self.store.promotions.all(self.tracking.model_name))),
            "people": (frozenset(), lambda _: plain(list(self.store.people.all().values()))),
            "audit": (frozenset({"after", "most"}), self._audit),
            "audit/head": (frozenset(), lambda _: plain(self.store.audit.head())),
        }
        try:
            names, answer = known[verb]
            if set(query) - names:
                raise BadInput("there is no such question", value=sorted(set(query) - names)[0], allowed=sorted(names))
            if verb != "about":
                actor.require("read")
            return Said(200, answer(query))
        except KeyError:
            return failure(BadInput("there is no such route", value=verb, allowed=sorted(known)), 404)
        except OracleError as error:
            return failure(error)

    def act(self, verb: str, body: bytes, actor: Actor, now: dt.datetime) -> Said:
        """Return what came of what is asked by POST."""
        try:
            if verb == "people":
                return self._person(_parsed(Person, body), actor, now)
            if verb not in VERBS:
                known = sorted([*VERBS, "people"])
                return failure(BadInput("there is no such route", value=verb, allowed=known), 404)
            kind, do = VERBS[verb]
            wish = _parsed(kind, body)
        except BadInput as error:
            return failure(error)
        if verb in ("approve", "reject", "rollback"):
            objection = self._objection(verb, wish, actor, now)
            if objection is not None:
                self._line(verb, getattr(wish, "request_id", "-"), "refused", str(objection), actor, now)
                return failure(objection, audited=True)
        authority = LocalAuthority(self.tracking, self.store, self.policy, actor, now)
        try:
            return Said(200, {"done": plain(do(authority, wish))}, audited=True)
        except OracleError as error:
            return failure(error, audited=True)

    def _objection(self, verb: str, wish: Any, actor: Actor, now: dt.datetime) -> OracleError | None:
        """Say why somebody may not decide who holds the role."""
        since = now - dt.timedelta(hours=HELD_HOURS)
        for entry in self.store.audit.about(actor.name, SET_BY_OTHERS, since):
            if entry.actor != actor.name and entry.outcome == "allowed":
                return Refused(
                    f"{entry.actor} set the password of {actor.name} at {entry.at:%Y-%m-%d %H:%M} UTC",
                    value=actor.name,
                    allowed=f"an approver whose password nobody else has set for {HELD_HOURS} hours",
                    next_step=f"another approver decides, or {actor.name} after "
                    f"{entry.at + dt.timedelta(hours=HELD_HOURS):%Y-%m-%d %H:%M} UTC",
                )
        if verb != "approve":
            return None
        request, grant = self.store.approvals.get(wish.request_id), self.store.people.all().get(actor.name)
        if request is not None and grant is not None and same_person(grant.actor, request.requester):
            return Refused(
                f"{actor.name} holds the role by {grant.actor}, who asks",
                value=actor.name,
                allowed="an approver whom somebody else than the requester made one",
            )
        return None

    def _about(self, actor: Actor) -> dict[str, Any]:
        return {
            "governed": True,
            "model": self.tracking.model_name,
            "alias": self.tracking.alias,
            "approval": self.settings.governance.approval,
            "actor": actor.name,
            "roles": sorted(actor.roles),
        }

    def _requests(self, query: Mapping[str, str], now: dt.datetime) -> Any:
        found = self.store.approvals.open(now) if query.get("open") else self.store.approvals.latest(MOST)
        return [{"request": plain(r), "rulings": plain(self.store.approvals.rulings(r.request_id))} for r in found]

    def _audit(self, query: Mapping[str, str]) -> Any:
        after, most = _whole(query, "after", 0), _whole(query, "most", MOST)
        return plain(self.store.audit.links(after, min(most, MOST)))

    def _person(self, wish: Person, actor: Actor, now: dt.datetime) -> Said:
        try:
            password = self._account(wish, actor, now)
        except OracleError as error:
            self._line("people", f"people/{wish.name}", "refused", str(error), actor, now)
            return failure(error, audited=True)
        try:
            made = granting.grant(self.store, actor, wish.name, wish.roles, now, RESERVED)
        except OracleError as error:
            return failure(error, audited=True)
        return Said(200, {"done": plain(made), "password": None if wish.password else password}, audited=True)

    def _account(self, wish: Person, actor: Actor, now: dt.datetime) -> str | None:
        """Make an account where there is none, and return its password."""
        actor.require("people")
        if any(same_person(wish.name, each) for each in RESERVED):
            raise BadInput("the name is no person's", value=wish.name, next_step="choose another name")
        there = self.users.has(wish.name)
        if there and wish.password is not None:
            raise BadInput(
                "the account is there already, and keeps its password",
                value=wish.name,
                next_step="leave the password out, or reset it: PATCH /api/2.0/mlflow/users/update-password",
            )
        if there or not wish.roles:
            return None
        password = wish.password.get_secret_value() if wish.password else secrets.token_urlsafe(18)
        # an account that is made anew under a known name could be anybody's
        verb = REMADE if wish.name in self.store.people.all() else "user made"
        self._line(verb, wish.name, "allowed", None, actor, now)
        self.users.add(wish.name, password)
        return password

    def _line(
        self, verb: str, target: str, outcome: Outcome, reason: str | None, actor: Actor, now: dt.datetime
    ) -> None:
        self.store.audit.append(
            Entry(
                entry_id=self.new_id(),
                at=now,
                actor=actor.name,
                address=actor.address,
                action=verb,
                target=target,
                outcome=outcome,
                reason=reason,
            )
        )


REMADE = "user made anew"
SET_BY_OTHERS = ("mlflow user.password", "mlflow user.create", REMADE)
"""Acts after which somebody else than its owner may know an account's password."""


def _parsed(kind: type[Any], body: bytes) -> Any:
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise BadInput(f"{where}: {first['msg']}", allowed=sorted(kind.model_fields)) from error


def _whole(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit()):
        raise BadInput(f"{name} is a whole number", value=text)
    return int(text)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def plain(value: object) -> Any:
    """Return a value of ours as plain values of JSON."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    kind: Any = type(value)
    return None if value is None else _adapter(kind).dump_python(value, mode="json")


def failure(error: OracleError, status: int | None = None, *, audited: bool = False) -> Said:
    """Return the answer that tells of an error: MLflow's shape, and ours inside."""
    kinds: tuple[tuple[type[OracleError], int, str], ...] = (
        (Refused, 403, "PERMISSION_DENIED"),
        (BadInput, 400, "INVALID_PARAMETER_VALUE"),
        (Unavailable, 503, "TEMPORARILY_UNAVAILABLE"),
    )
    found = next(((s, c) for kind, s, c in kinds if isinstance(error, kind)), (500, "INTERNAL_ERROR"))
    told = {"error_code": found[1], "message": str(error), "oracle": error.as_dict()}
    return Said(status or found[0], told, audited)
