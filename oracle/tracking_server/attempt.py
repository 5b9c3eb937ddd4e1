"""What a request to the server would do, read once and strictly, before MLflow reads it. Pure.

Two readers of one text may understand two things, and whoever finds such a text walks past a guard. So a request that
would change something is taken only in its plain form: a path that is written out, one spelling of each field, JSON
that is an object without repeated names, no values in the query. Anything else is at fault, and refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from oracle.tracking_server.routes import SAFE, Kind, Route, find

_VERSION = re.compile(r"/(?:ajax-)?api/\d+\.\d+(?P<rest>.*)")
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_STRANGE = re.compile(r"[%\\#?;\x00-\x1f\x7f]")
_OVERRIDES = frozenset(
    {"x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"}
)
"""Headers by which some servers would take a request for another one."""
_WORKSPACE = "x-mlflow-workspace"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    """As the router sees it: percent signs decoded once."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in small letters."""
    body: bytes = b""
    """Empty where `streamed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a request would do."""

    action: str
    kind: Kind | None
    """None for a mutating route that is not known."""
    fault: str | None = None
    """Why the request cannot be read in one way only."""
    values: tuple[str, ...] = ()
    """What stood in the path."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The body, names in small letters with underscores."""

    @property
    def mutating(self) -> bool:
        """Whether it would change something, or might."""
        return self.kind != "read" or self.fault is not None

    def text(self, *names: str) -> str:
        """Return the first of these fields that is there, as text; empty where none is."""
        return next((str(self.fields[name]) for name in names if self.fields.get(name) not in (None, "")), "")

    @property
    def run(self) -> str:
        """The run that it is about."""
        return self.text("run_id", "run_uuid")

    @property
    def logged_models(self) -> frozenset[str]:
        """The logged models that it would write to."""
        named = {self.values[0]} if self.kind == "logged model" and self.values else set()
        named |= {str(each["model_id"]) for each in self._rows("metrics", "models") if each.get("model_id")}
        if self.kind == "track" and self.text("model_id"):
            named.add(self.text("model_id"))
        return frozenset(named)

    def _rows(self, *names: str) -> list[Mapping[str, Any]]:
        found = [self.fields.get(name) for name in names]
        return [row for rows in found if isinstance(rows, list) for row in rows if isinstance(row, Mapping)]

    @property
    def tags(self) -> dict[str, str]:
        """The tags that something would be created with."""
        return {str(row.get("key")): str(row.get("value")) for row in self._rows("tags")}

    @property
    def path(self) -> str:
        """The place among the artifacts."""
        return self.values[0] if self.kind == "artifact" and self.values else self.text("path")

    @property
    def target(self) -> str:
        """What it is done to, as the audit trail names it."""
        if self.kind == "registry":
            parts = (self.text("name"), self.text("version"), self.text("alias"), self.text("key"))
            return "/".join(part for part in parts if part)
        if self.kind == "people":
            return self.text("username", "role_name", "role_id", "name", "id")
        if self.kind == "experiment":
            return self.text("experiment_id", "name")
        if self.kind == "artifact":
            return "/".join(part for part in (self.run, self.path) if part)
        return "/".join(self.values) or self.run or self.text("experiment_id", "name", "endpoint")


def read(asked: Asked, prefix: str = "") -> Attempt:
    """Return what a request would do.

    Args:
        asked: The request.
        prefix: The static prefix under which the server stands, without a slash at its end.

    >>> told = Asked("POST", "/api/2.0/mlflow/registered-models/alias", headers={"content-type": "application/json"},
    ...              body=b'{"name": "horses", "alias": "production", "version": "3"}')
    >>> read(told).action, read(told).target
    ('alias.set', 'horses/3/production')
    """
    method = asked.method.upper()
    rest = _rest(asked.path, prefix)
    route = find(method, rest)
    overriding = sorted(_OVERRIDES & asked.headers.keys())
    if overriding:
        return _faulty(route, asked, f"the header {overriding[0]} would make another request of it")
    if route is not None and route.kind == "read" and route.action != "graphql":
        return Attempt(action="read", kind="read")
    fault = _path_fault(asked)
    if fault or route is None or route.kind == "closed":
        return _faulty(route, asked, fault)
    if route.action == "graphql":
        return _graphql(asked)
    return _with_fields(route, asked)


def _rest(path: str, prefix: str) -> str:
    """Return the path behind prefix and version of the API."""
    if prefix and path.startswith(f"{prefix}/"):
        path = path[len(prefix) :]
    found = _VERSION.fullmatch(path)
    return (found["rest"] if found else path).removeprefix("/")


def _path_fault(asked: Asked) -> str | None:
    strange = _STRANGE.search(asked.path)
    if strange:
        return f"the path holds {strange[0]!r}"
    parts = asked.path.removeprefix("/").split("/")
    if "" in parts or "." in parts or ".." in parts:
        return "the path has an empty part, or one of dots"
    if _WORKSPACE in asked.headers:
        return "this server has no workspaces"
    return None


def _faulty(route: Route | None, asked: Asked, fault: str | None) -> Attempt:
    """Return an attempt that will be refused, under the name of what it looks like."""
    if route is None or route.kind == "closed":
        action = f"{asked.method.lower()} {asked.path}"[:200]
        return Attempt(action=action, kind=None if route is None else "closed", fault=fault)
    return Attempt(action=route.action, kind=route.kind, fault=fault, values=route.values)


_QUERIES = {"artifact.upload": frozenset({"run_uuid", "path"})}
_BYTES = ("artifact.put", "artifact.upload")
"""Whose body is a file, and no document."""


def streams(attempt: Attempt) -> bool:
    """Return whether the body of such a request is a file."""
    return attempt.action in _BYTES


def is_file(asked: Asked, prefix: str = "") -> bool:
    """Return whether a request, its body not yet read, brings a file."""
    route = find(asked.method.upper(), _rest(asked.path, prefix))
    return route is not None and route.action in _BYTES


def _with_fields(route: Route, asked: Asked) -> Attempt:
    fields: dict[str, Any] = {}
    fault: str | None = None
    try:
        given = _query(asked.query, _QUERIES.get(route.action, frozenset()), route)
        if route.action not in _BYTES and not (route.kind == "ours" and asked.method.upper() in SAFE):
            fields = _document(asked, route)
        fields |= given
    except _Fault as error:
        fault = str(error)
    return Attempt(action=route.action, kind=route.kind, fault=fault, values=route.values, fields=fields)


class _Fault(ValueError):
    """The request can be read in more than one way, or in none."""


def _query(query: str, allowed: frozenset[str], route: Route) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    if route.kind == "ours":
        return {}  # read by the route itself, as strictly
    if set(names) - allowed or len(names) != len(set(names)):
        raise _Fault("values stand in the query")
    values = dict(pairs)
    if any(_STRANGE.search(value) or ".." in value.split("/") for value in values.values()):
        raise _Fault("the query holds a path that is not written out")
    return values


def _document(asked: Asked, route: Route) -> dict[str, Any]:
    if not asked.body:
        return {}
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _Fault("the body is not of the type application/json")
    try:
        found = json.loads(asked.body.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _Fault(f"the body is no plain JSON: {error}") from error
    if not isinstance(found, dict):
        raise _Fault("the body is not one JSON object")
    if route.kind == "ours":
        return found
    return _snake(found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Fault("a name stands in the body twice")
    return found


def _snake(found: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one spelling: protobuf takes `runId` for `run_id`."""
    names: dict[str, Any] = {}
    for name, value in found.items():
        plain = _CAMEL.sub(r"_\1", name).lower()
        if plain in names:
            raise _Fault(f"the field {plain} is spelt in two ways")
        names[plain] = [_snake(v) if isinstance(v, dict) else v for v in value] if isinstance(value, list) else value
    return names


_QUOTED = re.compile(r'"""(?:\\"""|.)*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*', re.DOTALL)
_CHANGING = re.compile(r"\b(mutation|subscription)\b")


def _graphql(asked: Asked) -> Attempt:
    try:
        text = _document(asked, Route("graphql", "ours")).get("query")
    except _Fault as error:
        return Attempt(action="graphql", kind="closed", fault=str(error))
    if not isinstance(text, str):
        return Attempt(action="graphql", kind="closed", fault="there is no query")
    changing = _CHANGING.search(_QUOTED.sub(" ", text))
    if changing:
        return Attempt(action=f"graphql {changing[0]}", kind="closed")
    return Attempt(action="read", kind="read")


def folded(name: str) -> str:
    """Return a name as a reader may take it: the same for names that look alike.

    >>> folded("Equine\u2010Oracle\u200b") == folded("equine-oracle")
    True
    """
    plain = unicodedata.normalize("NFKC", name).casefold()
    kept = "".join(
        "-" if unicodedata.category(c) == "Pd" else c for c in plain if unicodedata.category(c)[0] not in "CZ"
    )
    return kept.strip().replace("_", "-")


def body_digest(body: bytes) -> str:
    """Return the SHA-256 of a body, by which the audit trail knows it again without keeping it."""
    return hashlib.sha256(body).hexdigest()
