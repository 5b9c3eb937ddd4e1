"""The body of a request as it arrives: up to so many bytes, within so many seconds, and never unpacked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from oracle.serving.body import MalformedCard, Problem
from oracle.serving.refusals import SEE_DOCS, TooLarge, TooSlow

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Gone(Exception):
    """The caller hung up before the body was whole."""


async def read_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Receive, limit: int, seconds: float | None = None
) -> bytes:
    """Return the body, refusing what is not plain JSON by its headers, what is too large and what takes too long.

    Args:
        headers: Of the request, names in lower case.
        receive: Gives the next part.
        limit: Bytes that it may have.
        seconds: Within which it has to be whole; None where somebody else sees to it.

    Raises:
        MalformedCard: the content type or encoding is not one that is read.
        TooLarge: it is longer than the limit.
        TooSlow: it was not whole in time.
        Gone: the caller hung up.
    """
    for name, value in headers:
        if name == b"content-type":
            kind = value.decode("latin-1").split(";")[0].strip().lower()
            if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
                raise _header("Content-Type", kind, "application/json")
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise _header("Content-Encoding", value.decode("latin-1"), "identity: send the body unpacked")
    try:
        async with asyncio.timeout(seconds):
            return await _whole(receive, limit)
    except TimeoutError:
        raise too_slow(seconds) from None


async def _whole(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


class Bounded:
    """Passes a body on, part by part, as far as it keeps the limits.

    Args:
        receive: Gives the next part.
        limit: Bytes that all parts may have.
        seconds: Within which the last one has to be here.
        refused: Is told of what breaks a limit.
    """

    def __init__(
        self, receive: Receive, limit: int, seconds: float, refused: Callable[[TooLarge | TooSlow], None]
    ) -> None:
        self._receive, self._limit, self._seconds, self._refused = receive, limit, seconds, refused
        self._until: float | None = None
        self._size = 0
        self._whole = False

    async def __call__(self) -> Message:
        """Return the next part.

        Raises:
            TooLarge: there are too many bytes.
            TooSlow: it took too long.
        """
        if self._whole:
            return await self._receive()
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            slow = too_slow(self._seconds)
            self._refused(slow)
            raise slow from None
        self._size += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._size > self._limit:
            large = too_large(self._limit)
            self._refused(large)
            raise large
        return message


def too_large(limit: int) -> TooLarge:
    """Return the refusal of a body."""
    allowed = f"up to {limit} bytes" if limit else "no body"
    return TooLarge("the body is too large", allowed=allowed, next_step="send one race per request")


def too_slow(seconds: float | None) -> TooSlow:
    """Return the refusal of a body that does not arrive."""
    return TooSlow("the body did not arrive in time", allowed=f"within {seconds} s", next_step="send it at once")


def _header(name: str, value: str, allowed: str) -> MalformedCard:
    return MalformedCard([Problem("BadHeader", f"{name} is not one that is read", name, value[:80], allowed, SEE_DOCS)])
