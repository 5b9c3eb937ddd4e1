"""What the figures say: one document, one table, and each target with whether it was met. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving_bench.rounds import DISTINCT, IDENTICAL, Row, Spread

OURS, OURS_TESTING = "oracle", "oracle-ab"
AT = 16
"""Connections at which processor time is compared."""
P50_MS = 10.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A ratio of processor time per request that is to be kept."""

    ours: str
    peer: str
    at_most: float


LIMITS = (
    Limit(OURS, "fastapi", 0.7),
    Limit(OURS, "fastapi-plain", 0.7),
    Limit(OURS_TESTING, "fastapi", 1.0),
    Limit(OURS_TESTING, "fastapi-plain", 1.0),
    Limit(OURS, "bentoml", 0.4),
    Limit(OURS, "bentoml-async", 0.4),
    Limit(OURS, "ray-textbook", 1 / 20),
)
"""What the peers' median CPU per request, without idle time, is to be undercut by."""

Figures = Mapping[Row, Mapping[int, Mapping[str, Any]]]


def ratios(figures: Figures, limits: Sequence[Limit] = LIMITS) -> list[dict[str, Any]]:
    """Return each ratio that could be measured, by our traffic: ours over the peer's, and whether the limit holds.

    A peer answers each card anew, so what it costs does not depend on the traffic; ours may answer an identical card
    from its cache, so both are told.
    """
    found = []
    for limit in limits:
        theirs = _cpu(figures, (limit.peer, DISTINCT))
        for kind in (IDENTICAL, DISTINCT):
            own = _cpu(figures, (limit.ours, kind))
            if own is not None and theirs is not None:
                ratio = own / theirs
                found.append(
                    {
                        "what": f"CPU per request, {limit.ours} ({kind} cards) over {limit.peer}",
                        "found": round(ratio, 4),
                        "at_most": round(limit.at_most, 4),
                        "met": ratio <= limit.at_most,
                    }
                )
    return found


def latency_target(figures: Figures) -> list[dict[str, Any]]:
    """Return our median latency at one connection, by traffic, and whether it is short enough."""
    found = []
    for kind in (IDENTICAL, DISTINCT):
        row = figures.get((OURS, kind), {}).get(1, {})
        if "p50_ms" in row:
            p50 = row["p50_ms"].median
            what = f"p50 at one connection, {OURS} ({kind} cards), ms"
            found.append({"what": what, "found": p50, "at_most": P50_MS, "met": p50 <= P50_MS})
    return found


def _cpu(figures: Figures, row: Row) -> float | None:
    found = figures.get(row, {}).get(AT, {}).get("cpu_ms_net")
    return found.median if isinstance(found, Spread) else None


def table(figures: Figures, idle_cores: Mapping[str, float]) -> str:
    """Return the figures as lines of text, one per server, traffic and number of connections."""
    figures_of = ("CPU ms", "low-high", "with idle", "idle cores", "req/s", "p50 ms", "p99 ms", "errors")
    rows: list[tuple[str, ...]] = [("server", "cards", "conn.", *figures_of)]
    for (server, kind), by_connections in figures.items():
        for count, row in by_connections.items():
            if "cpu_ms" not in row:
                rows.append((server, kind, str(count), *["-"] * 7, str(row["errors"])))
                continue
            net = row["cpu_ms_net"]
            rows.append(
                (
                    server,
                    kind,
                    str(count),
                    f"{net.median:.2f}",
                    f"{net.low:.2f}-{net.high:.2f}",
                    f"{row['cpu_ms'].median:.2f}",
                    f"{idle_cores.get(server, 0.0):.2f}",
                    f"{row['requests_per_second'].median:.0f}",
                    f"{row['p50_ms'].median:.1f}",
                    f"{row['p99_ms'].median:.1f}",
                    str(row["errors"]),
                )
            )
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns: the first two to the left, the others to the right.

    >>> print(aligned([("a", "b", "c"), ("dd", "e", "100")]))
    a   b    c
    dd  e  100
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def verdicts(targets: Sequence[Mapping[str, Any]]) -> str:
    """Return one line per target."""
    return "\n".join(
        f"{'met   ' if t['met'] else 'MISSED'}  {t['what']}: {t['found']:.3f} (at most {t['at_most']:.3f})"
        for t in targets
    )
