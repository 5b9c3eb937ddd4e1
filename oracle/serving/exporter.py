"""Hands what serving counts to Ray's metrics, which Prometheus scrapes from every node."""

from __future__ import annotations

from collections.abc import Callable

from ray.util.metrics import Counter, Gauge, Histogram

from oracle.serving.metrics import LATENCY_MS, METRICS, Taken


class Exporter:
    """One per replica: holds Ray's side of each metric."""

    def __init__(self, replica: str) -> None:
        """Make them all.

        Args:
            replica: Tag that tells replicas apart: gauges of two must not overwrite each other.
        """
        self._made: dict[str, Counter | Gauge | Histogram] = {}
        for name, metric in METRICS.items():
            tags = (*metric.tags, "replica")
            made: Counter | Gauge | Histogram
            if metric.kind == "histogram":
                made = Histogram(name, metric.meaning, boundaries=list(LATENCY_MS), tag_keys=tags)
            else:
                made = (Counter if metric.kind == "counter" else Gauge)(name, metric.meaning, tag_keys=tags)
            made.set_default_tags({"replica": replica})
            self._made[name] = made

    def __call__(self, taken: Taken) -> None:
        """Hand over what has gathered."""
        for name, tags, _, values in taken:
            made, said = self._made[name], dict(zip(METRICS[name].tags, tags, strict=True))
            put: Callable[..., None] = (
                made.inc if isinstance(made, Counter) else made.set if isinstance(made, Gauge) else made.observe
            )
            for value in values:
                put(value, tags=said)
