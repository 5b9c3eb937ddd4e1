"""Two versions on a live cluster of this test's own, and users who ask for cards at a steady rate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from oracle.store import Prediction, Store, embedded
from tests.serving.clusters import BIN, fast_ingress, free_ports, ray_folder, running, wait_until_healthy

REPOSITORY = Path(__file__).resolve().parents[2]
REPLICA = re.compile(r"ray::ServeReplica:oracle:([\w-]+)")


@dataclass(frozen=True)
class Asked:
    """One request of a user and what became of it."""

    sent: float
    done: float
    user: str
    status: int
    told: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class Live:
    """A running cluster."""

    port: int
    dashboard: int
    metrics: int
    """Where Prometheus scrapes the node."""
    session: int
    home: Path
    document: dict[str, Any]

    def put(self, user_config: Mapping[str, Any]) -> None:
        """Give the gateway another `user_config`, as `serve deploy` does."""
        for deployment in self.document["applications"][0]["deployments"]:
            if deployment["name"] == "gateway":
                deployment["user_config"] = dict(user_config)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.dashboard}/api/serve/applications/",
            json.dumps(self.document).encode(),
            {"content-type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=30) as told:
            told.read()

    def health(self) -> dict[str, Any]:
        """Return the health of some replica."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/health", timeout=60) as told:
            found: dict[str, Any] = json.load(told)
            return found

    def scraped(self) -> str:
        """Return what Prometheus sees of the node."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=30) as told:
            return str(told.read().decode())

    def post(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Post a document and return the answer."""
        body, headers = json.dumps(document).encode(), {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=60) as told:
            found: dict[str, Any] = json.load(told)
            return found

    def until(self, fits: Any, replicas: int, seconds: float = 60.0) -> float:
        """Return the seconds until so many replicas have said in a row what fits; fail with what they say instead."""
        began, seen = time.monotonic(), set[str]()
        told: dict[str, Any] = {}
        while time.monotonic() - began < seconds:
            told = self.health()
            if fits(told):
                seen.add(told["replica"])
                if len(seen) >= replicas:
                    return time.monotonic() - began
            else:
                seen.discard(told["replica"])
            threading.Event().wait(0.01)
        raise AssertionError(told)

    def processes(self, deployment: str) -> list[int]:
        """Return the processes of a deployment."""
        listed = subprocess.run(["ps", "-eo", "pid=,sess=,cmd="], capture_output=True, text=True, check=True).stdout
        found = []
        for line in listed.splitlines():
            pid, session, command = line.split(None, 2)
            named = REPLICA.match(command)
            if named and named[1] == deployment and int(session) == self.session:
                found.append(int(pid))
        return found

    def kill(self, deployment: str) -> int:
        """Kill a process of a deployment and return which."""
        victim = self.processes(deployment)[0]
        os.kill(victim, signal.SIGKILL)
        return victim

    @property
    def store(self) -> Store:
        """The store that the cluster writes."""
        return embedded(self.home)

    def rows(self) -> dict[str, Prediction]:
        """Return every prediction that was kept."""
        store = self.store
        try:
            return {row.prediction_id: row for row in store.predictions.between()}
        finally:
            store.close()


@contextlib.contextmanager
def live(
    home: Path,
    log: Path,
    *,
    app: str = "oracle.serving.app:build",
    replicas: int = 2,
    args: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Live]:
    """Bring the repository's own serve_config.yaml up on a cluster of its own, with another app where one is named."""
    port, head, dashboard, client, agent, metrics = free_ports(6)
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "serve_config.yaml").read_text())
    document["http_options"]["port"] = port
    application = document["applications"][0]
    application["import_path"] = app
    application["args"] = {"home": str(home), **(args or {})}
    for deployment in application["deployments"]:
        if deployment["name"] == "gateway":
            deployment["num_replicas"] = replicas
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORACLE_", "RAY_", "MLFLOW_"))}
    with ray_folder() as folder, fast_ingress() as switches:
        environment = {
            **kept,
            **switches,
            "ORACLE_HOME": str(home),
            "ORACLE_SERVING__AUTH": "off",
            "PYTHONPATH": str(REPOSITORY),
            "RAY_TMPDIR": str(folder),
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONWARNINGS": "ignore",
            **(env or {}),
        }
        start = [BIN / "ray", "start", "--head", "--block", "--disable-usage-stats", "--num-cpus=4", f"--port={head}"]
        start += [f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}", "--node-ip-address=127.0.0.1"]
        start += [f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}", f"--metrics-export-port={metrics}"]
        with running(start, environment, log) as process:
            _until_listening(dashboard)
            found = Live(port, dashboard, metrics, process.pid, home, document)
            _until_taken(found, application["deployments"])
            wait_until_healthy(port, log)
            found.until(lambda _: True, replicas)
            yield found


def _until_taken(found: Live, deployments: list[dict[str, Any]]) -> None:
    first = next(each for each in deployments if each["name"] == "gateway").get("user_config", {})
    for _ in range(60):
        try:
            found.put(first)
        except OSError:
            threading.Event().wait(1.0)
        else:
            return
    raise AssertionError("the dashboard did not take the application")


def _until_listening(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.2)
    raise AssertionError(f"nobody listens on {port}")


class Users:
    """People who ask for cards, so many a second, from a thread of their own, until the block ends.

    Each request goes over a connection of its own and is sent once: what is lost is counted as lost.
    """

    def __init__(self, found: Live, body: Mapping[str, Any], *, rate: float = 50.0, users: int = 200) -> None:
        self._live, self._body, self._rate, self._users = found, dict(body), rate, users
        self.asked: list[Asked] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_all()), daemon=True)

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    @property
    def failed(self) -> list[Asked]:
        """What got no answer."""
        return [each for each in self.asked if each.status != 200]

    async def _ask_all(self) -> None:
        began, number = time.monotonic(), 0
        pending: set[asyncio.Task[None]] = set()
        while not self._stop.is_set():
            wait = began + number / self._rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._one(number))
            pending.add(task)
            task.add_done_callback(pending.discard)
            number += 1
        await asyncio.gather(*pending)

    async def _one(self, number: int) -> None:
        user = f"user-{number % self._users}"
        body = json.dumps({**self._body, "race_id": f"race-{number}"}).encode()
        sent = time.time()
        try:
            status, told = await asyncio.wait_for(post(self._live.port, body, user), 30)
            self.asked.append(Asked(sent, time.time(), user, status, json.loads(told) if status == 200 else {}))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            self.asked.append(Asked(sent, time.time(), user, 0, why=repr(error)))


async def post(port: int, body: bytes, user: str) -> tuple[int, bytes]:
    """Send one card and return status and body of what came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        headers = ("Host: x", "Connection: close", "Content-Type: application/json", f"X-User-Id: {user}")
        head = "\r\n".join(("POST /v1/predict HTTP/1.1", *headers, f"Content-Length: {len(body)}"))
        writer.write(f"{head}\r\n\r\n".encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
        return int(lines[0].split()[1]), await reader.readexactly(length)
    finally:
        writer.close()
