"""Starts what is missing of a deployment, each part when the one before it answers."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle import process
from oracle.deployment import application, ledger, passwords, people, ports, processes
from oracle.deployment.application import Application
from oracle.deployment.cluster import Cluster
from oracle.deployment.objects import Objects
from oracle.deployment.part import Part, Site, digest
from oracle.deployment.places import Places, write_private
from oracle.deployment.postgresql import PostgreSQL
from oracle.deployment.tracking import TrackingServer
from oracle.errors import BadInput, Unavailable
from oracle.progress import Progress, silent
from oracle.settings import Settings

POLL_SECONDS = 0.1
LAST_LINES = 15
LEAVING = 20.0
"""Seconds for which the children of a part that was killed may hold what its successor needs: a PostgreSQL whose
backends have not noticed yet refuses to start."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a part stands after `up`."""

    part: str
    what: str
    """`started`, `restarted` or `was up`."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Up:
    """A deployment that is up."""

    url: str
    tracking: str
    dashboard: str
    environment: str
    people: str
    logs: str
    ports: dict[str, int]
    parts: tuple[Standing, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; no secret is among them."""
        return {**asdict(self), "profile": "local-prod"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of `up`."""

    ports: Mapping[str, int]
    """Ports that must be these."""
    config: Path | None = None
    """Another serve_config.yaml than the one that came with the code."""


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the caller that the parts take over: all but what this deployment decides."""
    ours = ("ORACLE_HOME", "ORACLE_TRACKING__URI", "ORACLE_STORE", "ORACLE_TEST_DATA", "ORACLE_SERVING__P")
    return {n: v for n, v in environment.items() if n.startswith("ORACLE_") and not n.startswith(ours)}


def site_of(tree: Settings, book: ledger.Ledger, environment: Mapping[str, str]) -> Site:
    """Return what the parts know in common, with secrets made where they are missing."""
    places = Places(tree.root)
    places.make()
    return Site(places, passwords.kept(places.secrets / "passwords.json"), book, tree, _settings(environment))


class _Ended(Unavailable):
    """A part ended while it was starting."""


def parts_of(site: Site, environment: Mapping[str, str], now: dt.datetime) -> tuple[list[Part], Cluster]:
    """Return the parts in the order in which they start."""
    objects = Objects(site, now)
    cluster = Cluster(site, environment, process.cores())
    return [PostgreSQL(site), objects, TrackingServer(site, objects, now), cluster], cluster


def up(
    tree: Settings,
    wish: Wish,
    environment: Mapping[str, str],
    now: Callable[[], dt.datetime],
    *,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress = silent,
) -> Up:
    """Start what is missing and return where everything is; what is up already is left as it is.

    Args:
        tree: The settings; the deployment lives in their home.
        wish: Ports and configuration that somebody asked for.
        environment: Of the caller.
        now: The clock.
        say: Takes a line for each part.
        progress: Draws while a part is waited for.

    Raises:
        Unavailable: a part does not start; what was started before it stays up until `down`.
        Refused: another command is at work on this home.
    """
    if not sys.platform.startswith("linux"):
        raise BadInput("this profile runs on Linux", value=sys.platform, next_step="use deploy/compose.yaml elsewhere")
    places = Places(tree.root)
    places.make()
    with ledger.held(places) as book:
        site = site_of(tree, book, environment)
        ports.assign(book, site.passwords.label, dict(wish.ports))
        parts, cluster = parts_of(site, environment, now())
        total = len(parts) + 1
        stand = []
        for number, part in enumerate(parts, 1):
            standing = _bring(site, part, environment, now, progress)
            stand.append(standing)
            where = f"127.0.0.1:{site.port(part.ports[0])}"
            say(f"[{number}/{total}] {part.title} {standing.what} at {where} ({standing.seconds:.1f} s)")
        app = Application(site, cluster, wish.config or application.shipped())
        stand.append(_bring_app(site, app, stand, progress))
        say(f"[{total}/{total}] {app.title} {stand[-1].what} at {site.url} ({stand[-1].seconds:.1f} s)")
        write_private(places.environment, people.environment(site))
        return Up(
            site.url,
            site.tracking,
            site.dashboard,
            str(places.environment),
            str(places.people),
            str(places.logs),
            dict(book.ports),
            tuple(stand),
        )


def _bring(
    site: Site, part: Part, environment: Mapping[str, str], now: Callable[[], dt.datetime], progress: Progress
) -> Standing:
    """Leave a part that runs as it is wanted, stop one that does not, start one that is away; and wait for it."""
    began, book = time.perf_counter(), site.ledger
    label = site.passwords.label
    part_was = book.begun(part.name)
    part.prepare()
    what = "started"
    if part_was is not None and book.running(part.name):
        if book.digest(part.name) == digest(part.command()):
            what = "was up"
        else:
            processes.stop(part_was, label, part.signals)
            what = "restarted"
    elif part_was is not None:
        processes.stop(part_was, label, ())  # whoever of its session outlived it holds ports and files
    while True:
        if what != "was up":
            _start(site, part, environment, now)
        try:
            _wait(site, part.name, part.title, part.seconds, part.lacking, progress)
            break
        except _Ended:
            if part_was is None or time.perf_counter() - began > LEAVING:
                raise
    part.furnish()
    return Standing(part.name, what, round(time.perf_counter() - began, 2))


def _start(site: Site, part: Part, environment: Mapping[str, str], now: Callable[[], dt.datetime]) -> None:
    book, label = site.ledger, site.passwords.label
    for name in part.ports:
        ports.claim(book, label, name)
    command = part.command()
    started = processes.start(command, site.places.logs / f"{part.name}.log", label, environment)
    book.enter(part.name, started, digest(command), now())


def _bring_app(site: Site, app: Application, stand: list[Standing], progress: Progress) -> Standing:
    began = time.perf_counter()
    fresh = stand[-1].what != "was up"
    if not fresh and app.lacking() is None:
        return Standing(app.name, "was up", round(time.perf_counter() - began, 2))
    app.deploy()
    _wait(site, "ray", app.title, app.seconds, app.lacking, progress)
    return Standing(app.name, "started", round(time.perf_counter() - began, 2))


def _wait(
    site: Site, part: str, title: str, seconds: float, lacking: Callable[[], str | None], progress: Progress
) -> None:
    """Wait until nothing is lacking; give up where the process ends or the time is over, with its last words."""
    for told in progress(_lacks(seconds, lacking), f"waiting for {title}"):
        if not site.ledger.running(part):
            raise _failed(site, part, f"{title} ended while it was starting ({told})", _Ended)
    if (last := lacking()) is not None:
        raise _failed(site, part, f"{title} was not ready within {seconds:.0f} s: {last}")


def _lacks(seconds: float, lacking: Callable[[], str | None]) -> Iterator[str]:
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends and (told := lacking()) is not None:
        yield told
        time.sleep(POLL_SECONDS)


def _failed(site: Site, part: str, what: str, kind: type[Unavailable] = Unavailable) -> Unavailable:
    log = site.places.logs / f"{part}.log"
    lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
    said = f"; its last words: {' / '.join(line.strip() for line in lines if line.strip())[-600:]}" if lines else ""
    return kind(
        what + said,
        value=str(log),
        next_step="read the log, mend it and run `oracle up` again; `oracle down` stops what was started",
    )
