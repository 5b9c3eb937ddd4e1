"""What a process settles before heavy libraries start: how threads wait, who is told of our use, what logs may hold.

Only edges call it (command line, jobs, serving); nothing happens on import.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from pathlib import Path

from oracle.governance import logs

SWITCHES: tuple[tuple[str, str], ...] = (
    ("OMP_WAIT_POLICY", "PASSIVE"),  # spinning threads cost seven times the CPU when the machine is shared
    ("RAY_USAGE_STATS_ENABLED", "0"),
    ("MLFLOW_DISABLE_TELEMETRY", "true"),
)


def settle() -> None:
    """Set the switches that libraries read from the environment when they load, and mask personal data in logs.

    What the user has set stays.
    """
    logs.install()
    for name, value in SWITCHES:
        os.environ.setdefault(name, value)
    if not os.access(Path(__file__).parent, os.W_OK):
        # Compiled loops are kept beside the code; where that is read-only, in a folder of this user's own.
        os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"equine-oracle-{os.getuid()}"))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0 * 1024.0) if sys.platform == "darwin" else peak / 1024.0
