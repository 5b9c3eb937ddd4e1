"""Real servers in processes of their own, on free ports, in a process group that ends with the test."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from oracle.serving import ingress
from tests.serving.calls import Answer

BIN = Path(sys.executable).parent
ENDS_WITHIN = 60


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on at this moment, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def ray_folder() -> Iterator[Path]:
    """A folder for Ray's sockets; short, because the path of a socket has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="or-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def fast_ingress() -> Iterator[Mapping[str, str]]:
    """The switches of HAProxy and throughput mode, with a folder and ports of their own."""
    found = ingress.prepare("haproxy", {})
    try:
        yield found.switches
    finally:
        ingress.clear(found)


@contextlib.contextmanager
def running(command: list[object], env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command in a process group of its own and end the whole group with the block."""
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(env),
            cwd=log.parent,
            stdout=subprocess.PIPE,
            stderr=written,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)
        assert process.stdout is not None
        process.stdout.close()


def end(process: subprocess.Popen[bytes]) -> int:
    """Ask the process to end, then whatever is left of its group; return its exit code."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait(ENDS_WITHIN)


def ask(port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request over a socket of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers or {}))
        told = connection.getresponse()
        return Answer(told.status, told.read(), dict(told.getheaders()))  # type: ignore[arg-type]
    finally:
        connection.close()


def wait_until_healthy(port: int, log: Path, seconds: float = 240) -> Answer:
    """Return the first answer of the health address that has a model; fail with the log where none comes."""
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        with contextlib.suppress(OSError, http.client.HTTPException):
            told = ask(port, "GET", "/v1/health")
            if told.status == 200 and b"loaded_at" in told.body:
                return told
        time.sleep(0.5)
    raise AssertionError(f"nothing answered on {port}: {log.read_text(errors='replace')[-3000:]}")


def line_of(stream: IO[bytes] | None) -> bytes:
    """Return the next line of a process's output; empty where it ended without one."""
    assert stream is not None
    return stream.readline()
