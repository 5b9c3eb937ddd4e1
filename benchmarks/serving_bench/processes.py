"""How much processor time a server and all its children have used, as the kernel counts it in /proc.

A process that has ended and was reaped leaves its time with its parent (`cutime`, `cstime`), so the sum over the living
of own and reaped time holds every moment once and never shrinks while the root of the tree lives.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/PID/stat, as far as it matters here."""

    pid: int
    parent: int
    name: str
    ticks: int
    """Processor time of its own and of children that were reaped, user and system, in kernel ticks."""


def parse(line: str) -> Process:
    """Return the process that a line of /proc/PID/stat tells of (proc(5)).

    The name stands in brackets and may itself hold blanks and brackets.

    >>> parse("7 (a (b) c) S 3 7 7 0 -1 0 0 0 0 0 11 2 30 4 20 0 1 0 5")
    Process(pid=7, parent=3, name='a (b) c', ticks=47)
    """
    pid, rest = line.split(" (", 1)
    name, fields = rest.rsplit(")", 1)
    told = fields.split()
    return Process(int(pid), int(told[1]), name, sum(int(t) for t in told[11:15]))


def tree(processes: Iterable[Process], root: int) -> list[Process]:
    """Return the process `root` and all below it, parents before children."""
    children: dict[int, list[Process]] = {}
    found: list[Process] = []
    for process in processes:
        children.setdefault(process.parent, []).append(process)
        if process.pid == root:
            found.append(process)
    for process in found:  # grows while it is walked
        found += children.get(process.pid, ())
    return found


def living() -> list[Process]:
    """Return every process of this machine; one that ends meanwhile is left out."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                found.append(parse((folder / "stat").read_text()))
            except (OSError, ValueError):
                continue
    return found


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time of a tree so far."""

    seconds: float
    by_name: Mapping[str, float]
    """The same, by the name of the process (15 characters, as the kernel keeps it)."""

    def since(self, earlier: Usage) -> Usage:
        """Return what was used after `earlier`."""
        names = {name: s - earlier.by_name.get(name, 0.0) for name, s in self.by_name.items()}
        return Usage(self.seconds - earlier.seconds, {name: s for name, s in names.items() if s > 0})


def usage(root: int) -> Usage:
    """Return the processor time that the tree under `root` has used."""
    names: Counter[str] = Counter()
    for process in tree(living(), root):
        names[process.name] += process.ticks
    return Usage(
        sum(names.values()) / TICKS_PER_SECOND, {name: ticks / TICKS_PER_SECOND for name, ticks in names.items()}
    )
