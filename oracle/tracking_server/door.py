"""The gate before a whole server: outermost, so that no route and no other middleware stands before it.

MLflow runs as an ASGI application under uvicorn, which serves part of its API beside Flask, and as plain WSGI under
gunicorn and waitress. Both are wrapped alike. A body is read to its end before the gate judges, and MLflow is handed
what was judged: an upload that began before a version was staged cannot end after it.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import IO, Any, NamedTuple

from oracle.governance.roles import Actor
from oracle.tracking_server.attempt import Asked, is_file
from oracle.tracking_server.gate import AUDITED, Answer, Entered, Gate

LARGEST_DOCUMENT = 64 * 1024**2
LARGEST_FILE = 5 * 1024**3
IN_MEMORY = 8 * 1024**2
"""Bytes of an upload that are kept in memory; more goes to a file that goes with its process."""
CHUNK = 1024**2

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Start = Callable[..., Any]


class Body(NamedTuple):
    """A body that was read to its end."""

    stream: IO[bytes]
    size: int
    digest: str


class _TooLarge(Exception):
    """More came than is taken."""


class _Taking:
    """Takes a body piece by piece."""

    def __init__(self, most: int) -> None:
        self._most, self._size, self._hash = most, 0, hashlib.sha256()
        self._stream: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed with it

    def take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            self._stream.close()
            raise _TooLarge
        self._hash.update(piece)
        self._stream.write(piece)

    def done(self) -> Body:
        self._stream.seek(0)
        return Body(self._stream, self._size, self._hash.hexdigest())


def _judged(gate: Gate, asked: Asked, body: Body, actor: Actor) -> Entered | Answer | None:
    if is_file(asked, gate.prefix):
        return gate.enter(asked, actor, digest=body.digest)
    whole = Asked(asked.method, asked.path, asked.query, asked.headers, body.stream.read())
    body.stream.seek(0)
    return gate.enter(whole, actor)


def _before_body(gate: Gate, asked: Asked, address: str | None) -> Actor | Answer:
    """Return who asks; a file is judged before its first byte is taken, and again after its last."""
    actor = gate.knock(asked, address)
    if isinstance(actor, Answer) or not is_file(asked, gate.prefix):
        return actor
    said = gate.enter(asked, actor, ahead=False)
    return said if isinstance(said, Answer) else actor


class GuardedASGI:
    """An ASGI application behind the gate."""

    def __init__(self, app: Any, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _asked_of_scope(scope)
        if not self._gate.concerns(asked):
            await self._app(scope, receive, send)
            return
        await self._guarded(asked, scope, receive, send)

    async def _guarded(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope["client"][0] if scope.get("client") else None
        actor = await asyncio.to_thread(_before_body, self._gate, asked, address)
        if isinstance(actor, Answer):
            await _answer(send, actor)
            return
        most = LARGEST_FILE if is_file(asked, self._gate.prefix) else LARGEST_DOCUMENT
        try:
            body = await _taken(receive, most)
        except _TooLarge:
            await _answer(send, await asyncio.to_thread(self._gate.too_large, asked, actor, most))
            return
        if body is None:
            return
        with body.stream:
            entered = await asyncio.to_thread(_judged, self._gate, asked, body, actor)
            if isinstance(entered, Answer):
                await _answer(send, entered)
            elif entered is None:
                await self._app(scope, _replay(body, receive), send)
            else:
                await self._app(scope, _replay(body, receive), self._leaving(entered, send))

    def _leaving(self, entered: Entered, send: Send) -> Send:
        """Return a sender that writes down the answer before anybody hears it."""

        async def leave(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                name = AUDITED.encode()
                headers = list(message.get("headers", ()))
                audited = any(key.lower() == name for key, _ in headers)
                await asyncio.to_thread(self._gate.leave, entered, int(message["status"]), audited)
                message = {**message, "headers": [pair for pair in headers if pair[0].lower() != name]}
            await send(message)

        return leave


def _asked_of_scope(scope: Scope) -> Asked:
    headers: dict[str, str] = {}
    for key, value in scope.get("headers", ()):
        headers.setdefault(key.decode("latin-1").lower(), value.decode("latin-1"))
    path = (scope.get("root_path", "") and "/?") or scope["path"]  # a moved root would hide what a path means
    return Asked(scope["method"], path, scope.get("query_string", b"").decode("latin-1"), headers)


async def _taken(receive: Receive, most: int) -> Body | None:
    """Return the whole body; None where the client went away before its end."""
    taking = _Taking(most)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        taking.take(message.get("body", b""))
        if not message.get("more_body", False):
            return taking.done()


def _replay(body: Body, receive: Receive) -> Receive:
    left = [body.size]

    async def replay() -> MutableMapping[str, Any]:
        if left[0] < 0:
            return await receive()
        piece = body.stream.read(CHUNK)
        left[0] -= len(piece)
        more = left[0] > 0
        if not more:
            left[0] = -1
        return {"type": "http.request", "body": piece, "more_body": more}

    return replay


async def _answer(send: Send, answer: Answer) -> None:
    headers = [(key.encode(), value.encode()) for key, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


class GuardedWSGI:
    """A WSGI application behind the gate."""

    def __init__(self, app: Any, gate: Gate) -> None:
        self._app, self._gate = app, gate

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Serve one request."""
        asked = _asked_of_environ(environ)
        if not self._gate.concerns(asked):
            return self._app(environ, start)  # type: ignore[no-any-return]
        actor = _before_body(self._gate, asked, environ.get("REMOTE_ADDR"))
        if isinstance(actor, Answer):
            return _start_answer(start, actor)
        most = LARGEST_FILE if is_file(asked, self._gate.prefix) else LARGEST_DOCUMENT
        try:
            body = _taken_of(environ, most)
        except _TooLarge:
            return _start_answer(start, self._gate.too_large(asked, actor, most))
        entered = _judged(self._gate, asked, body, actor)
        if isinstance(entered, Answer):
            body.stream.close()
            return _start_answer(start, entered)
        environ |= {"wsgi.input": body.stream, "CONTENT_LENGTH": str(body.size), "wsgi.input_terminated": True}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        told = start if entered is None else self._leaving(entered, start)
        return _closing(self._app(environ, told), body.stream)

    def _leaving(self, entered: Entered, start: Start) -> Start:
        def leave(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            audited = any(key.lower() == AUDITED for key, _ in headers)
            self._gate.leave(entered, int(status.split(" ", 1)[0]), audited)
            return start(status, [pair for pair in headers if pair[0].lower() != AUDITED], *rest)

        return leave


def _closing(answer: Iterable[bytes], stream: IO[bytes]) -> Iterator[bytes]:
    """Yield an answer, and let go of the body that was asked with."""
    with stream:
        try:
            yield from answer
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()


def _asked_of_environ(environ: dict[str, Any]) -> Asked:
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for key, value in environ.items()
        if key.startswith("HTTP_") or key == "CONTENT_TYPE"
    }
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    moved = environ.get("SCRIPT_NAME", "")
    return Asked(environ["REQUEST_METHOD"], "/?" if moved else path, environ.get("QUERY_STRING", ""), headers)


def _taken_of(environ: dict[str, Any], most: int) -> Body:
    taking = _Taking(most)
    length = environ.get("CONTENT_LENGTH") or None
    left = None if environ.get("wsgi.input_terminated") and length is None else int(length or 0)
    while left is None or left > 0:
        piece = environ["wsgi.input"].read(CHUNK if left is None else min(CHUNK, left))
        if not piece:
            break
        left = None if left is None else left - len(piece)
        taking.take(piece)
    return taking.done()


def _start_answer(start: Start, answer: Answer) -> list[bytes]:
    words = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 413: "Content Too Large"}
    start(f"{answer.status} {words.get(answer.status, 'Service Unavailable')}", answer.headers)
    return [answer.body]
