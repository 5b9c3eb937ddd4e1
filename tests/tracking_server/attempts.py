"""Requests and states for the tests of the pure guard."""

from __future__ import annotations

import json

from oracle.governance.roles import Actor, Role
from oracle.tracking_server.attempt import Asked, Attempt, read
from oracle.tracking_server.guard import State, Verdict, Version, judge

JSON = {"content-type": "application/json"}
RUN, OTHER_RUN = "a" * 32, "b" * 32
MODEL, OTHER_MODEL = "m-" + "a" * 32, "m-" + "b" * 32

STATE = State(
    model="equine-oracle",
    versions={
        1: Version(
            1,
            RUN,
            MODEL,
            {"lifecycle": "production", "semver": "v1.0.0", "package_sha256": "0"},
            frozenset({"production", "v1-0-0"}),
        ),
        2: Version(2, OTHER_RUN, OTHER_MODEL, {"semver": "v1.0.1"}, frozenset({"candidate", "v1-0-1"})),
        3: Version(3, "c" * 32, "m-" + "c" * 32, {}, frozenset()),
    },
    experiments=frozenset({"1"}),
)


def asked(method: str, path: str, body: object = None, *, query: str = "", **headers: str) -> Asked:
    """Return a request with a JSON body."""
    text = b"" if body is None else json.dumps(body).encode()
    return Asked(method, path, query, {**JSON, **{k.replace("_", "-"): v for k, v in headers.items()}}, text)


def attempt(method: str, path: str, body: object = None, **more: str) -> Attempt:
    return read(asked(method, path, body, **more))


def said(
    method: str, path: str, body: object = None, *, roles: tuple[Role, ...] = ("scientist",), state: State = STATE
) -> Verdict:
    """Return what the guard says to a request of somebody with these roles."""
    return judge(attempt(method, f"/api/2.0/{path}", body), state, Actor("ann", frozenset(roles)))
