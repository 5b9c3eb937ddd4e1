"""Measures servers in turn, round after round, and sums up what was seen.

Within a round every server is asked for a few seconds before the next one, at each number of connections: whatever else
the machine does meets all of them alike. Of the rounds the median is told, with the lowest and the highest.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving_bench.processes import TICKS_PER_SECOND
from benchmarks.serving_bench.running import Generator, Server

IDENTICAL, DISTINCT = "identical", "distinct"
WARM_UP_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """A few seconds of one server under load."""

    requests: int
    """Answers that came back whole and right."""
    errors: int
    seconds: float
    cpu_seconds: float
    """Of all processes of the server."""
    others: float
    """Cores that processes of neither the server nor the load generator kept busy meanwhile."""
    p50_ms: float
    p99_ms: float
    first_error: str = ""
    by_process: dict[str, float] = field(default_factory=dict)
    """CPU seconds by the name of the process."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Return the median of some values, with the lowest and the highest.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0)
    """
    found = sorted(values)
    return Spread(*(round(v, 3) for v in (statistics.median(found), found[0], found[-1])))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of ordered values lies; NaN where there is none.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    3.0
    """
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def summary(samples: Sequence[Sample], idle_cores: float) -> dict[str, Any]:
    """Return the figures of one server at one number of connections over all rounds.

    `cpu_ms` is what an answer cost; `cpu_ms_net` leaves out what the server uses when nobody asks it anything.
    """
    answered = [s for s in samples if s.requests]
    errors = sum(s.errors for s in samples)
    found: dict[str, Any] = {"requests": sum(s.requests for s in samples), "errors": errors}
    if errors:
        found["first_error"] = next(s.first_error for s in samples if s.errors)
    if not answered:
        return found
    names = set(itertools.chain.from_iterable(s.by_process for s in answered))
    whole = sum(s.requests for s in answered)
    by_process = {n: 1000 * sum(s.by_process.get(n, 0.0) for s in answered) / whole for n in names}
    return found | {
        "cpu_ms": spread(1000 * s.cpu_seconds / s.requests for s in answered),
        "cpu_ms_net": spread(1000 * (s.cpu_seconds - idle_cores * s.seconds) / s.requests for s in answered),
        "requests_per_second": spread(s.requests / s.seconds for s in answered),
        "p50_ms": spread(s.p50_ms for s in answered),
        "p99_ms": spread(s.p99_ms for s in answered),
        "others_cores": spread(s.others for s in answered),
        "cpu_ms_by_process": {n: round(v, 3) for n, v in sorted(by_process.items(), key=lambda p: -p[1]) if v > 0.005},
    }


def busy_seconds() -> float:
    """Return the processor time that the whole machine has used since it started (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq = (
        int(t) for t in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + softirq) / TICKS_PER_SECOND


class Measuring:
    """Asks servers; no card comes twice where cards are to be distinct."""

    def __init__(self, generator: Generator, seconds: float) -> None:
        self._generator, self._seconds, self._next = generator, seconds, int(time.time()) % 100_000

    def warm_up(self, server: Server, seconds: float) -> None:
        """Ask a server for so long and forget the answers."""
        self._shoot(server, DISTINCT, WARM_UP_CONNECTIONS, seconds)

    def sample(self, server: Server, traffic: str, connections: int) -> Sample:
        """Return what a few seconds of traffic came to."""
        own, all_, shot, began = server.usage(), busy_seconds(), self._generator.usage(), time.monotonic()
        told = self._shoot(server, traffic, connections, self._seconds)
        used, seconds = server.usage().since(own), time.monotonic() - began
        others = busy_seconds() - all_ - used.seconds - self._generator.usage().since(shot).seconds
        taken = sorted(told["latencies"])
        return Sample(
            requests=len(taken),
            errors=told["errors"],
            seconds=seconds,
            cpu_seconds=used.seconds,
            others=max(0.0, others / seconds),
            p50_ms=1000 * quantile(taken, 0.5),
            p99_ms=1000 * quantile(taken, 0.99),
            first_error=told["first_error"],
            by_process=dict(used.by_name),
        )

    def _shoot(self, server: Server, traffic: str, connections: int, seconds: float) -> dict[str, Any]:
        told = self._generator.shoot(
            server,
            first=self._next if traffic == DISTINCT else 0,
            distinct=traffic == DISTINCT,
            connections=connections,
            seconds=seconds,
        )
        self._next += told["sent"] if traffic == DISTINCT else 0
        return told


def idle(servers: Sequence[Server], seconds: float) -> dict[str, float]:
    """Return how many cores each server keeps busy while nobody asks any of them anything."""
    before = {server.contestant.name: server.usage() for server in servers}
    time.sleep(seconds)
    return {s.contestant.name: s.usage().since(before[s.contestant.name]).seconds / seconds for s in servers}


Row = tuple[str, str]
"""Name of a server, and the traffic it was asked with."""


def measure(
    servers: Sequence[Server],
    traffic: Callable[[Server], Sequence[str]],
    measuring: Measuring,
    connections: Sequence[int],
    rounds: int,
) -> Iterator[tuple[Row, int, Sample]]:
    """Yield a sample of each server, in turn, for each round and number of connections."""
    for _, count in itertools.product(range(rounds), connections):
        for server in servers:
            for kind in traffic(server):
                yield (server.contestant.name, kind), count, measuring.sample(server, kind, count)


def load_average() -> list[float]:
    """Return the machine's load averages."""
    return [round(v, 2) for v in os.getloadavg()]
