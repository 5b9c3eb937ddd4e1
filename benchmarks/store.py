"""What it costs to keep an answer: `python benchmarks/store.py [--address postgresql://...] [--seconds 3] [--json]`.

Writes predictions of the size of a real one (twelve runners: card 3 KB, answer 4 KB) through the group commit, with
1, 16 and 64 submitters that each wait for their row before they hand in the next, on an event loop as the gateway has
one; and, to compare, one transaction for each row. The last group works 1.5 ms on each answer first, as a gateway does,
so that rows come one by one and not all at once. Tells rows per second, the median and the 99th percentile of the
wait, and CPU milliseconds per row of this process, without that work and without a PostgreSQL server's own.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oracle.store import GroupCommit, Prediction, Scoring, Store, embedded

NOON = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
CARD, ANSWER = "c" * 3000, "a" * 4000
RUNNERS = json.dumps([[i, f"H{i:07}", f"A Horse's Name {i}", 0.123456789, 0.0833, 0.25] for i in range(12)])


def rows(run: str) -> Iterator[tuple[Prediction, Scoring]]:
    """Yield rows, four to a race, as users ask for one card."""
    number = 0
    while True:
        race = f"{run}-{number // 4}"
        of = {"race_id": race, "race_key": race, "course": "Redmile", "off": NOON, "at": NOON, "features": "f" * 32}
        of |= {"card_key": race, "model_version": "3", "latency_ms": 1.5}
        yield (
            Prediction(
                prediction_id=f"{run}-{number}",
                unit=race,
                model_name="m",
                card=CARD,
                answer=ANSWER,
                **of,  # type: ignore[arg-type]
            ),
            Scoring(runners=RUNNERS, **of),  # type: ignore[arg-type]
        )
        number += 1


async def grouped(store: Store, submitters: int, seconds: float, run: str, work: float = 0.0) -> dict[str, Any]:
    """Return what so many submitters at once achieve that work on each answer before they hand it in."""
    commit, source, waits = GroupCommit(store), rows(run), list[float]()
    begun, cpu = time.perf_counter(), time.process_time()

    async def submit() -> None:
        while time.perf_counter() - begun < seconds:
            prediction, scoring = next(source)
            busy = time.thread_time() + work
            while time.thread_time() < busy:
                pass
            asked = time.perf_counter()
            await commit.keep(prediction, scoring)
            waits.append(time.perf_counter() - asked)

    await asyncio.gather(*(submit() for _ in range(submitters)))
    told = summary(waits, time.perf_counter() - begun, time.process_time() - cpu)
    told["cpu_ms_per_row"] = round(told["cpu_ms_per_row"] - 1e3 * work, 4)
    told |= {
        "submitters": submitters,
        "work_ms": 1e3 * work,
        "rows_per_commit": round(commit.rows / max(commit.commits, 1), 1),
    }
    commit.close()
    return told


def one_by_one(store: Store, seconds: float, run: str) -> dict[str, Any]:
    """Return what one transaction for each row achieves."""
    source, waits = rows(run), list[float]()
    begun, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        prediction, scoring = next(source)
        asked = time.perf_counter()
        store.predictions.add([prediction])
        store.scorings.add([scoring])
        waits.append(time.perf_counter() - asked)
    return summary(waits, time.perf_counter() - begun, time.process_time() - cpu) | {"submitters": "one by one"}


def summary(waits: list[float], wall: float, cpu: float) -> dict[str, Any]:
    """Return the figures of a run."""
    waits.sort()
    return {
        "rows_per_s": round(len(waits) / wall),
        "cpu_ms_per_row": round(1e3 * cpu / len(waits), 4),
        "p50_ms": round(1e3 * statistics.median(waits), 2),
        "p99_ms": round(1e3 * waits[int(0.99 * len(waits))], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--address", help="database to write to; by default SQLite in a temporary folder")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        store = Store(given.address) if given.address else embedded(Path(folder))
        name = f"{time.time_ns():x}"
        told = [
            asyncio.run(grouped(store, n, given.seconds, f"{name}-{n}-{work}", work))
            for n, work in ((1, 0.0), (16, 0.0), (64, 0.0), (16, 0.0015))
        ]
        told.append(one_by_one(store, given.seconds, f"{name}-o"))
        store.close()
    if given.json:
        print(json.dumps({"dialect": store.database.dialect, "runs": told}))  # noqa: T201 - it is a command
    else:
        for run in told:
            print("  ".join(f"{k} {v}" for k, v in run.items()))  # noqa: T201 - it is a command


if __name__ == "__main__":
    main()
