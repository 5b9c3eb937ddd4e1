"""What carries a drift: which columns, which courses, which distances, with their shares. Pure.

A column's strength is how many times its distance is the floor from which a distance matters. A fall of NDCG@3 is cut
by course, distance and so on into what each value adds to it: what its own races lost, at today's share of the races,
and what its greater share costs where it always was harder. The parts of one cut add up to the fall.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from oracle.drift.racing import OF_A_SLICE, RaceSums, sliced_by, slices_of
from oracle.drift.words import Part, Verdict
from oracle.ranking.races import Floats

SHOWN = 3
"""Values of each cut that are named at most."""
LEAST = 0.2
"""Share of the fall that a value must carry to be named."""
FEWEST = 20
"""Races of a value in the current window."""
MOVED = 0.05
"""Share of the races by which a value must have moved to be named."""


def of_columns(strengths: Mapping[str, float], told: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the drifted columns, the strongest first.

    Args:
        strengths: Of each drifted column, in floors.
        told: What a person reads of it.
    """
    total = sum(strengths.values())
    ordered = sorted(strengths.items(), key=lambda item: -item[1])
    return [
        {"part": "data", "feature": name, "strength": value, "share": value / total, "cause": told[name]}
        for name, value in ordered
    ]


def of_parts(parts: Mapping[str, Part]) -> list[dict[str, Any]]:
    """Return which distributions and rates drifted in predictions and outcomes."""
    out = []
    for part in ("prediction", "outcome"):
        found = [(n, f) for n, f in parts[part].found.items() if isinstance(f, Mapping) and f.get("drifted")]
        for name, each in sorted(found, key=lambda item: item[1]["adjusted_p_value"]):
            cause = each.get("cause") or f"PSI {each['psi']:.3f}"
            out.append({"part": part, "feature": name, "share": 1.0 / len(found), "cause": cause})
    return out


def of_concept(reference: RaceSums, current: RaceSums, part: Part) -> list[dict[str, Any]]:
    """Return the courses, distances, ... that carry a fall of NDCG@3, the largest share first; none without a fall."""
    if part.verdict is not Verdict.DRIFT:
        return []
    relative = part.found.get("market") is not None
    out: list[dict[str, Any]] = []
    for kind in sliced_by([reference, current]):
        out += _cut(kind, slices_of(reference, kind), slices_of(current, kind), relative=relative)
    return sorted(out, key=lambda cause: -cause["share"])


def _cut(
    kind: str, reference: Mapping[str, Floats], current: Mapping[str, Floats], *, relative: bool
) -> Iterable[dict[str, Any]]:
    values = list(current)
    if len(values) < 2:
        return []
    sums = [[_sums(window.get(value), relative=relative) for value in values] for window in (reference, current)]
    (lost_ref, n_ref), (lost_cur, n_cur) = (np.array(each, dtype=np.float64).T for each in sums)
    if not n_ref.sum() or not n_cur.sum():
        return []
    overall = lost_ref.sum() / n_ref.sum()
    was = np.divide(lost_ref, n_ref, out=np.full(n_ref.size, overall), where=n_ref > 0)
    now = np.divide(lost_cur, n_cur, out=was.copy(), where=n_cur > 0)
    share_ref, share_cur = n_ref / n_ref.sum(), n_cur / n_cur.sum()
    carried = share_cur * (was - now) + (share_ref - share_cur) * (was - overall)
    fall = overall - lost_cur.sum() / n_cur.sum()
    if fall <= 0.0:
        return []
    named = [i for i in np.argsort(-carried)[:SHOWN] if carried[i] / fall >= LEAST and n_cur[i] >= FEWEST]
    return [
        {
            "part": "concept",
            "feature": kind,
            "level": values[i],
            "share": float(carried[i] / fall),
            "share_of_races": float(share_cur[i]),
            "cause": f"{values[i]}: {was[i]:.3f} -> {now[i]:.3f} in {n_cur[i]:.0f} races",
        }
        for i in named
        if carried[i] / fall > share_cur[i]  # more than its races would carry anyway
    ]


def _sums(row: Floats | None, *, relative: bool) -> tuple[float, float]:
    """Return sum of NDCG@3 (less the market's) and the races."""
    if row is None:
        return 0.0, 0.0
    at = dict(zip(OF_A_SLICE, row.tolist(), strict=True))
    return (at["model"] - at["market"], at["both"]) if relative else (at["ndcg"], at["judged"])


def mix(reference: RaceSums, current: RaceSums) -> list[dict[str, Any]]:
    """Return the courses, distances, ... that have another share of the races than they had, the largest move first."""
    out: list[tuple[float, dict[str, Any]]] = []
    for kind in sliced_by([reference, current]):
        one, two = slices_of(reference, kind), slices_of(current, kind)
        total = [sum(row[0] for row in each.values()) for each in (one, two)]
        if not all(total):
            continue
        for value in {*one, *two}:
            was, now = (float(w[value][0] / n) if value in w else 0.0 for w, n in zip((one, two), total, strict=True))
            if abs(now - was) >= MOVED:
                out.append((abs(now - was), {"feature": kind, "level": value, "reference": was, "current": now}))
    return [told for _, told in sorted(out, key=lambda each: -each[0])][: 2 * SHOWN]
