"""The authority over a model's life where a server governs: everything is asked of the server, which holds the keys.

Who asks is who the credentials name (`MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, as for every other call
to the server). What the server refuses is raised here as the same error that an authority in this process raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from oracle.errors import BadSetting, OracleError, Unavailable
from oracle.governance.approval import Promotion, Request, Ruling
from oracle.governance.audit import Head, Link
from oracle.governance.gates import Asked
from oracle.governance.roles import Role
from oracle.registry.versions import ModelVersion, resolve
from oracle.store.people import Grant
from oracle.tracking.connection import Tracking, shown

T = TypeVar("T")

ROOT = "/api/2.0/oracle"
SECONDS = 30.0
"""How long the server may take to answer; somebody else may be promoting."""


@dataclass(frozen=True)
class Remote:
    """Asks the routes of ours on an MLflow server."""

    uri: str

    def tell(self, verb: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return what the server answers to a question.

        Raises:
            OracleError: the server refuses, or does not answer; as the class that it names.
        """
        return self._answer("GET", verb, params=dict(query or {}))

    def act(self, verb: str, wish: Mapping[str, Any]) -> Any:
        """Let the server do something, once, and return its whole answer.

        Raises:
            OracleError: the server refuses, or does not answer; as the class that it names.
        """
        return self._answer("POST", verb, json={k: v for k, v in wish.items() if v is not None})

    def _answer(self, method: str, verb: str, **more: Any) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        retries = None if method == "GET" else 0  # what acts is asked for once
        try:
            answer = http_request(  # type: ignore[no-untyped-call]  # MLflow has no types
                get_default_host_creds(self.uri),  # type: ignore[no-untyped-call]
                f"{ROOT}/{verb}",
                method,
                max_retries=retries,
                timeout=SECONDS,
                raise_on_status=False,
                **more,
            )
        except (MlflowException, OSError) as error:
            raise Unavailable(
                f"the MLflow server did not answer: {error}", value=shown(self.uri), next_step="start the server"
            ) from error
        if answer.status_code == 200:
            return answer.json()
        raise _error(answer.status_code, answer.text, self.uri)


def governs(uri: str) -> bool:
    """Return whether an MLflow server at an address governs its models; False for an address that is no server's.

    Raises:
        BadSetting: it does, and knows no such user.
        Unavailable: it does not answer.
    """
    if not uri.startswith(("http://", "https://")):
        return False
    try:
        return bool(Remote(uri).tell("about").get("governed"))
    except _NoSuchRoute:
        return False


@dataclass(frozen=True)
class RemoteAuthority:
    """Moves versions by asking the server; see `oracle.registry.authority.Authority`."""

    tracking: Tracking

    @property
    def remote(self) -> Remote:
        """The server."""
        return Remote(self.tracking.uri)

    def stage(self, version: int, reason: str) -> ModelVersion:
        """Let a version prove itself, and return it."""
        self.remote.act("stage", {"version": version, "reason": reason})
        return resolve(self.tracking, version)

    def request(
        self,
        version: int,
        *,
        reason: str,
        measured: Mapping[str, Any] | None = None,
        expected: int | None = None,
        retraining: str | None = None,
    ) -> Asked:
        """Ask that a version goes into service, and return the request with what the gates and the policy say."""
        wish = {"version": version, "reason": reason, "expected": expected, "retraining": retraining}
        told = None if measured is None else dict(measured)
        return _value(Asked, self._done("request", wish | {"measured": told}))

    def approve(self, request_id: str, reason: str) -> Ruling:
        """Say yes to somebody else's request, and return the ruling."""
        return _value(Ruling, self._done("approve", {"request_id": request_id, "reason": reason}))

    def reject(self, request_id: str, reason: str) -> Ruling:
        """Say no to a request, and return the ruling."""
        return _value(Ruling, self._done("reject", {"request_id": request_id, "reason": reason}))

    def withdraw(self, request_id: str, reason: str) -> Ruling:
        """Take one's own request back, and return the ruling."""
        return _value(Ruling, self._done("withdraw", {"request_id": request_id, "reason": reason}))

    def promote(self, request_id: str) -> Promotion:
        """Carry an approved request out, once, and return the promotion."""
        return _value(Promotion, self._done("promote", {"request_id": request_id}))

    def rollback(self, version: int | None = None, *, reason: str) -> Promotion:
        """Bring back a version that has served, and return the promotion."""
        return _value(Promotion, self._done("rollback", {"version": version, "reason": reason}))

    def first(self, version: int) -> Promotion | None:
        """Let a version serve where none ever did and the policy allows it; else return None."""
        done = self._done("first", {"version": version})
        return None if done is None else _value(Promotion, done)

    def close(self, version: int, move: Literal["reject", "retire"], reason: str) -> ModelVersion:
        """Say how a version ended that never came into service, and return it."""
        self.remote.act("close", {"version": version, "move": move, "reason": reason})
        return resolve(self.tracking, version)

    def requests(self) -> list[tuple[Request, list[Ruling]]]:
        """Return the latest requests with what was said to them, the last first."""
        told = self.remote.tell("requests")
        return [(_value(Request, each["request"]), _value(list[Ruling], each["rulings"])) for each in told]

    def people(self) -> list[Grant]:
        """Return the grant that counts for each name."""
        return _value(list[Grant], self.remote.tell("people"))

    def person(self, name: str, roles: Sequence[Role], password: str | None = None) -> tuple[Grant, str | None]:
        """Let somebody hold these roles and no others, and give them an account where they have none.

        Returns:
            The grant, and the password where the server made one up.
        """
        answer = self.remote.act("people", {"name": name, "roles": list(roles), "password": password})
        return _value(Grant, answer["done"]), answer["password"]

    def promotions(self) -> list[Promotion]:
        """Return the promotions of the model, the first first."""
        return _value(list[Promotion], self.remote.tell("promotions"))

    def audit(self, after: int = 0) -> Iterator[Link]:
        """Yield the links of the audit trail behind a position, the first first."""
        while True:
            links = _value(list[Link], self.remote.tell("audit", {"after": after}))
            yield from links
            if not links:
                return
            after = links[-1].position

    def head(self) -> Head:
        """Return how far the audit trail has come."""
        return _value(Head, self.remote.tell("audit/head"))

    def _done(self, verb: str, wish: Mapping[str, Any]) -> Any:
        return self.remote.act(verb, wish)["done"]


def _value(kind: type[T], told: Any) -> T:
    try:
        return TypeAdapter(kind).validate_python(told)
    except ValidationError as error:
        raise Unavailable("the MLflow server answered in a way that this release does not know") from error


class _NoSuchRoute(OracleError):
    """The server has no routes of ours."""


def _error(status: int, text: str, uri: str) -> OracleError:
    """Return the error that an answer tells of, as the class that the server named."""
    try:
        told = json.loads(text)
    except ValueError:
        told = {}
    ours = told.get("oracle") if isinstance(told, dict) else None
    if isinstance(ours, dict):
        return rebuilt(ours)
    if status == 401:
        return BadSetting(
            "the MLflow server does not know you",
            value=shown(uri),
            next_step="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )
    if status in (403, 404, 405):  # MLflow's own answer: a route of ours would have told of our error
        return _NoSuchRoute("the MLflow server does not govern", value=shown(uri))
    said = told.get("message", text[:200]) if isinstance(told, dict) else text[:200]
    return Unavailable(f"the MLflow server could not do it: {said}", value=f"{shown(uri)}: {status}")


def rebuilt(told: Mapping[str, Any]) -> OracleError:
    """Return the error that somebody wrote as a document, as its own class where this release has it.

    >>> type(rebuilt({"kind": "NoSuchModel", "message": "there is none"})).__name__
    'NoSuchModel'
    """
    kind = next((each for each in _families(OracleError) if each.__name__ == told.get("kind")), OracleError)
    error = kind.__new__(kind)
    OracleError.__init__(
        error,
        str(told.get("message", "the server refuses")),
        value=told.get("value"),
        allowed=told.get("allowed"),
        next_step=told.get("next_step"),
    )
    kept = dict(told)
    error.as_dict = lambda: kept  # type: ignore[method-assign]  # with what only its class knows to tell
    return error


def _families(kind: type[OracleError]) -> Iterator[type[OracleError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _families(child)
