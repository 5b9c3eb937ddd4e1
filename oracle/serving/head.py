"""The head of a request, read once: what is too much is refused before anything else is looked at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oracle.errors import BadInput
from oracle.governance.access import shown_by

PEER = "x-oracle-peer"
"""HAProxy writes here who connected to it, over whatever the caller wrote; see `haproxy.sh`."""

LOOKED_AT = frozenset({b"authorization", b"content-length", b"transfer-encoding", b"x-oracle-now"})


class AddressTooLong(BadInput):
    """Path or query are longer than any that are answered."""


class HeadersTooLarge(BadInput):
    """There are too many headers, or too long ones."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The most that a request may be."""

    headers: int = 64
    header_bytes: int = 8_192
    path: int = 1_024
    query: int = 1_024
    body_seconds: float = 10.0
    """Within which the whole body has to arrive."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the headers of a request say to the door."""

    token: bytes | None
    """As it was shown; None without one, and empty where it is not shown as a Bearer token."""
    twice: bool
    """Whether `Authorization` stands there more than once."""
    length: int | None
    """Bytes of the body that are announced; None where they are not."""
    chunked: bool
    told: bytes | None
    """`X-Oracle-Now`."""


def read_head(scope: Mapping[str, Any], limits: RequestLimits) -> Head:
    """Return the head of a request.

    Raises:
        AddressTooLong: path or query are too long.
        HeadersTooLarge: headers are.
    """
    if len(scope["path"]) > limits.path or len(scope["query_string"]) > limits.query:
        allowed = f"up to {limits.path} characters of path and {limits.query} of query"
        raise AddressTooLong("the address is too long", allowed=allowed, next_step="see /docs for every address")
    token = told = length = None
    twice = chunked = False
    size = count = 0
    for name, value in scope["headers"]:
        count += 1
        size += len(name) + len(value)
        if name not in LOOKED_AT:
            continue
        if name == b"authorization":
            twice = token is not None
            token = shown_by(value)
        elif name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 16 else None
        elif name == b"transfer-encoding":
            chunked = True
        else:
            told = value
    if count > limits.headers or size > limits.header_bytes:
        allowed = f"up to {limits.headers} headers of {limits.header_bytes} bytes in all"
        raise HeadersTooLarge(
            "the headers are too large", allowed=allowed, next_step="send only what docs/api.md names"
        )
    return Head(token, twice, length, chunked, told)


def peer(scope: Mapping[str, Any], *, behind: bool) -> str | None:
    """Return where a request came from.

    Args:
        scope: Of the request.
        behind: Whether HAProxy stands before us and says so.
    """
    if behind:
        for name, value in scope["headers"]:
            if name == PEER.encode():
                return str(value[:64].decode("latin-1"))
    client = scope.get("client")
    return None if not client else str(client[0])
