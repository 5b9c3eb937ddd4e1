"""A drift check whose rows are counted by Ray Data, on a cluster that is already there; prints CPU seconds as JSON.

    python -m benchmarks.drift_bench.cluster REFERENCE CURRENT

The cluster has two processors and is started by this process, so that its whole tree can be told: everything from the
start of a check to its verdict, the workers it starts, and what Ray itself does meanwhile. `first` is the first check
after the start, when Ray Data brings up its actors and workers import what they need; `next` is the one after it.
"""

from __future__ import annotations

import json
import os
import sys

from benchmarks.serving_bench.processes import usage
from oracle import cluster


def check(reference: str, current: str) -> dict[str, float]:
    """Return what one check found and used."""
    from oracle.drift import files, on_ray
    from oracle.drift.distance import column_distances

    before = usage(os.getpid()).seconds
    told = files.of(reference, counting=on_ray.counting)
    found = column_distances(told, files.of(current, told.grid, counting=on_ray.counting))
    seconds = usage(os.getpid()).seconds - before
    return {"cpu_seconds": seconds, "max_ks_error": max(d.max_ks_error or 0.0 for d in found)}


def main(reference: str, current: str) -> None:
    """Start, check twice, print."""
    os.environ.update(cluster.environment(None))
    begun = usage(os.getpid()).seconds
    with cluster.running(None, 2, 0):
        import ray.data  # noqa: F401  # part of the start

        started = usage(os.getpid()).seconds - begun
        told = {"start": started, "first": check(reference, current), "next": check(reference, current)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
