"""Who may use the served API: tokens, the scope that each address asks for, and how many requests a minute.

A token is `eo_<id>_<secret>`; what is kept of it is a hash of id and secret. The secret has 256 random bits, so that a
plain SHA-256 cannot be guessed back. What a serving process holds of all tokens is a snapshot, which stays in force
while the store is away: the end of each token is in it. Pure.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from oracle.errors import BadInput

Scope = Literal["predict", "results", "events", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""No scope includes another one: a token that may tell results may not read predictions."""
MEANS: Mapping[Scope, str] = {
    "predict": "ask for predictions, read them again, list the models",
    "results": "tell results",
    "events": "tell what users did",
    "admin": "read what names people and the inside: lineage, the whole health",
}
Cause = Literal["none", "malformed", "twice", "unknown", "wrong secret", "expired", "revoked", "rotated"]
"""Why a caller is a stranger: for the audit trail, never for the caller."""

_SHAPE = re.compile(rb"eo_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)
ID_BYTES, SECRET_BYTES = 6, 32
_NOBODYS = "0" * 64
"""Compared with where there is no such token, so that the answer takes as long."""


class Issued(Protocol):
    """A token as it was made."""

    @property
    def token_id(self) -> str: ...  # noqa: D102 - the fields of `oracle.store.tokens.Token`
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def secret_hash(self) -> str: ...  # noqa: D102
    @property
    def scopes(self) -> str: ...  # noqa: D102
    @property
    def expires(self) -> dt.datetime: ...  # noqa: D102
    @property
    def per_minute(self) -> int: ...  # noqa: D102


class Ended(Protocol):
    """The end of a token before its time."""

    @property
    def change(self) -> Literal["revoked", "rotated"]: ...  # noqa: D102 - those of `oracle.store.tokens.TokenChange`
    @property
    def until(self) -> dt.datetime: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Known:
    """What a serving process knows of a token."""

    token_id: str
    name: str
    """Shared by a token and those it was rotated to, and with it their rate limit."""
    secret_hash: str
    scopes: frozenset[str]
    ends: float
    """Seconds since 1970 from which on it opens nothing."""
    cause: Cause
    """Why it opens nothing then."""
    per_minute: int


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody without a token that counts. All of them are told the same."""

    cause: Cause
    name: str | None = None
    """The token's, where it was proven to have been theirs."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every token as the store knew it at a moment, by its id."""

    tokens: Mapping[str, Known] = field(default_factory=dict)

    def any_at(self, now: float) -> bool:
        """Tell whether any token opens anything."""
        return any(known.ends > now for known in self.tokens.values())


def snapshot(issued: Iterable[tuple[Issued, Iterable[Ended]]]) -> Snapshot:
    """Return the snapshot of the tokens and what became of each."""
    return Snapshot({token.token_id: known(token, ends) for token, ends in issued})


def known(token: Issued, ends: Iterable[Ended]) -> Known:
    """Return what is to be known of a token: its earliest end counts."""
    moments: list[tuple[float, Cause]] = [(token.expires.timestamp(), "expired")]
    moments += [(end.until.timestamp(), end.change) for end in ends]
    at, cause = min(moments)
    scopes = frozenset(token.scopes.split())
    return Known(token.token_id, token.name, token.secret_hash, scopes, at, cause, token.per_minute)


def written(token_id: str, secret: str) -> str:
    """Return the token as its holder writes it.

    >>> len(written("0" * 12, "1" * 64))
    80
    """
    return f"eo_{token_id}_{secret}"


def secret_hash(token_id: str, secret: str) -> str:
    """Return what is kept of a secret: 64 hexadecimal digits, of no use for another id."""
    return hashlib.sha256(f"eo_{token_id}_{secret}".encode()).hexdigest()


def shown_by(header: bytes) -> bytes:
    """Return the token in an `Authorization` header; empty where it is not of the scheme Bearer.

    >>> shown_by(b"bearer abc"), shown_by(b"Basic abc"), shown_by(b"Bearer  abc")
    (b'abc', b'', b' abc')
    """
    scheme, _, token = header.partition(b" ")
    return token if scheme.lower() == b"bearer" else b""


def recognise(snapshot: Snapshot, token: bytes, now: float) -> Known | Stranger:
    """Return whose token it is.

    An unknown id and a wrong secret take the same time, and neither says which it was.

    Args:
        snapshot: What is known of tokens.
        token: As it was shown.
        now: Seconds since 1970.
    """
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        return Stranger("malformed")
    found = snapshot.tokens.get(shape[1].decode())
    expected = _NOBODYS if found is None else found.secret_hash
    same = hmac.compare_digest(hashlib.sha256(token).hexdigest(), expected)
    if found is None:
        return Stranger("unknown")
    if not same:
        return Stranger("wrong secret")
    return found if now < found.ends else Stranger(found.cause, found.name)


def scopes_of(words: Iterable[str]) -> tuple[Scope, ...]:
    """Return the scopes of these names, each once, in the house's order.

    Raises:
        BadInput: one is none, or there is none.
    """
    wanted = set(words)
    stray = sorted(wanted - set(SCOPES))
    if stray or not wanted:
        what = "there is no such scope" if stray else "a token needs a scope"
        raise BadInput(what, value=stray[0] if stray else None, allowed=SCOPES, next_step="name it with --scope")
    return tuple(scope for scope in SCOPES if scope in wanted)


class Buckets:
    """How many requests each name may still send: up to a minute's at once, refilled steadily.

    One for each process; used from one thread. `share` is the part of every limit that this process grants: there may
    be others that grant theirs.
    """

    def __init__(self, share: float = 1.0) -> None:
        self.share = share
        self._held: dict[str, tuple[float, float]] = {}

    def take(self, name: str, per_minute: int, now: float) -> float:
        """Take one request and return 0.0, or return the seconds to wait for it.

        Args:
            name: Whose bucket.
            per_minute: Its limit, over all processes.
            now: Seconds that only grow.
        """
        rate = per_minute * self.share / 60.0
        most = max(1.0, 60.0 * rate)
        level, at = self._held.get(name, (most, now))
        level = min(most, level + (now - at) * rate)
        if level < 1.0:
            self._held[name] = (level, now)
            return (1.0 - level) / rate
        self._held[name] = (level - 1.0, now)
        return 0.0
