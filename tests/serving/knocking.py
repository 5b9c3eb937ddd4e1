"""A door with tokens on a store of its own, and raw requests to it: headers may stand twice, bodies may never come."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI

from oracle.governance.access import ID_BYTES
from oracle.governance.roles import Actor
from oracle.serving.door import Door
from oracle.serving.gateway import Gateway
from oracle.serving.issue import Issuer, Made
from oracle.serving.replicas import guard
from oracle.serving.turned_away import TurnedAway
from oracle.settings import ServingSettings
from oracle.store import Store, embedded

Headers = Iterable[tuple[str, str]]
ADMIN = Actor("ann", frozenset({"admin"}))


class Digits:
    """Invented secrets: each once, and the same in every run."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, size: int) -> str:
        self._n += 1
        return f"{self._n:0{2 * size}x}"


@dataclass(frozen=True)
class Told:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        return str(orjson.loads(self.body)["error"]["kind"])


@dataclass
class Knocking:
    """Somebody at the door of a house with tokens."""

    store: Store
    turned_away: TurnedAway
    door: Any
    random: Digits = field(default_factory=Digits)

    @property
    def refresh(self) -> Any:
        return self.door._guard.access.refresh

    def issuer(self, at: dt.datetime | None = None, actor: Actor = ADMIN) -> Issuer:
        return Issuer(self.store, actor, at or dt.datetime.now(dt.UTC), self.random)

    def token(self, *scopes: str, name: str | None = None, **how: Any) -> Made:
        made = self.issuer(how.pop("at", None)).create(name or f"app {self.random(ID_BYTES)}", scopes, **how)
        self.refresh()
        return made

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: bytes = b"",
        *,
        headers: Headers = (),
        query: bytes = b"",
        never: bool = False,
    ) -> Told:
        """Return what the door says; `never`: the body does not arrive."""
        shown = [("authorization", f"Bearer {token}")] if token is not None else []
        sent = [("host", "oracle"), ("content-type", "application/json"), *shown, *headers]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in sent],
            "client": ("10.0.0.9", 5),
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
            "http_version": "1.1",
        }
        out: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if never:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            out.append(message)

        asyncio.run(self.door(scope, receive, send))
        told = {name.decode(): value.decode() for name, value in out[0]["headers"]}
        return Told(out[0]["status"], told, b"".join(each.get("body", b"") for each in out[1:]))

    def refusals(self) -> dict[tuple[str, str, str], int]:
        """Return how often each (kind, actor, target) stands in the audit trail."""
        self.turned_away.flush(whole=True)
        found: dict[tuple[str, str, str], int] = {}
        for link in self.store.audit.links(most=100_000):
            each = link.entry
            if each.action == "call":
                key = (each.reason or "", each.actor, each.target)
                found[key] = found.get(key, 0) + orjson.loads(each.after or "{}")["requests"]
        return found


@contextmanager
def knocking(folder: Path, gateway: Gateway, app: FastAPI, **settings: Any) -> Iterator[Knocking]:
    store = embedded(folder)
    away = TurnedAway(store.audit.append, replica="r", now=lambda: dt.datetime.now(dt.UTC))
    serving = ServingSettings(**settings)
    try:
        stands = guard(serving, store, away, lambda: 1)
        limit = serving.max_body_bytes
        door = Door(app, gateway, guard=stands, pseudonym=gateway.kit.pseudonym, max_body_bytes=limit)
        yield Knocking(store, away, door)
    finally:
        store.close()
