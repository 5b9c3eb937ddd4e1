"""What was started, on which ports: one file under home, written before anybody waits, read by whoever stops.

A started part is written down at once, so that `down` finds it also where `up` was interrupted a moment later. One
command at a time: starting and stopping hold a lock beside the file.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.deployment.places import Places, write_document
from oracle.deployment.processes import Started, lives
from oracle.errors import Refused, UnreadableFile


@dataclass(slots=True)
class Ledger:
    """The state of a deployment; every change is on the disk when the method returns."""

    file: Path
    ports: dict[str, int] = field(default_factory=dict)
    fixed: dict[str, int] = field(default_factory=dict)
    """Ports that somebody asked for; the others may move where one is taken."""
    folders: dict[str, str] = field(default_factory=dict)
    """Folders outside home that are ours."""
    started: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By part, in the order of starting: pid, birth, moment, and the digest of what it was started with."""

    def save(self) -> None:
        """Write the file whole."""
        write_document(
            self.file,
            {"ports": self.ports, "fixed": self.fixed, "folders": self.folders, "started": self.started},
        )

    def begun(self, part: str) -> Started | None:
        """Return the process of a part, whether it still lives or not."""
        told = self.started.get(part)
        return None if told is None else Started(int(told["pid"]), str(told["birth"]))

    def running(self, part: str) -> bool:
        """Return whether the process that was started for the part is still there."""
        begun = self.begun(part)
        return begun is not None and lives(begun)

    def digest(self, part: str) -> str | None:
        """Return what the part was started with."""
        told = self.started.get(part)
        return None if told is None else str(told["digest"])

    def enter(self, part: str, begun: Started, digest: str, now: dt.datetime) -> None:
        """Write down that a part was started, behind those that are there."""
        self.started.pop(part, None)
        self.started[part] = {
            "pid": begun.pid,
            "birth": begun.birth,
            "at": now.isoformat(timespec="seconds"),
            "digest": digest,
        }
        self.save()

    def strike(self, part: str) -> None:
        """Write down that a part is stopped."""
        self.started.pop(part, None)
        self.save()


def read(file: Path) -> Ledger:
    """Return the ledger in the file; an empty one where there is no file.

    Raises:
        UnreadableFile: the file is not one of ours.
    """
    if not file.exists():
        return Ledger(file)
    try:
        found: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
        return Ledger(file, **{name: dict(found[name]) for name in ("ports", "fixed", "folders", "started")})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(
            "the ledger of the deployment cannot be read",
            value=file,
            next_step="look for its processes by hand (ps -e), end them, and remove the file",
        ) from error


@contextmanager
def held(places: Places) -> Iterator[Ledger]:
    """Hold the deployment for one command and hand out its ledger.

    Raises:
        Refused: another command is starting or stopping it.
    """
    with places.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                "another `oracle up` or `oracle down` is at work", value=places.home, next_step="wait until it is done"
            ) from error
        yield read(places.ledger)
