from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
from collections.abc import Iterator, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import Unavailable
from oracle.governance.audit import Entry, Link
from oracle.store import Store
from oracle.store.people import Grant
from oracle.tracking_server.attempt import Attempt
from oracle.tracking_server.door import GuardedASGI, GuardedWSGI
from oracle.tracking_server.flood import Flood
from oracle.tracking_server.gate import Gate
from oracle.tracking_server.guard import State
from oracle.tracking_server.identity import Claim, claimed
from tests.tracking_server.attempts import STATE

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SAM = {"authorization": "Basic c2FtOnB3", "content-type": "application/json"}
LOG = "/api/2.0/mlflow/runs/log-batch"
ALIAS = "/api/2.0/mlflow/registered-models/alias"
FILE = f"/api/2.0/mlflow-artifacts/artifacts/1/{'d' * 32}/artifacts/a"


class Known:
    """An identity that takes sam for sam."""

    def proves(self, claim: Claim | None) -> bool:
        return claim == ("sam", "pw")


class Standing:
    """A state that may change, or not be there."""

    def __init__(self) -> None:
        self.states: list[State | Exception] = [STATE]

    def of(self, attempt: Attempt) -> State:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return state


class Server:
    """What stands behind the gate: it keeps what it was handed."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def wsgi(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        self.bodies.append(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        start(f"{self.status} Whatever", [])
        return [b"{}"]


class World:
    def __init__(self, store: Store) -> None:
        self.store, self.standing, self.server = store, Standing(), Server()
        count = itertools.count(1)
        self.gate = Gate(
            store,
            self.standing,  # type: ignore[arg-type]  # what the gate asks of them
            Known(),  # type: ignore[arg-type]
            now=lambda: NOW,
            new_id=lambda: f"e{next(count)}",
        )

    def send(self, method: str, path: str, *pieces: bytes, headers: dict[str, str] = SAM) -> int:
        """Return the status of a request whose body comes in pieces."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            "client": ("10.0.0.7", 1),
        }
        left, sent = list(pieces) or [b""], []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(GuardedASGI(self.server, self.gate)(scope, receive, send))
        return int(sent[0]["status"])

    @property
    def lines(self) -> list[Entry]:
        return [link.entry for link in self.store.audit.links()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(Store(f"sqlite:///{tmp_path / 'oracle.db'}")) as store:
        entry = Entry(entry_id="e0", at=NOW, actor="root", action="people add", target="sam", outcome="allowed")
        store.people.grant(Grant(grant_id="g", at=NOW, name="sam", roles="scientist", actor="root"), entry)
        yield World(store)


def batch(**more: object) -> bytes:
    return json.dumps({"run_id": "d" * 32, "metrics": [], **more}).encode()


def test_a_line_stands_before_the_server_is_asked(world: World) -> None:
    assert world.send("POST", LOG, batch()) == 200
    assert world.server.bodies == [batch()]
    told = world.lines[-1]
    assert (told.actor, told.address, told.action, told.outcome) == (
        "sam",
        "10.0.0.7",
        "mlflow run.log-batch",
        "allowed",
    )
    assert "body_sha256" in str(told.after)


def test_without_an_audit_nothing_is_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_entry: Entry) -> Link:
        raise Unavailable("our store did not answer")

    monkeypatch.setattr(world.store.audit, "append", broken)
    assert world.send("POST", LOG, batch()) == 503
    assert world.send("POST", ALIAS, b'{"name": "equine-oracle", "alias": "production", "version": "2"}') == 503
    assert world.server.bodies == []


def test_without_a_state_nothing_is_changed(world: World) -> None:
    world.standing.states = [RuntimeError("the registry is away")]
    assert world.send("POST", LOG, batch()) == 503
    assert world.server.bodies == []


def test_a_refusal_is_told_with_its_reason_and_what_stood_there(world: World) -> None:
    assert world.send("POST", ALIAS, b'{"name": "equine-oracle", "alias": "production", "version": "2"}') == 403
    told = world.lines[-1]
    assert (told.outcome, told.target, told.before) == (
        "refused",
        "equine-oracle/2/production",
        '{"alias": {"production": 1}, "version": {"aliases": ["candidate", "v1-0-1"], "number": 2, '
        '"tags": {"semver": "v1.0.1"}}}',
    )
    assert "approved request" in str(told.reason)


def test_what_an_object_became_is_a_second_line(world: World) -> None:
    body = b'{"name": "equine-oracle", "version": "3", "key": "note", "value": "mine"}'
    assert world.send("POST", "/api/2.0/mlflow/model-versions/set-tag", body) == 200
    ahead, done = world.lines[-2:]
    assert (ahead.outcome, done.outcome, done.entry_id) == ("allowed", "allowed", f"{ahead.entry_id}/answer")
    assert done.after == '{"tag": {"note": null}}'


def test_what_mlflow_refused_is_told_too(world: World) -> None:
    world.server.status = 404
    assert world.send("POST", LOG, batch()) == 404
    assert [line.outcome for line in world.lines[-2:]] == ["allowed", "refused"]
    world.server.status = 500
    assert world.send("POST", LOG, batch()) == 500
    assert world.lines[-1].outcome == "failed"


def test_a_stranger_is_told_by_the_name_that_was_claimed(world: World) -> None:
    assert world.send("POST", LOG, batch(), headers={**SAM, "authorization": "Basic YW5uOnB3"}) == 401
    assert world.send("POST", LOG, batch(), headers={"content-type": "application/json"}) == 401
    assert [line.actor for line in world.lines[-2:]] == ["(unauthenticated) ann", "(unauthenticated)"]


def test_a_flood_of_strangers_is_counted_and_not_written_down_one_by_one(world: World) -> None:
    for _ in range(130):
        world.send("POST", LOG, batch(), headers={})
    assert len(world.lines) == 121


def test_a_flood_tells_how_many_were_left_out() -> None:
    flood = Flood(most=2)
    assert [flood.more("a", NOW) for _ in range(4)] == [0, 0, None, None]
    assert flood.more("b", NOW) == 0
    assert flood.more("a", NOW + dt.timedelta(minutes=1)) == 2


def test_an_upload_that_began_before_a_version_was_staged_does_not_end_after_it(world: World) -> None:
    version = STATE.versions[3]
    frozen = State(
        model=STATE.model,
        versions={3: type(version)(3, "d" * 32, "", {"lifecycle": "staging"})},
    )
    world.standing.states = [STATE, frozen]
    assert world.send("PUT", FILE, b"first", b"second") == 403
    assert world.server.bodies == []


def test_an_upload_is_handed_on_whole_and_known_by_its_digest(world: World) -> None:
    pieces = (b"x" * 3_000_000, b"", b"y" * 2_000_000)
    assert world.send("PUT", FILE, *pieces) == 200
    assert world.server.bodies == [b"".join(pieces)]
    assert "body_sha256" in str(world.lines[-1].after)


def test_a_read_passes_as_it_came(world: World) -> None:
    assert world.send("POST", "/api/2.0/mlflow/runs/search", b'{"a": 1, "a": 2}', headers={}) == 200
    assert len(world.lines) == 1


def test_a_moved_root_is_refused(world: World) -> None:
    environ: dict[str, Any] = {
        **{"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/api/2.0/mlflow", "PATH_INFO": "/runs/log-batch"},
        **{"HTTP_AUTHORIZATION": SAM["authorization"], "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": "0"},
    }
    said: list[str] = []
    GuardedWSGI(world.server.wsgi, world.gate)(environ, lambda status, _headers: said.append(status))
    assert said == ["400 Bad Request"]


def test_a_websocket_is_closed(world: World) -> None:
    sent: list[Any] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(GuardedASGI(world.server, world.gate)({"type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic !!!", "Bearer c2FtOnB3", "Basic c2Ft", "Basic OnB3", "Basic /w=="]
)
def test_a_header_that_names_nobody_names_nobody(header: str | None) -> None:
    assert claimed(header) is None
