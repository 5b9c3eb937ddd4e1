"""The tokens that count in a serving process: a snapshot of the store, and what it says to each request.

The snapshot is looked at again every second, on a thread of its own, so that a revocation is in force within seconds
whatever else keeps the process busy. While the store is away the last one stays in force, each token up to its own
end, and not for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from oracle.errors import BadInput, OracleError, Refused, Unavailable
from oracle.governance.access import Buckets, Known, Scope, Snapshot, Stranger, recognise, snapshot
from oracle.store import Store

EVERY = 1.0
"""Seconds between two looks at the store's tokens."""
FIRST_TOKEN = "oracle tokens create NAME --scope predict"


class Unauthorised(BadInput):
    """The request shows no token that counts. Whatever the reason, it says the same."""

    def __init__(self, path: str, stranger: Stranger) -> None:
        super().__init__(
            "this address needs a token",
            value=path[:160],
            allowed="Authorization: Bearer TOKEN",
            next_step=f"an admin makes one: {FIRST_TOKEN}",
        )
        self.stranger = stranger


class Forbidden(Refused):
    """The token counts, and not here."""

    def __init__(self, path: str, known: Known, scope: str) -> None:
        super().__init__(
            "the token may not do this", value=path[:160], allowed=f"a token of scope {scope}", next_step="docs/api.md"
        )
        self.known = known


class RateLimited(Refused):
    """The token has sent its requests for now."""

    def __init__(self, known: Known, wait: float) -> None:
        self.known, self.wait = known, max(1, round(wait + 0.5))
        super().__init__(
            "the token has sent its requests for now",
            allowed=f"{known.per_minute} a minute",
            next_step=f"wait {self.wait} s, or ask for a higher limit",
        )


class Access:
    """Says who may use the API; `admit` is called from one thread, `refresh` from another.

    Args:
        read: Reads the tokens of the store.
        stale_seconds: How long a snapshot counts when it cannot be taken again.
        peers: How many processes share the limits of each token.
        now: Seconds since 1970. Never a replay's: a token ends by the machine's clock.
        seconds: Seconds that only grow.
    """

    def __init__(
        self,
        read: Callable[[], Snapshot],
        *,
        stale_seconds: float = 86_400.0,
        peers: Callable[[], int] = lambda: 1,
        now: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._peers, self._now, self._seconds = read, peers, now, seconds
        self._stale = stale_seconds
        self._buckets = Buckets()
        self._snapshot: Snapshot | None = None
        self._fresh = 0.0
        self.trouble: OracleError | None = None
        """Why the tokens could not be read last; None where they were."""

    def refresh(self) -> None:
        """Read the tokens again; what fails is kept as `trouble`, and the last snapshot counts."""
        began = self._seconds()
        try:
            found = self._read()
        except OracleError as error:
            self.trouble = error
            return
        self._snapshot, self._fresh, self.trouble = found, began, None
        self._buckets.share = 1.0 / max(1, self._peers())

    def known(self, path: str, token: bytes | None, *, twice: bool = False) -> Known:
        """Return whose token it is.

        Raises:
            Unauthorised: it is nobody's, or no longer.
            Unavailable: the tokens have not been read, or not for too long.
        """
        held = self._held()
        if token is None:
            raise Unauthorised(path, Stranger("none"))
        if twice:
            raise Unauthorised(path, Stranger("twice"))
        found = recognise(held, token, self._now())
        if isinstance(found, Stranger):
            raise Unauthorised(path, found)
        return found

    def admit(self, path: str, token: bytes | None, scope: Scope | None, *, twice: bool = False) -> Known:
        """Return whose request it is, and count it against their limit.

        Args:
            path: What is asked for.
            token: As it was shown; None without one.
            scope: What the token must be good for; None for any.
            twice: Whether there was more than one.

        Raises:
            Unauthorised: it is nobody's, or no longer.
            Forbidden: it is of another scope.
            RateLimited: there were too many requests.
            Unavailable: the tokens have not been read, or not for too long.
        """
        found = self.known(path, token, twice=twice)
        if scope is not None and scope not in found.scopes:
            raise Forbidden(path, found, scope)
        wait = self._buckets.take(found.name, found.per_minute, self._seconds())
        if wait > 0.0:
            raise RateLimited(found, wait)
        return found

    @property
    def said(self) -> str:
        """How the access is kept, in words for the health."""
        held = self._snapshot
        if held is None:
            return "tokens: not read yet"
        return "tokens" if held.any_at(self._now()) else f"no token yet: {FIRST_TOKEN}"

    def _held(self) -> Snapshot:
        held = self._snapshot
        if held is None or self._seconds() - self._fresh > self._stale:
            what = "the tokens could not be read" + ("" if held is None else " for too long")
            raise Unavailable(what, next_step="the server's log and /v1/health say why the store does not answer")
        return held


class FromStore:
    """Reads the tokens of a store, in one cheap query where nothing has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mark: tuple[int, int] | None = None
        self._last = Snapshot()

    def __call__(self) -> Snapshot:
        """Return the snapshot of this moment.

        Raises:
            Unavailable: the store did not answer.
        """
        mark = self._store.tokens.mark()
        if mark != self._mark:
            self._last, self._mark = snapshot(self._store.tokens.all()), mark
        return self._last
