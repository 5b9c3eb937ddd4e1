"""What the audit trail costs: appends a second from threads and processes, and a look at the whole of it.

`python benchmarks/audit.py [--uri postgresql://...]`; without an address a file of SQLite in a temporary folder.
Prints one JSON line for each measurement.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from oracle.governance.audit import Entry, Head, Link, linked
from oracle.governance.verification import verify
from oracle.store import Store

NOON = dt.datetime(2026, 5, 3, 12, 30, tzinfo=dt.UTC)


def entry(name: str, number: int) -> Entry:
    """Return an entry of the size of a real one."""
    return Entry(
        entry_id=f"{name}-{number}",
        at=NOON + dt.timedelta(milliseconds=number),
        actor="ann",
        address="10.0.0.7",
        action="promote",
        target="equine-oracle/3",
        outcome="allowed",
        reason="better by 0.4% in 2,300 paired races",
        before='{"production":2}',
        after='{"production":3}',
    )


def append(uri: str, name: str, count: int) -> float:
    """Append so many entries and return the longest wait for one."""
    store, longest = Store(uri, patience=60), 0.0
    for number in range(count):
        begun = time.perf_counter()
        store.audit.append(entry(name, number))
        longest = max(longest, time.perf_counter() - begun)
    store.close()
    return longest


def appends(uri: str, kind: str, writers: int, count: int) -> dict[str, object]:
    """Return how fast several writers append to one trail."""
    pool: Executor = (
        ThreadPoolExecutor(writers)
        if kind == "threads"
        else ProcessPoolExecutor(writers, mp_context=get_context("spawn"))
    )
    with pool:
        list(pool.map(append, [uri] * writers, [f"warm-{kind}-{writers}-{w}" for w in range(writers)], [1] * writers))
        begun = time.perf_counter()
        waits = list(
            pool.map(append, [uri] * writers, [f"{kind}-{writers}-{w}" for w in range(writers)], [count] * writers)
        )
        seconds = time.perf_counter() - begun
    return {
        "appends": writers * count,
        "by": f"{writers} {kind}",
        "per_second": round(writers * count / seconds),
        "longest_wait_ms": round(1000 * max(waits), 1),
    }


def endless(count: int) -> Iterator[Link]:
    """Yield a sound chain that nobody keeps."""
    head = Head()
    for number in range(count):
        link = linked(head, entry("e", number))
        head = Head(link.position, link.hash)
        yield link


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--uri")
    asked.add_argument("--count", type=int, default=400)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uri = given.uri or f"sqlite:///{Path(folder) / 'oracle.db'}"
        Store(uri).close()
        for kind, writers in (("threads", 1), ("threads", 4), ("processes", 2), ("processes", 4)):
            sys.stdout.write(json.dumps(appends(uri, kind, writers, given.count)) + "\n")
        store = Store(uri)
        begun = time.perf_counter()
        verdict = verify(store.audit.walk())
        seconds = time.perf_counter() - begun
        told = {"verified": verdict.entries, "sound": verdict.sound, "per_second": round(verdict.entries / seconds)}
        sys.stdout.write(json.dumps(told) + "\n")
        store.close()
    peaks = []
    for count in (20_000, 200_000):
        verify(endless(count))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    sys.stdout.write(json.dumps({"peak_mb_after_20000_links": peaks[0], "after_200000": peaks[1]}) + "\n")


if __name__ == "__main__":
    main()
