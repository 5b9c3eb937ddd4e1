"""The front door, in front of the HTTP application: who may come in, and the short way for cards.

A framework's routing and its request and response objects cost more than reading a card does, so `POST /v1/predict` is
answered here, by the rules of `oracle.serving.http`; everything else goes on to the application, which also describes
the contract. Speaks ASGI and knows no Ray.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from oracle.errors import OracleError
from oracle.serving.body import MalformedCard, Problem
from oracle.serving.caller import Tokens, read_caller
from oracle.serving.clock import Clock
from oracle.serving.gateway import Gateway
from oracle.serving.query import read_query
from oracle.serving.refusals import TooLarge, Unauthorised, refusal, unforeseen

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SEE_DOCS = "see /docs for every address and field"
PREDICT = "/v1/predict"
LOG = logging.getLogger("oracle.serving")


class _Gone(Exception):
    """The caller hung up before the body was whole."""


class Door:
    """An ASGI application in front of another.

    Args:
        app: Answers everything but cards.
        gateway: Answers cards.
        tokens: What has to be shown.
        pseudonym: What stands for a user's name.
        max_body_bytes: A larger card is refused with 413 while it arrives.
        clock: What requests may tell the time to, in a replay.
    """

    def __init__(
        self,
        app: App,
        gateway: Gateway,
        *,
        tokens: Tokens,
        pseudonym: Callable[[str], str],
        max_body_bytes: int,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._app, self._gateway = app, gateway
        self._tokens, self._pseudonym, self._limit = tokens, pseudonym, max_body_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        if not self._tokens.admit(scope["method"], path, scope["headers"]):
            await self._refused(_unauthorised(path), scope, receive, send)
            return
        try:
            self._clock.hear(scope["headers"])
        except MalformedCard as error:
            await self._refused(error, scope, receive, send)
            return
        if path == PREDICT and scope["method"] == "POST":
            await self._card(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _card(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            raw, headers = scope["query_string"], scope["headers"]
            query = read_query(raw)
            caller = read_caller(headers, self._pseudonym)
            body = await read_body(headers, receive, self._limit)
            said = await self._gateway.respond(body, query, raw, caller)
        except _Gone:
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer of the one shape
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


async def read_body(headers: Iterable[tuple[bytes, bytes]], receive: Receive, limit: int) -> bytes:
    """Return the body, refusing what is not plain JSON by its headers and what is too large while it arrives.

    Raises:
        MalformedCard: the content type or encoding is not one that is read.
        TooLarge: it is longer than the limit.
    """
    for name, value in headers:
        if name == b"content-type":
            kind = value.decode("latin-1").split(";")[0].strip().lower()
            if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
                raise _header("Content-Type", kind, "application/json")
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise _header("Content-Encoding", value.decode("latin-1"), "identity: send the body unpacked")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(
                "the body is too large", allowed=f"up to {limit} bytes", next_step="send one race per request"
            )
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _header(name: str, value: str, allowed: str) -> MalformedCard:
    return MalformedCard([Problem("BadHeader", f"{name} is not one that is read", name, value[:80], allowed, SEE_DOCS)])


def _unauthorised(path: str) -> Unauthorised:
    return Unauthorised(
        "this address needs a token",
        value=path[:160],
        allowed="Authorization: Bearer TOKEN",
        next_step="send the token of the setting serving.token, or for results serving.results_token",
    )
