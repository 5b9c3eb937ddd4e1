"""What serving counts about itself: the names, and a tally that costs a request next to nothing. Pure.

Counts gather in plain dictionaries and leave once a second from the background; `oracle.serving.exporter` hands them to
Ray, which exports them to Prometheus under `ray_` and the name given here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
LATENCY_MS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000, 10000)
"""Upper edges of the latency histogram's buckets."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    kind: Kind
    tags: tuple[str, ...]
    meaning: str


METRICS: Mapping[str, Metric] = {
    "oracle_requests": Metric("counter", ("arm", "version"), "Answered cards, by assigned arm and answering version."),
    "oracle_refusals": Metric("counter", ("status",), "Requests that were refused, by HTTP status."),
    "oracle_errors": Metric("counter", ("arm", "version", "kind"), "Requests that failed by no fault of the caller."),
    "oracle_latency_ms": Metric(
        "histogram", ("arm", "version"), "Milliseconds from the whole body to the committed answer."
    ),
    "oracle_fallbacks": Metric("counter", ("arm", "why"), "Cards of a challenger that the control answered, and why."),
    "oracle_repeats": Metric("counter", (), "Requests that were repeated and got the answer that was kept."),
    "oracle_cache_hits": Metric("counter", (), "Cards answered from the cache."),
    "oracle_cache_misses": Metric("counter", (), "Cards that were scored."),
    "oracle_shadow_scored": Metric("counter", (), "Cards that the other arm scored beside the answer."),
    "oracle_shadow_shed": Metric("counter", (), "Shadow work given up: too much, or too old."),
    "oracle_shadow_failed": Metric("counter", (), "Shadow work that the other arm could not do."),
    "oracle_shadow_depth": Metric("gauge", (), "Cards that wait for the other arm."),
    "oracle_shadow_lag_seconds": Metric("gauge", (), "How long the card scored last had waited."),
    "oracle_commit_seconds": Metric("gauge", (), "How long the last transaction of answers took."),
    "oracle_commit_depth": Metric("gauge", (), "Answers that wait for their commit."),
    "oracle_store_away_seconds": Metric("gauge", (), "Seconds since our store was found away; 0 while it answers."),
    "oracle_registry_away_seconds": Metric("gauge", (), "The same of the registry with its artifacts."),
    "oracle_spool_rows": Metric("gauge", (), "Answers and scorings that wait on this machine for our store."),
    "oracle_spool_bytes": Metric("gauge", (), "Bytes of the journals that they wait in."),
    "oracle_spool_refused": Metric("gauge", (), "Rows that our store did not take: kept beside the journals."),
    "oracle_spool_otherwise": Metric("gauge", (), "Spooled answers for which our store held another one."),
    "oracle_members_scored_here": Metric("counter", ("member",), "Scores that a member's deployment did not give."),
    "oracle_routing_rejections": Metric("counter", (), "Values of user_config that were refused."),
    "oracle_form_seq": Metric("gauge", (), "Number of the last result in the form."),
    "oracle_ndcg_at_3": Metric("gauge", ("experiment", "arm"), "Running NDCG@3 of each arm on the races run since."),
}
"""Every metric by its name; docs/serving.md lists the same."""

Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What has gathered since the last time it was taken."""

    counts: Mapping[Key, float]
    gauges: Mapping[Key, float]
    values: Mapping[Key, list[float]]

    def __iter__(self) -> Iterator[tuple[str, tuple[str, ...], Kind, list[float]]]:
        """Yield name, tags, kind and values of each."""
        kinds: tuple[tuple[Kind, Mapping[Key, float]], ...] = (("counter", self.counts), ("gauge", self.gauges))
        for kind, held in kinds:
            for (name, tags), value in held.items():
                yield name, tags, kind, [value]
        for (name, tags), values in self.values.items():
            yield name, tags, "histogram", values


class Tally:
    """Counts; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}
        self._values: dict[Key, list[float]] = {}

    def count(self, name: str, *tags: str, by: float = 1.0) -> None:
        """Add to a counter.

        >>> tally = Tally(); tally.count("oracle_refusals", "422"); tally.take().counts
        {('oracle_refusals', ('422',)): 1.0}
        """
        key = (name, tags)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0.0) + by

    def gauge(self, name: str, *tags: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._gauges[name, tags] = value

    def observe(self, name: str, *tags: str, value: float) -> None:
        """Add a value to a histogram."""
        with self._lock:
            self._values.setdefault((name, tags), []).append(value)

    def take(self) -> Taken:
        """Return what has gathered and begin anew."""
        with self._lock:
            taken = Taken(self._counts, self._gauges, self._values)
            self._counts, self._gauges, self._values = {}, {}, {}
        return taken
