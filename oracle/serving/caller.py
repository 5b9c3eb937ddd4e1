"""Who asks: the pseudonym of a user, and the id of a request. Pure.

A user's name is never stored or logged: what is kept is a keyed hash of it. A request's id makes a repeated request
find the answer that was given: proxies repeat what they could not deliver.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oracle.experiment.assignment import MOST_KEY
from oracle.serving.body import MalformedCard, Problem

LONGEST_USER = 128
LONGEST_REQUEST_ID = 200

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says of the one who sent it."""

    user: str | None = None
    """Pseudonym."""
    request_id: str | None = None

    def prediction_id(self, query: bytes, body: bytes, key: bytes = b"") -> str | None:
        """Return the id of the answer to this request, 32 hex digits; None where the request has no id.

        The same id with another body or query is another request. The key keeps whoever reads the id from guessing what
        was masked in the request.
        """
        if self.request_id is None:
            return None
        said = hashlib.blake2b(self.request_id.encode(), digest_size=16, key=key[:MOST_KEY])
        said.update(b"\0" + query + b"\0" + body)
        return said.hexdigest()


NOBODY = Caller()


def read_caller(headers: Headers, pseudonym: Callable[[str], str]) -> Caller:
    """Return who asks.

    Args:
        headers: Of the request, names in lower case.
        pseudonym: What stands for a user's name.

    Raises:
        MalformedCard: a header is too long, or not text.
    """
    user = request_id = None
    for name, value in headers:
        if name == b"x-user-id":
            user = _text("X-User-Id", value, LONGEST_USER)
        elif name == b"x-request-id" and request_id is None:
            request_id = _text("X-Request-Id", value, LONGEST_REQUEST_ID)
    return Caller(None if user is None else pseudonym(user), request_id)


def _text(name: str, value: bytes, longest: int) -> str | None:
    try:
        text = value.decode("utf-8").strip()
    except UnicodeDecodeError:
        text = "\0"
    if len(text) > longest or not text.isprintable():
        # The value itself is not repeated: it may name a person.
        raise MalformedCard(
            [Problem("BadHeader", f"{name} is not one that is read", name, None, f"printable text, up to {longest}")]
        )
    return text or None
