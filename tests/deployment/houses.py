"""The same house twice: embedded under one folder, and as production of its own; people act in either the same way."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import http.client
import json
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import typer

from oracle import settings
from oracle.cli.app import app
from oracle.deployment import down, up
from oracle.deployment.down import Down
from oracle.deployment.up import Up, Wish
from oracle.serving.replicas import ChallengerProcess, GatewayProcess
from oracle.serving.wiring import GatewayArgs, wire, with_key
from tests.serving.calls import call

FOLLOW = 1.0
"""Seconds between two looks of the app at the alias, here; 30 by default."""
PEOPLE: Mapping[str, str] = {"scientist": "scientist", "approver": "approver", "admin": "admin"}


@dataclass(frozen=True)
class Told:
    """What the app answered."""

    status: int
    document: Any


class House(Protocol):
    """Where the whole loop is played."""

    def become(self, person: str) -> None:
        """Let the commands that follow be somebody's."""
        ...

    def ask(self, method: str, path: str, document: Any = None, user: str | None = None) -> Told:
        """Ask the app."""
        ...


class Commands:
    """Runs commands of ours in this process and hands out their document."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured

    def __call__(self, *words: object) -> Any:
        """Run a command with --json and return its document; an error of ours is raised as itself."""
        self._captured.readouterr()
        with contextlib.suppress(typer.Exit):
            typer.main.get_command(app)(args=[*map(str, words), "--json"], standalone_mode=False)
        gc.collect()  # a command leaves its connections to the end of its process
        return json.loads(self._captured.readouterr().out)


class Embedded:
    """One folder, no server: a name is a claim."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        patch.setenv("ORACLE_HOME", str(home))
        patch.setenv("ORACLE_GOVERNANCE__APPROVAL", "four eyes")
        patch.setenv("ORACLE_SERVING__AUTH", "off")
        patch.setenv("ORACLE_SERVING__FOLLOW_SECONDS", str(FOLLOW))
        wiring = with_key(wire(GatewayArgs(home=home)))
        self._treatment = ChallengerProcess(wiring, "treatment")
        asks = {"treatment": self._treatment.score}
        self._gateway = GatewayProcess(wiring, asks, cause=lambda _: "error", export=lambda _: None)

    def become(self, person: str) -> None:
        """Claim a name."""
        self._patch.setenv("ORACLE_GOVERNANCE__ACTOR", person)

    def ask(self, method: str, path: str, document: Any = None, user: str | None = None) -> Told:
        """Ask what a replica runs, without a server before it."""
        headers = {"content-type": "application/json"} | ({} if user is None else {"x-user-id": user})
        told = call(
            self._gateway.app, method, path, b"" if document is None else json.dumps(document).encode(), headers
        )
        return Told(told.status, told.json())

    def close(self) -> None:
        """End what runs beside the requests."""
        self._gateway.close()
        self._treatment.close()


class LocalProd:
    """Production on this machine: a name is proven by a password, the app asks for a token."""

    def __init__(self, deployment: Deployment, patch: pytest.MonkeyPatch) -> None:
        self._home, self._patch = deployment.home, patch
        self._port = deployment.found.ports["app"]
        self._token = (self._home / "people" / "endpoint.token").read_text().strip()
        self._source(self._home / "prod.env")

    def become(self, person: str) -> None:
        """Show a password."""
        self._source(self._home / "people" / f"{person}.env")

    def ask(self, method: str, path: str, document: Any = None, user: str | None = None) -> Told:
        """Send one request over a connection of its own, once."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._token}"}
        headers |= {} if user is None else {"x-user-id": user}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, None if document is None else json.dumps(document), headers)
            told = connection.getresponse()
            return Told(told.status, json.loads(told.read()))
        finally:
            connection.close()

    def _source(self, file: Path) -> None:
        for line in file.read_text().splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                self._patch.setenv(name, "".join(shlex.split(value)))


@dataclass
class Deployment:
    """A production of these tests' own."""

    home: Path
    found: Up
    environment: Mapping[str, str]
    seconds: float

    def up(self) -> Up:
        """Bring up what is missing."""
        return brought_up(self.home, self.environment)

    def down(self) -> Down:
        """End it."""
        return down(settings.load(home=self.home), self.environment, dt.datetime.now(dt.UTC))


def brought_up(home: Path, environment: Mapping[str, str]) -> Up:
    """Bring a deployment up in this process."""
    return up(settings.load(home=home), Wish({}), environment, lambda: dt.datetime.now(dt.UTC))


def surroundings(metadata: Path) -> dict[str, str]:
    """Return the environment of an operator, in which the package of this checkout is announced to MLflow."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORACLE_", "MLFLOW_", "RAY_"))}
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(metadata), kept.get("PYTHONPATH", "")])
    return kept | {"PYTHONPATH": path, "ORACLE_SERVING__FOLLOW_SECONDS": str(FOLLOW), "PYTHONWARNINGS": "ignore"}


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of our own that the user of PostgreSQL may reach; pytest's are closed to it."""
    found = Path(tempfile.mkdtemp(prefix="oracle-prod-"))
    found.chmod(0o755)
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)


@contextlib.contextmanager
def deployed(home: Path, environment: Mapping[str, str]) -> Iterator[Deployment]:
    """Bring a deployment up, and down in the end."""
    began = time.monotonic()
    found = Deployment(home, brought_up(home, environment), environment, 0.0)
    found.seconds = time.monotonic() - began
    try:
        yield found
    finally:
        found.down()
