"""Who asks: a user of MLflow's own store, by basic authentication, proven on every request and hashed once.

Checking a password costs tens of milliseconds on purpose. One that was right is remembered as a keyed digest together
with the hash it was checked against, so that a password that was changed, or a user who was deleted, is refused by
every process from the next request on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.datastructures import Authorization

KNOWN_TO_ALL = "password1234"
"""The password that MLflow once shipped; nobody comes in with it."""
REMEMBERED = 1000

Claim = tuple[str, str]


def claimed(header: str | None) -> Claim | None:
    """Return name and password of an Authorization header; None where it holds none.

    >>> claimed("Basic bWU6c2VjcmV0")
    ('me', 'secret')
    """
    scheme, _, rest = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon and name else None


class Identity:
    """Proves claims against MLflow's users."""

    def __init__(self, users: Any) -> None:
        """Take the store of users of MLflow's authentication, which must have been opened."""
        self._users = users
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def proves(self, claim: Claim | None) -> bool:
        """Return whether somebody is who they say.

        Raises:
            SQLAlchemyError: the database of users did not answer.
        """
        from mlflow.exceptions import MlflowException

        if claim is None or claim[1] == KNOWN_TO_ALL:
            return False
        name, password = claim
        try:
            kept = self._users.get_user(name).password_hash
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            _take_as_long(password)
            return False
        proof = hmac.digest(self._key, "\0".join((name, kept, password)).encode(), hashlib.sha256)
        if proof in self._right:
            return True
        if not self._users.authenticate_user(name, password):
            return False
        with self._lock:
            self._right[proof] = None
            while len(self._right) > REMEMBERED:
                self._right.popitem(last=False)
        return True


def _take_as_long(password: str) -> None:
    """Let a stranger wait as long as a wrong password does, so that names cannot be found out by the clock."""
    from werkzeug.security import check_password_hash

    check_password_hash(_somebody(), password)


@cache
def _somebody() -> str:
    from werkzeug.security import generate_password_hash

    return generate_password_hash(secrets.token_urlsafe(16))


_in_force: list[Identity] = []


def put_in_force(identity: Identity) -> None:
    """Let MLflow's own authentication ask this one; see `authorize`."""
    _in_force[:] = [identity]


def authorize() -> Authorization | Response:
    """Return who asks, for MLflow (its setting `authorization_function`), or its own answer to a stranger."""
    from flask import request
    from mlflow.server.auth import make_basic_auth_response

    given = request.authorization
    claim = claimed(request.headers.get("Authorization"))
    if given is None or claim is None or (given.username, given.password) != claim or not _in_force:
        return make_basic_auth_response()
    return given if _in_force[0].proves(claim) else make_basic_auth_response()
