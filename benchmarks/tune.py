"""The same small sweep on one and on two processors: wall and CPU seconds, trials a minute, overhead beside the fits.

    python benchmarks/tune.py [RACES] [TRIALS]

Prints one JSON document. Every sweep runs in a process of its own, on a Ray and in a home of its own, on the same
simulated races. `fit_seconds` is what the folds took inside the trials, `overhead_ms_per_trial` what a processor had
besides, for each trial and shipped member of the first search: proposing, scheduling, keeping and MLflow.
`cpu_seconds` is of the command's own process, which proposes, keeps and compares. `same_points` says that both tried
the same first points.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from oracle.data.dataset import Dataset
from oracle.data.simulate import simulate
from oracle.tuning.ledger import Ledger

SEED = 7
FAMILIES = "lambdarank,conditional_logit,market_logit"


def main(races: int = 1500, trials: int = 12) -> int:
    """Run both sweeps and print the figures; 0 if both ended with every trial."""
    with tempfile.TemporaryDirectory(prefix="oracle-tune-") as scratch:
        folder = Path(scratch)
        table = pd.concat([block.runners for block in simulate(races, seed=SEED)], ignore_index=True)
        Dataset(str(folder / "races")).append(table)
        found = {str(cpus): _swept(folder, cpus, trials) for cpus in (1, 2)}
    first = [found[c].pop("points")[:3] for c in ("1", "2")]
    document = {
        "races": races,
        "trials": trials,
        "cpus": found,
        "speedup": round(found["1"]["search_seconds"] / found["2"]["search_seconds"], 2),
        "same_points": first[0] == first[1],
        "processors": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
    }
    sys.stdout.write(json.dumps(document) + "\n")
    return 0 if all(one["complete"] for one in found.values()) else 1


def _swept(folder: Path, cpus: int, trials: int) -> dict[str, Any]:
    out, home = folder / f"sweep-{cpus}", folder / f"home-{cpus}"
    home.mkdir()
    command = [sys.executable, "-c", "from oracle.cli.app import main; main()", "tune", "--json"]
    command += ["--data", str(folder / "races"), "--trials", str(trials), "--cpus", str(cpus)]
    command += ["--families", FAMILIES, "--out", str(out)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"ORACLE_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    document, ledger = json.loads(done.stdout), Ledger(out)
    members = ledger.records("members")
    measured = [*ledger.records("shipped"), *members]
    searching = document["search_seconds"]["members"]
    fits = sum(r.seconds for r in measured)
    return {
        "complete": document["complete"],
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "search_seconds": searching,
        "fit_seconds": round(fits, 1),
        "trials_per_minute": round(60 * len(members) / searching, 1),
        "overhead_ms_per_trial": round(1000 * (cpus * searching - fits) / len(measured)),
        "points": [r.point for r in members],
    }


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
