"""What a drift check costs beside reading its columns, scipy's test and Evidently's, and how it grows; all in one run.

    python benchmarks/drift.py [--rows 1000000] [--columns 50] [--rounds 3] [--scratch FOLDER]

Two windows of rows x columns of numbers and a race_id are made in Parquet. Each contestant is a process of its own, and
they take turns; CPU seconds are those of the whole process tree, imports included, and the smallest of the rounds
counts. Evidently gets an environment of its own (benchmarks/peers/evidently.txt) and ten columns, and so does the check
it is compared with: both once loaded, and with their start. Prints one JSON document: every target with its measured
value; exit code 1 where one was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.drift_bench.data import window
from benchmarks.serving_bench import environments
from benchmarks.serving_bench.environments import REPOSITORY, NotInstalled

CACHE = Path.home() / ".cache" / "equine-oracle-benchmark"
FEW = 10
"""Columns that Evidently is given."""
COMMAND = ("-c", "from oracle.cli.app import main; main()", "drift", "--json")
PEERS = ("-m", "benchmarks.drift_bench.peers")


@dataclass(frozen=True, slots=True)
class Ran:
    """What one process and its children used, and what it printed."""

    cpu_seconds: float
    peak_mb: float
    printed: str


def run(command: Sequence[str], allowed: Sequence[int] = (0,)) -> Ran:
    """Run a process to its end; its usage is what the kernel counts for it and for the children it waited for."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaints:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        files = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, complaints.fileno(), 2)]
        child = os.posix_spawn(command[0], list(command), environment, file_actions=files)
        _, status, used = os.wait4(child, 0)
        out.seek(0)
        complaints.seek(0)
        if os.waitstatus_to_exitcode(status) not in allowed:
            raise SystemExit(f"{' '.join(command)} failed:\n{complaints.read()[-2000:]}")
        return Ran(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out.read())


def main() -> int:
    """Measure, print, and return 0 if every target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each window")
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=CACHE / "drift", help="keeps the windows")
    asked = parser.parse_args()
    found = measured(asked.rows, asked.columns, asked.rounds, asked.scratch)
    targets = judged(found)
    document = {
        "rows": asked.rows,
        "columns": asked.columns,
        "targets": targets,
        "measured": found,
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0 if all(target["met"] is not False for target in targets.values()) else 1


def measured(rows: int, columns: int, rounds: int, scratch: Path) -> dict[str, Any]:
    """Return CPU seconds and peak memory of every contestant."""
    names = ("reference", "current")
    pair = [str(window(scratch / f"{n}-{rows}.parquet", rows, columns, i)) for i, n in enumerate(names)]
    large = [str(window(scratch / f"{n}-{4 * rows}.parquet", 4 * rows, columns, 2 + i)) for i, n in enumerate(names)]
    few = [str(window(scratch / f"{n}-few-{rows}.parquet", rows, FEW, 4 + i)) for i, n in enumerate(names)]
    kept = str(scratch / f"reference-{rows}.sketch")
    commands = {
        "read": (*PEERS, "read", *pair, str(columns)),
        "check": (*COMMAND, "--reference", pair[0], "--current", pair[1]),
        "check_kept": (*COMMAND, "--reference", kept, "--current", pair[1]),
        "scipy": (*PEERS, "scipy", *pair, str(columns)),
        "ray": ("-m", "benchmarks.drift_bench.cluster", *pair),
        "check_4x": (*COMMAND, "--reference", large[0], "--current", large[1]),
        "check_few": (*COMMAND, "--reference", few[0], "--current", few[1]),
    }
    run((sys.executable, *COMMAND, "--reference", pair[0], "--current", pair[1], "--keep", kept), allowed=(0, 10))
    ran: dict[str, list[Ran]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            ran[name].append(run((sys.executable, *words), allowed=(0, 10)))
    found: dict[str, Any] = {name: _told(each) for name, each in ran.items()}
    found["ray"] = _on_ray([json.loads(each.printed.splitlines()[-1]) for each in ran["ray"]])
    document = json.loads(ran["check"][-1].printed)
    found["check"] |= {name: document[name] for name in ("max_ks_error", "cpu_seconds", "seconds", "verdict")}
    found["check_kept"]["cpu_seconds"] = json.loads(ran["check_kept"][-1].printed)["cpu_seconds"]
    found["check_few"]["cpu_seconds"] = json.loads(ran["check_few"][-1].printed)["cpu_seconds"]
    found["evidently"] = _evidently(few, scratch)
    return found


def _told(ran: Sequence[Ran]) -> dict[str, Any]:
    return {
        "cpu": round(min(r.cpu_seconds for r in ran), 2),
        "cpu_of_rounds": [round(r.cpu_seconds, 2) for r in ran],
        "peak_mb": round(max(r.peak_mb for r in ran)),
    }


def _on_ray(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, later = ([round(t[which]["cpu_seconds"], 2) for t in told] for which in ("first", "next"))
    return {
        "start": round(min(t["start"] for t in told), 2),
        "cpu": min(later),
        "cpu_of_rounds": later,
        "first": min(first),
        "first_of_rounds": first,
        "max_ks_error": told[-1]["next"]["max_ks_error"],
    }


def _evidently(few: Sequence[str], scratch: Path) -> dict[str, Any]:
    try:
        own = environments.make("evidently", scratch / "environments", package=False)
    except NotInstalled as error:
        return {"cpu": None, "why": str(error)}
    ran = run((own.python, str(REPOSITORY / "benchmarks" / "peers" / "evidently_ks.py"), *few, str(FEW)))
    return {**_told([ran]), **json.loads(ran.printed.splitlines()[-1])}


def judged(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return each target with its measured value; `met` is None where it could not be measured."""
    cpu = {name: told["cpu"] for name, told in found.items()}
    peak = found["check_4x"]["peak_mb"] / found["check"]["peak_mb"]
    evidently = started = None
    if cpu["evidently"] is not None:
        evidently = cpu["evidently"] / cpu["check_few"]
        started = found["evidently"]["cpu_seconds"] / found["check_few"]["cpu_seconds"]
    return {
        "error of D": _at_most(found["check"]["max_ks_error"], 1e-3),
        "CPU of reading, in process": _at_most(cpu["check"] / cpu["read"], 2.5),
        "CPU of reading, through Ray Data": _at_most(cpu["ray"] / cpu["read"], 4.0),
        "CPU of reading, through Ray Data, first check of a cluster": _at_most(
            found["ray"]["first"] / cpu["read"], 4.0
        ),
        "times less CPU than scipy": _at_least(cpu["scipy"] / cpu["check"], 4.0),
        f"times less CPU than Evidently, {FEW} columns": _at_least(started, 20.0),
        f"times less CPU than Evidently, {FEW} columns, with the start of both processes": _at_least(evidently, 20.0),
        "CPU with a kept reference, once loaded": _at_most(
            found["check_kept"]["cpu_seconds"] / found["check"]["cpu_seconds"], 0.6
        ),
        "CPU of four times the rows": _at_most(cpu["check_4x"] / cpu["check"], 4.4),
        "peak memory of four times the rows": _at_most(peak, 1.3),
    }


def _at_most(value: float, target: float) -> dict[str, Any]:
    return {"measured": float(f"{value:.3g}"), "at_most": target, "met": value <= target}


def _at_least(value: float | None, target: float) -> dict[str, Any]:
    told = None if value is None else float(f"{value:.3g}")
    return {"measured": told, "at_least": target, "met": None if value is None else value >= target}


if __name__ == "__main__":
    sys.exit(main())
