"""The front door, in front of the HTTP application: who may come in, and the short way for cards.

What is too large, shows no token that counts or asks for what there is not goes no further than here, and is counted
for the audit trail. A framework's routing and its request and response objects cost more than reading a card does, so
`POST /v1/predict` is answered here, by the rules of `oracle.serving.http`; everything else goes on to the application,
which also describes the contract. Speaks ASGI and knows no Ray.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from oracle.errors import OracleError
from oracle.serving.access import Access, Forbidden, RateLimited, Unauthorised
from oracle.serving.addresses import HEALTH, NOWHERE, PREDICT, Address, address, methods, name
from oracle.serving.caller import read_caller
from oracle.serving.clock import Clock, ToldTheTime
from oracle.serving.gateway import Gateway
from oracle.serving.head import AddressTooLong, Head, HeadersTooLarge, RequestLimits, peer, read_head
from oracle.serving.health import CALLER, HealthCaller
from oracle.serving.incoming import App, Bounded, Gone, Message, Receive, Send, read_body, too_large
from oracle.serving.query import read_query
from oracle.serving.refusals import NoSuchAddress, TooLarge, TooSlow, refusal, unforeseen
from oracle.serving.turned_away import NOBODY, TurnedAway, Who

LOG = logging.getLogger("oracle.serving")
TURNED_AWAY = (
    *(Unauthorised, Forbidden, RateLimited, NoSuchAddress),
    *(TooLarge, TooSlow, AddressTooLong, HeadersTooLarge, ToldTheTime),
)
"""Refusals that the audit trail tells of; what is wrong with a card is between the caller and us."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands at the door."""

    access: Access | None = None
    """Who may come in; None: everybody who reaches us."""
    turned_away: TurnedAway | None = None
    """Is told of those who may not."""
    limits: RequestLimits = field(default_factory=RequestLimits)
    behind: bool = False
    """Whether HAProxy stands before us and says where a request came from."""


class Door:
    """An ASGI application in front of another.

    Args:
        app: Answers everything but cards.
        gateway: Answers cards.
        guard: What stands at the door.
        pseudonym: What stands for a user's name.
        max_body_bytes: A larger card is refused with 413 while it arrives.
        clock: What requests may tell the time to, in a replay.
    """

    def __init__(
        self,
        app: App,
        gateway: Gateway,
        *,
        guard: Guard,
        pseudonym: Callable[[str], str],
        max_body_bytes: int,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._app, self._gateway = app, gateway
        self._guard, self._pseudonym, self._limit = guard, pseudonym, max_body_bytes
        self._seconds = guard.limits.body_seconds

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        place = address(scope["method"], path)
        try:
            self._let_in(scope, path, place)
        except OracleError as error:
            self._note(error, scope, path)
            await self._refused(error, scope, receive, send)
            return
        if place is PREDICT:
            await self._card(scope, receive, send)
            return

        def broken(error: TooLarge | TooSlow) -> None:
            self._note(error, scope, path)

        await self._app(scope, Bounded(receive, place.cards * self._limit, self._seconds, broken), send)

    def _let_in(self, scope: Message, path: str, place: Address) -> None:
        """Return silently if the request may go on."""
        head = read_head(scope, self._guard.limits)
        if self._guard.access is not None:
            self._admit(self._guard.access, scope, path, place, head)
        if place is NOWHERE:
            raise NoSuchAddress(scope["method"], path, methods(path))
        limit = place.cards * self._limit
        if (head.length or 0) > limit or (head.chunked and not limit):
            raise too_large(limit)
        if head.told is not None:
            self._clock.hear(head.told)

    def _admit(self, access: Access, scope: Message, path: str, place: Address, head: Head) -> None:
        if place.token:
            access.admit(path, head.token, place.scope, twice=head.twice)
        elif place is HEALTH:
            known = None if head.token is None else access.known(path, head.token, twice=head.twice)
            scope[CALLER] = HealthCaller(access.said, known is not None and "admin" in known.scopes)

    async def _card(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            raw, headers = scope["query_string"], scope["headers"]
            query = read_query(raw)
            caller = read_caller(headers, self._pseudonym)
            body = await read_body(headers, receive, self._limit, self._seconds)
            said = await self._gateway.respond(body, query, raw, caller)
        except Gone:
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer of the one shape
            self._note(error, scope, "/v1/predict")
            await self._refused(error, scope, receive, send)
            return
        length = str(len(said)).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", length)],
            }
        )
        await send({"type": "http.response.body", "body": said})

    def _note(self, error: Exception, scope: Message, path: str) -> None:
        """Count somebody who is turned away."""
        if self._guard.turned_away is None or not isinstance(error, TURNED_AWAY):
            return
        kind, actor = type(error).__name__, NOBODY
        if isinstance(error, Unauthorised):
            kind = f"{kind}: {error.stranger.cause}"
            actor = NOBODY if error.stranger.name is None else f"token {error.stranger.name}"
        elif isinstance(error, Forbidden | RateLimited):
            actor = f"token {error.known.name}"
        where = peer(scope, behind=self._guard.behind)
        self._guard.turned_away.note(Who(kind, actor, where, name(scope["method"], path)))

    async def _refused(self, error: Exception, scope: Message, receive: Receive, send: Send) -> None:
        if not isinstance(error, OracleError):
            LOG.error("a card could not be answered", exc_info=error)
        response = refusal(error) if isinstance(error, OracleError) else unforeseen(error)
        tally = self._gateway.kit.tally
        if response.status_code >= 500:
            version = self._gateway.model.version if self._gateway.model else ""
            tally.count("oracle_errors", "control", version, type(error).__name__)
        else:
            tally.count("oracle_refusals", str(response.status_code))
        await response(scope, receive, send)
