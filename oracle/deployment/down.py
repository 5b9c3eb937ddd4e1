"""Stops exactly what was started, last first, gently and then hard, and leaves nobody else's processes alone."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from oracle.deployment import application, ledger, ports, processes
from oracle.deployment.application import Application
from oracle.deployment.places import Places
from oracle.deployment.up import parts_of, site_of
from oracle.settings import Settings

CLOSED_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a part ended."""

    part: str
    what: str
    """`stopped`, `killed`, or `gone` where nothing of it was left."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Down:
    """A deployment that is down."""

    parts: tuple[Stopped, ...]
    strays: int
    """Processes that had left the sessions of their parts and were killed."""
    listening: tuple[int, ...]
    """Ports of the deployment on which somebody still listens; empty unless somebody else does."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def down(
    tree: Settings,
    environment: Mapping[str, str],
    now: dt.datetime,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Down:
    """Stop what `up` started; what has ended by itself, or whose number is somebody else's now, is passed over.

    Raises:
        Refused: another command is at work on this home.
    """
    places = Places(tree.root)
    if not places.ledger.exists():
        return Down((), 0, ())
    with ledger.held(places) as book:
        site = site_of(tree, book, environment)
        label = site.passwords.label
        parts, cluster = parts_of(site, environment, now)
        ended: list[Stopped] = []

        def told(part: str, title: str, what: str, began: float) -> None:
            ended.append(Stopped(part, what, round(time.perf_counter() - began, 2)))
            say(f"{title}: {what} ({ended[-1].seconds:.1f} s)")

        if book.running("ray"):
            began = time.perf_counter()
            told("app", Application.title, Application(site, cluster, application.shipped()).stop(), began)
        for part in reversed(parts):
            began, process = time.perf_counter(), book.begun(part.name)
            if process is not None:
                told(part.name, part.title, processes.stop(process, label, part.signals), began)
                book.strike(part.name)
            part.clear()
        strays = processes.sweep(label)
        return Down(tuple(ended), strays, _still(book))


def _still(book: ledger.Ledger) -> tuple[int, ...]:
    """Return the ports of ours on which somebody listens, after a moment for the last to close."""
    ends = time.perf_counter() + CLOSED_WITHIN
    while (
        found := tuple(port for port in book.ports.values() if ports.listening(port))
    ) and time.perf_counter() < ends:
        time.sleep(0.1)
    return found
