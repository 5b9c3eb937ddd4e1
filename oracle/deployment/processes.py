"""Processes that outlive the command that starts them, known again by number and the moment they began.

A number alone says nothing: the kernel gives it away again. With the boot and the tick at which a process began it is
one process for ever. Each part leads a session of its own, which its children share; those that left it are known by a
label in their environment. Linux only: this is read from /proc.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from oracle.errors import Unavailable

LABEL = "EQUINE_ORACLE_DEPLOYMENT"
PROC = Path("/proc")
POLL_SECONDS = 0.05
FOREIGN = ("ORACLE_", "MLFLOW_", "RAY_", "AWS_", "PG", "RCLONE_")
"""Beginnings of variables that are not inherited: what another shell was told must not steer a part."""
STATE, SESSION, BEGAN = 0, 3, 19
"""Places in /proc/PID/stat, counted from behind the name."""
_CHILDREN: list[subprocess.Popen[bytes]] = []
"""Kept so that a part that ends while we live is reaped, and none is waited for."""


@dataclass(frozen=True, slots=True)
class Command:
    """How a part is started."""

    words: Sequence[str]
    environment: Mapping[str, str]
    """What it is told beside what it inherits; secrets too."""
    folder: Path
    user: str | None = None
    """Whom it runs as; None: as ourselves."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process that leads a session: its number and its birth."""

    pid: int
    birth: str


@cache
def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[str] | None:
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] in "ZX" else fields


def birth(pid: int) -> str | None:
    """Return when a process began, such that no other process ever has the same; None where there is none (any more).

    >>> birth(os.getpid()) == birth(os.getpid())
    True
    >>> birth(2**22 + 1) is None
    True
    """
    fields = _stat(pid)
    return None if fields is None else f"{_boot()}:{fields[BEGAN]}"


def lives(started: Started) -> bool:
    """Return whether that very process is still there."""
    for child in _CHILDREN:
        child.poll()
    return birth(started.pid) == started.birth


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a part takes over from the environment of whoever starts it."""
    return {name: value for name, value in environment.items() if not name.startswith(FOREIGN)}


def start(command: Command, log: Path, label: str, environment: Mapping[str, str]) -> Started:
    """Start a process that leads a session of its own and writes into the log.

    Raises:
        Unavailable: the program cannot be started.
    """
    with log.open("ab") as written:
        log.chmod(0o600)
        try:
            process = subprocess.Popen(
                list(command.words),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                env={**inherited(environment), **command.environment, LABEL: label},
                cwd=command.folder,
                start_new_session=True,
                user=command.user,
                extra_groups=[] if command.user else None,
            )
        except OSError as error:
            raise Unavailable(
                f"{command.words[0]} cannot be started: {error.strerror}", value=error.filename
            ) from error
    _CHILDREN.append(process)
    return Started(process.pid, birth(process.pid) or "")


def _all() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _labelled(pid: int, label: str) -> bool:
    with contextlib.suppress(OSError):
        return f"{LABEL}={label}".encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    return False


def _renamed(pid: int) -> bool:
    """Return whether Ray wrote a name of its own over command line and environment, so that no label can be read."""
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes().startswith(b"ray::")
    return False


def of_session(started: Started, label: str) -> list[int]:
    """Return the living processes of the session that a process began, itself included, whether it lives or not."""
    leader = birth(started.pid)
    if leader not in (None, started.birth):
        return []  # the number is somebody else's now, and so is any session of that number
    found = []
    for pid in _all():
        fields = _stat(pid)
        if fields is None or int(fields[SESSION]) != started.pid:
            continue
        if leader is not None or _labelled(pid, label) or _renamed(pid):
            found.append(pid)
    return found


def labelled(label: str) -> list[int]:
    """Return the living processes that carry the label, ours excepted."""
    return [pid for pid in _all() if pid != os.getpid() and _stat(pid) is not None and _labelled(pid, label)]


def stop(started: Started, label: str, signals: Sequence[tuple[int, float]]) -> str:
    """End a process and its session: each signal in turn with the seconds it may take, then SIGKILL to whoever is left.

    Returns:
        `stopped`, `killed` where it came to that, or `gone` where nothing of it was left.
    """
    if not of_session(started, label):
        return "gone"
    for number, seconds in signals:
        if lives(started):
            _send(started.pid, number)
        if _until(lambda: not of_session(started, label), seconds if lives(started) else min(seconds, 2.0)):
            return "stopped"
    for pid in of_session(started, label):
        _send(pid, signal.SIGKILL)
    _until(lambda: not of_session(started, label), 10.0)
    return "killed"


def sweep(label: str) -> int:
    """Kill whoever still carries the label, and return how many there were."""
    found = labelled(label)
    for pid in found:
        _send(pid, signal.SIGKILL)
    _until(lambda: not labelled(label), 10.0)
    return len(found)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _until(holds: object, seconds: float) -> bool:
    ends = time.perf_counter() + seconds
    while True:
        for child in _CHILDREN:
            child.poll()
        if holds():  # type: ignore[operator]
            return True
        if time.perf_counter() > ends:
            return False
        time.sleep(POLL_SECONDS)
