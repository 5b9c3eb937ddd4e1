"""Starts servers and the load generator as processes of their own, and ends every one of them by its id."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving_bench import contestants
from benchmarks.serving_bench.contestants import Contestant
from benchmarks.serving_bench.environments import REPOSITORY
from benchmarks.serving_bench.processes import Usage, usage

HERE = Path(__file__).parent
READY_SECONDS = 180.0


class NotStarted(Exception):
    """A server did not come up, or did not answer the card."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_ports() -> dict[str, str]:
    """Return free ports for what Ray would put on the same port in every cluster.

    HAProxy sends to this "fallback proxy" while no replica is up: on one port two clusters answer for each other.
    """
    return {f"RAY_SERVE_FALLBACK_PROXY_{kind}_PORT": str(free_port()) for kind in ("HTTP", "GRPC")}


@dataclass(frozen=True, slots=True)
class Server:
    """A contestant that runs."""

    contestant: Contestant
    port: int
    keeper: subprocess.Popen[bytes]
    log: Path

    def usage(self) -> Usage:
        """Return the processor time of all its processes so far."""
        return usage(self.keeper.pid)

    def tell_to_end(self) -> None:
        """Tell its keeper to end it; returns at once."""
        with contextlib.suppress(ProcessLookupError):
            self.keeper.send_signal(signal.SIGTERM)

    def until_ready(self) -> None:
        """Wait until it answers the card.

        Raises:
            NotStarted: it ended, or did not answer in time; says what its log ends with.
        """
        until = time.monotonic() + READY_SECONDS
        said = "no answer"
        while time.monotonic() < until and self.keeper.poll() is None:
            try:
                status, body = post(self.port, self.contestant)
                if status == 200 and body.count(b'"win"') == self.contestant.message.runners:
                    return
                said = f"status {status}: {body[:200].decode(errors='replace')}"
            except (OSError, http.client.HTTPException) as error:
                said = str(error) or type(error).__name__
            time.sleep(0.5)
        raise NotStarted(f"{said}; its log ends: {last_line(self.log)}")


def start(contestant: Contestant, python: str, logs: Path) -> Server:
    """Start a contestant on a free port; returns before it is ready.

    Raises:
        NotStarted: a command that prepares it failed.
    """
    port = free_port()
    environment = {**os.environ, **contestants.variables(contestant, python), **own_ports()}
    log = logs / f"{contestant.name}.log"
    with log.open("wb") as out:
        for command in contestant.prepare:
            words = contestants.filled(command, python=python)
            done = subprocess.run(words, env=environment, cwd=REPOSITORY, stdout=out, stderr=out, check=False)
            if done.returncode:
                raise NotStarted(f"{' '.join(words[-6:])}: {last_line(log)}")
        words = contestants.filled(contestant.command, python=python, port=str(port))
        keeper = subprocess.Popen(
            [sys.executable, str(HERE / "keeper.py"), *words],
            env=environment,
            cwd=REPOSITORY,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Server(contestant, port, keeper, log)


@contextlib.contextmanager
def ending(servers: list[Server]) -> Iterator[None]:
    """End every server of the list when the block ends, however it ends: all are told first, then waited for."""
    try:
        yield
    finally:
        for server in servers:
            server.tell_to_end()
        for server in servers:
            server.keeper.wait()


def post(port: int, contestant: Contestant) -> tuple[int, bytes]:
    """Post the contestant's first body; return status and answer."""
    message = contestant.message
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        more = dict(line.split(": ", 1) for line in message.headers.splitlines())
        connection.request("POST", message.path, message.body.encode(), {"Content-Type": "application/json", **more})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def last_line(log: Path) -> str:
    """Return the last line of a log that says anything."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "nothing"


class Generator:
    """The load generator, in a process of its own on the last core."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "shooter.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with contextlib.suppress(OSError, AttributeError):  # macOS has no affinity; then it goes where it likes
            os.sched_setaffinity(self._process.pid, {max(os.sched_getaffinity(0))})

    def usage(self) -> Usage:
        """Return its own processor time."""
        return usage(self._process.pid)

    def shoot(self, server: Server, **order: Any) -> dict[str, Any]:
        """Carry out an order (`shooter.Order`, without what the server knows of itself) and return what came of it."""
        message = server.contestant.message
        own = {
            "port": server.port,
            "head": message.head,
            "bodies": (message.before, message.after),
            "runners": message.runners,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(own | order) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
