"""Ports of the loopback interface: chosen once, remembered, and chosen again only where somebody else took one."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from collections.abc import Iterator

from oracle.deployment.ledger import Ledger
from oracle.errors import BadInput

FIRST, COUNT = 20_000, 9_000
"""Below the range from which kernels take the ports of outgoing connections, and above Ray's own workers."""
PATIENCE, POLL_SECONDS = 10.0, 0.1
"""Seconds for which a port that is taken is waited for."""
NAMES = ("postgresql", "s3", "mlflow", "ray", "dashboard", "client", "agent", "metrics", "app")


def free(port: int) -> bool:
    """Return whether nobody listens on a port of the loopback interface at this moment."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def listening(port: int) -> bool:
    """Return whether somebody answers on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _walk(label: str) -> Iterator[int]:
    """Yield ports in an order that differs from deployment to deployment, so that two seldom want the same."""
    start = int.from_bytes(hashlib.sha256(label.encode()).digest()[:4])
    return (FIRST + (start + step) % COUNT for step in range(COUNT))


def assign(ledger: Ledger, label: str, wanted: dict[str, int]) -> None:
    """Give every name a port: the one that is wanted, the remembered one, or a free one. Nothing is bound yet.

    Raises:
        BadInput: a name or port is impossible, or two names want the same port.
    """
    for name, port in wanted.items():
        if name not in NAMES:
            raise BadInput("there is no such port", value=name, allowed=NAMES)
        if not 0 < port < 65_536:
            raise BadInput("that is no port", value=f"{name}={port}", allowed="1 to 65535")
    if len(set(wanted.values())) < len(wanted):
        raise BadInput("two parts want the same port", value=wanted)
    ledger.fixed |= wanted
    ledger.ports |= ledger.fixed
    for name in NAMES:
        if name not in ledger.ports:
            ledger.ports[name] = _next(ledger, label)
    ledger.save()


def claim(ledger: Ledger, label: str, name: str, patience: float = PATIENCE) -> None:
    """Make sure that a part which is about to start can listen; move it where its port is taken and nobody fixed it.

    What was killed leaves its port a moment later: a move costs everybody who was told of the port a restart.

    Raises:
        BadInput: somebody else listens on a port that was asked for.
    """
    port, ends = ledger.ports[name], time.perf_counter() + patience
    while not (found := free(port)) and time.perf_counter() < ends:
        time.sleep(POLL_SECONDS)
    if found:
        return
    if name in ledger.fixed:
        raise BadInput(
            f"somebody else listens on the port of {name}", value=port, next_step=f"choose another: --port {name}=..."
        )
    ledger.ports[name] = _next(ledger, label)
    ledger.save()


def _next(ledger: Ledger, label: str) -> int:
    used = set(ledger.ports.values())
    return next(port for port in _walk(label) if port not in used and free(port))
