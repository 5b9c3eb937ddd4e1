"""How much memory a replay takes, all of its processes together: ours, and the server's session."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
EVERY = 10.0


def megabytes(sessions: Iterable[int]) -> float:
    """Return the memory of this process, its children, and all processes of some sessions: shared pages counted once.

    0 where the system does not tell (it has no /proc).
    """
    wanted, total = set(sessions), 0
    for entry in PROC.glob("[0-9]*"):
        try:
            after = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(entry.name) == os.getpid() or int(after[1]) == os.getpid() or int(after[3]) in wanted:
                total += _share(entry)
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile
    return total / 1024.0


def _share(entry: Path) -> int:
    """Return the proportional set size, KiB."""
    for line in (entry / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


class Meter:
    """Looks every few seconds, on a thread of its own, and remembers the largest."""

    def __init__(self, session: int) -> None:
        self._session = session
        self.peak_mb = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Meter:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, after a last look."""
        self._closed.set()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, megabytes([self._session]))
            if self._closed.wait(EVERY):
                return
