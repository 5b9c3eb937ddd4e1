"""Tokens are made, replaced and ended here: who may, what is kept, and the audit entry that goes with it.

A secret is returned once and kept nowhere: the store has its hash. Whoever may not is refused, and that is told of too.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from oracle.errors import BadInput, Refused
from oracle.governance.access import ID_BYTES, SECRET_BYTES, known, scopes_of, secret_hash, written
from oracle.governance.audit import Entry
from oracle.governance.roles import Actor, NotAllowed
from oracle.store import Store
from oracle.store.tokens import Token, TokenChange

MOST_DAYS, MOST_PER_MINUTE = 3_650, 10_000_000
_ID = re.compile(f"[0-9a-f]{{{2 * ID_BYTES}}}")
_NAME = re.compile(r"[\w.@+-][\w .@+-]{0,63}")

Facts = Mapping[str, object] | None
Random = Callable[[int], str]
"""Gives so many random bytes as hexadecimal digits."""


class NoSuchToken(BadInput):
    """There is no token of that id."""


class TokenEnded(Refused):
    """The token opens nothing any more."""


class NameTaken(Refused):
    """A token of that name still opens something."""


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was made."""

    token: Token
    text: str
    """What its holder shows. It is nowhere else: whoever loses it needs another."""

    def __repr__(self) -> str:
        """Return the token without its secret."""
        return f"Made({self.token.token_id})"


@dataclass(frozen=True, slots=True)
class Listed:
    """A token and what became of it."""

    token: Token
    ends: dt.datetime
    state: str
    """good, expired, revoked, rotated; `rotated` also while the grace lasts."""

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values; the hash of the secret is nobody's business."""
        token = self.token
        return {
            "id": token.token_id,
            "name": token.name,
            "scopes": token.scopes.split(),
            "per_minute": token.per_minute,
            "created": token.created.isoformat(),
            "created_by": token.created_by,
            "ends": self.ends.isoformat(),
            "state": self.state,
        }


class Issuer:
    """Makes, lists and ends the tokens of a store.

    Args:
        store: Where they are.
        actor: Who does it.
        now: The moment.
        random: Where secrets and ids come from.
    """

    def __init__(self, store: Store, actor: Actor, now: dt.datetime, random: Random) -> None:
        self._store, self._actor, self._now, self._random = store, actor, now, random

    def create(self, name: str, scopes: Iterable[str], *, days: float = 90.0, per_minute: int = 600) -> Made:
        """Make a token.

        Args:
            name: What it is for.
            scopes: What it opens.
            days: How long it is good for.
            per_minute: Requests a minute.

        Raises:
            BadInput: a name, a scope or a number is impossible.
            NotAllowed: the actor is no admin.
            NameTaken: there is a good token of that name.
        """
        self._allowed("create token", f"token {name[:64]}")
        if not _NAME.fullmatch(name):
            raise BadInput(
                "the name of a token is short and plain", value=name[:80], allowed="up to 64 letters, . @ + -"
            )
        if not 0 < days <= MOST_DAYS or not 0 < per_minute <= MOST_PER_MINUTE:
            value, allowed = (
                f"{days} days, {per_minute} a minute",
                f"up to {MOST_DAYS} days, {MOST_PER_MINUTE} a minute",
            )
            raise BadInput("a token needs an end and a limit", value=value, allowed=allowed)
        made = self._new(name, " ".join(scopes_of(scopes)), dt.timedelta(days=days), per_minute)
        with self._store.database.exclusive("tokens"):
            if any(listed.token.name == name and listed.ends > self._now for listed in self._listed()):
                raise NameTaken(
                    "there is a good token of that name",
                    value=name,
                    next_step="oracle tokens rotate ID, or another name",
                )
            self._store.tokens.add(made.token, self._entry("create token", made.token, after=_facts(made.token)))
        return made

    def everything(self) -> list[Listed]:
        """Return every token, the last first.

        Raises:
            NotAllowed: the actor is no admin.
        """
        self._actor.require("tokens")
        return self._listed()

    def revoke(self, token_id: str) -> Listed:
        """End a token at once; one that has ended stays ended.

        Raises:
            NoSuchToken: there is none of that id.
            NotAllowed: the actor is no admin.
        """
        self._allowed("revoke token", "token")
        found = self._find(token_id)
        if found.ends > self._now:
            change = TokenChange(
                token_id=token_id, at=self._now, change="revoked", actor=self._actor.name, until=self._now
            )
            entry = self._entry("revoke token", found.token, before={"ends": found.ends.isoformat()})
            self._store.tokens.end(change, entry)
        return self._find(token_id)

    def rotate(self, token_id: str, *, grace: dt.timedelta = dt.timedelta(hours=24)) -> Made:
        """Make a token like it with another secret; the old one is good for the grace, and no longer than before.

        Raises:
            NoSuchToken: there is none of that id.
            TokenEnded: it is not good any more, or was rotated already.
            NotAllowed: the actor is no admin.
        """
        self._allowed("rotate token", "token")
        if grace < dt.timedelta():
            raise BadInput("the grace lies in the past", value=str(grace), allowed="0 hours or more")
        with self._store.database.exclusive("tokens"):
            found = self._find(token_id)
            if found.state != "good":
                raise TokenEnded(
                    f"the token is {found.state}", value=token_id, next_step="oracle tokens list; oracle tokens create"
                )
            old = found.token
            made = self._new(old.name, old.scopes, old.expires - old.created, old.per_minute)
            until = min(old.expires, self._now + grace)
            change = TokenChange(token_id=token_id, at=self._now, change="rotated", actor=self._actor.name, until=until)
            before = {"id": token_id, "ends": until.isoformat()}
            entry = self._entry("rotate token", made.token, before=before, after=_facts(made.token))
            self._store.tokens.add(made.token, entry, instead_of=change)
        return made

    def _new(self, name: str, scopes: str, lasts: dt.timedelta, per_minute: int) -> Made:
        token_id, secret = self._random(ID_BYTES), self._random(SECRET_BYTES)
        token = Token(
            token_id=token_id,
            name=name,
            secret_hash=secret_hash(token_id, secret),
            scopes=scopes,
            created=self._now,
            created_by=self._actor.name,
            expires=self._now + lasts,
            per_minute=per_minute,
        )
        return Made(token, written(token_id, secret))

    def _listed(self) -> list[Listed]:
        return [self._state(token, changes) for token, changes in reversed(self._store.tokens.all())]

    def _state(self, token: Token, changes: tuple[TokenChange, ...]) -> Listed:
        found = known(token, changes)
        ends = dt.datetime.fromtimestamp(found.ends, dt.UTC)
        over = found.ends <= self._now.timestamp()
        return Listed(token, ends, found.cause if over or found.cause == "rotated" else "good")

    def _find(self, token_id: str) -> Listed:
        found = next((each for each in self._listed() if each.token.token_id == token_id), None)
        if found is None:
            # Whoever gives a whole token instead of its id must not find its secret in a log.
            shown = token_id if _ID.fullmatch(token_id) else None
            raise NoSuchToken("there is no token of that id", value=shown, next_step="oracle tokens list")
        return found

    def _allowed(self, action: str, target: str) -> None:
        try:
            self._actor.require("tokens")
        except NotAllowed as error:
            refused = Entry(
                entry_id=self._random(16),
                at=self._now,
                actor=self._actor.name,
                address=self._actor.address,
                action=action,
                target=target,
                outcome="refused",
                reason=error.what,
            )
            self._store.audit.append(refused)
            raise

    def _entry(self, action: str, token: Token, before: Facts = None, after: Facts = None) -> Entry:
        return Entry(
            entry_id=self._random(16),
            at=self._now,
            actor=self._actor.name,
            address=self._actor.address,
            action=action,
            target=f"token {token.token_id} {token.name}",
            outcome="allowed",
            before=json.dumps(before) if before else None,
            after=json.dumps(after) if after else None,
        )


def _facts(token: Token) -> dict[str, object]:
    return {
        "id": token.token_id,
        "scopes": token.scopes,
        "expires": token.expires.isoformat(),
        "per_minute": token.per_minute,
    }
