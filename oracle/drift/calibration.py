"""How often a policy would have raised an alarm on a past, and which floors would have been quiet enough. Pure.

Windows slide over the weeks of the past as a monitor would have looked at them: the last weeks against those before
them, or against the same weeks of earlier years. Whatever alarms there is a false alarm as far as nobody calls it
drift. An alarm that lasts over several looks is one. Sketches of weeks add, so that no row is read twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oracle.drift.distance import column_distances
from oracle.drift.season import same_weeks
from oracle.drift.sketch import Sketch, together
from oracle.drift.verdict import Report, judge, races_of
from oracle.drift.words import Verdict
from oracle.progress import Progress, silent
from oracle.settings import DriftPolicy

PARTS = ("data", "prediction", "concept", "outcome")
WEEKS_A_YEAR = 365.25 / 7.0
LOUD = 0.2
"""Share of the looks from which a column is worth a thought whether it should be judged at all."""
LEAST_YEARS = 1.0
"""Years of looks below which an alarm rate says nothing."""


@dataclass(frozen=True)
class Block:
    """One week of races."""

    monday: int
    """Days since 1970."""
    sketch: Sketch
    """Closed: no race is cut."""


@dataclass(frozen=True, slots=True)
class Sliding:
    """How the windows slide, in weeks."""

    current: int = 13
    reference: int = 52
    step: int = 4


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at one window would have said."""

    monday: int
    """First week after the window."""
    verdicts: Mapping[str, Verdict]
    strengths: Mapping[str, float]
    """Of each part: how large the largest difference that is no accident is, in floors; it alarms from 1 on."""
    features: Mapping[str, float]
    """The same of each column."""

    @property
    def alarm(self) -> bool:
        """Whether any part alarms."""
        return Verdict.DRIFT in self.verdicts.values()


def looks(
    blocks: Sequence[Block], sliding: Sliding, policy: DriftPolicy, *, seasonal: bool, progress: Progress = silent
) -> Iterator[Look]:
    """Yield what each look would have said, the earliest first.

    Args:
        blocks: Weeks, ascending.
        sliding: Windows.
        policy: In force.
        seasonal: Against the same weeks of earlier years in place of the weeks before.
        progress: Shows how far the looks are.
    """
    first, last = blocks[0].monday, blocks[-1].monday + 7
    begin = first + 7 * (sliding.reference + sliding.current)
    for until in progress(range(begin, last + 1, 7 * sliding.step), "looking back", None):
        since = until - 7 * sliding.current
        current = [b for b in blocks if since <= b.monday < until]
        if seasonal:
            mondays = np.array([b.monday for b in blocks])
            # A week is one of the same weeks where its Monday is: the margin is in weeks as well.
            same = same_weeks(mondays, since, until - 7, policy.season_weeks)
            reference = [b for b, wanted in zip(blocks, same, strict=True) if wanted]
        else:
            reference = [b for b in blocks if since - 7 * sliding.reference <= b.monday < since]
        if current and reference:
            yield _look(until, reference, current, policy)


def _look(until: int, reference: Sequence[Block], current: Sequence[Block], policy: DriftPolicy) -> Look:
    one, two = (together(b.sketch for b in window) for window in (reference, current))
    assert one is not None
    assert two is not None
    distances = column_distances(
        one,
        two,
        smallest_rows=policy.min_rows,
        smallest_races=policy.min_clusters,
        smallest_months=policy.min_months,
    )
    report = judge(distances, races_of(one), races_of(two), policy)
    features = {
        name: f.strength if f.q_value is None or f.q_value < policy.alpha else 0.0
        for name, f in report.features.items()
    }
    return Look(
        until,
        {name: part.verdict for name, part in report.parts.items()},
        strengths_of(report, features, policy),
        features,
    )


def strengths_of(report: Report, features: Mapping[str, float], policy: DriftPolicy) -> dict[str, float]:
    """Return how large, in floors, the largest difference of each part is that is no accident."""
    out = {"data": max(features.values(), default=0.0)}
    floors = {"favourites": policy.strike_rate, "times": policy.times}
    for part, floor in (("prediction", policy.prediction), ("outcome", policy.outcome)):
        out[part] = max(
            (
                (found["psi"] / floor) if "psi" in found else abs(found["difference"]) / floors[name]
                for name, found in report.parts[part].found.items()
                if isinstance(found, Mapping) and found.get("adjusted_p_value", 1.0) < policy.alpha
            ),
            default=0.0,
        )
    concept = report.parts["concept"]
    drop = concept.found.get("drop", 0.0) / policy.ndcg_drop
    out["concept"] = drop if concept.verdict is Verdict.DRIFT else 0.0
    return out


def alarms(alarmed: Sequence[bool]) -> int:
    """Return how many alarms begin: one that lasts is one.

    >>> alarms([True, True, False, True])
    2
    """
    return sum(now and not before for before, now in zip([False, *alarmed], alarmed, strict=False))


def rates(found: Sequence[Look], sliding: Sliding) -> dict[str, Any]:
    """Return alarms a year, of the whole and of each part and column, and the floors that come to about one."""
    years = len(found) * sliding.step / WEEKS_A_YEAR
    if years < LEAST_YEARS:
        return {"looks": len(found), "years": years, "reason": "the past is too short: less than a year of looks"}
    names = sorted({name for look in found for name in look.features})
    columns = {name: _rate([look.features.get(name, 0.0) >= 1.0 for look in found], years) for name in names}
    loud = {name: rate for name, rate in columns.items() if rate["looks_in_alarm"]}
    return {
        "looks": len(found),
        "years": years,
        **_rate([look.alarm for look in found], years),
        "parts": {part: _part(part, found, years) for part in PARTS},
        "without_the_loudest": _without(
            [n for n, rate in loud.items() if rate["share_of_looks"] >= LOUD], found, years
        ),
        "features": dict(sorted(loud.items(), key=lambda item: -item[1]["share_of_looks"])),
    }


def _without(names: Sequence[str], found: Sequence[Look], years: float) -> dict[str, Any]:
    """Return the data part's rate as it would have been with some columns in `drift.ignore`."""
    alarmed = [any(s >= 1.0 for n, s in look.features.items() if n not in names) for look in found]
    return {"ignored": list(names), **_rate(alarmed, years)}


def _part(part: str, found: Sequence[Look], years: float) -> dict[str, Any]:
    """Return a part's rate, and the factor on its floors at which it would have alarmed about once a year."""
    said = [look.verdicts[part] for look in found]
    strengths = np.array([look.strengths[part] for look in found])
    return {
        **_rate([verdict is Verdict.DRIFT for verdict in said], years, sum(v is not Verdict.UNMEASURED for v in said)),
        "unmeasured": sum(verdict is Verdict.UNMEASURED for verdict in said),
        "floors_for_one_a_year": _factor(strengths, years),
    }


def _factor(strengths: np.ndarray[Any, Any], years: float) -> float:
    """Return the smallest factor, 1 or more, on the floors with at most one new alarm a year."""
    for factor in np.unique(np.concatenate(([1.0], strengths[strengths >= 1.0] * 1.001))):
        if alarms([bool(s >= factor) for s in strengths]) <= max(years, 1.0) and (strengths >= factor).mean() <= 0.5:
            return float(round(factor, 2))
    return float(round(strengths.max(initial=1.0) * 1.001, 2))


def _rate(alarmed: Sequence[bool], years: float, measured: int | None = None) -> dict[str, Any]:
    """Return alarms, and their share of the looks that could be measured."""
    return {
        "alarms": alarms(alarmed),
        "alarms_per_year": alarms(alarmed) / years,
        "looks_in_alarm": sum(alarmed),
        "share_of_looks": sum(alarmed) / max(len(alarmed) if measured is None else measured, 1),
    }


def document(
    found: Mapping[str, Mapping[str, Sequence[Look]]], sliding: Sliding, policy: DriftPolicy
) -> dict[str, Any]:
    """Return the rates of each choice of clusters and of reference, and what is advised.

    Args:
        found: By cluster and by reference (`before`, `same-weeks`), the looks.
        sliding: Windows.
        policy: In force.
    """
    rated = {
        cluster: {name: rates(each, sliding) for name, each in by_reference.items()}
        for cluster, by_reference in found.items()
    }
    return {
        "windows_in_weeks": asdict(sliding),
        "policy": policy.model_dump(),
        "in_force": {"cluster": policy.cluster, "reference": "before"},
        "choices": rated,
        "advice": _advice(rated, policy),
    }


def _advice(rated: Mapping[str, Mapping[str, Mapping[str, Any]]], policy: DriftPolicy) -> list[str]:
    out = []
    measured = [
        (each["share_of_looks"], cluster, name)
        for cluster, by_reference in rated.items()
        for name, each in by_reference.items()
        if "share_of_looks" in each
    ]
    if not measured:
        return ["the past is too short to calibrate on"]
    share, cluster, name = min(measured)
    ours = next((s for s, c, n in measured if (c, n) == (policy.cluster, "before")), None)
    if ours is not None and share < ours:
        out.append(f"fewest looks in alarm: drift.cluster = {cluster!r} against {name} ({share:.0%}, now {ours:.0%})")
    now = rated.get(policy.cluster, {}).get("before", {})
    rest = now.get("without_the_loudest", {"ignored": []})
    if rest["ignored"]:
        out.append(
            f"drift.ignore = {rest['ignored']} if you know of them: the other columns alarm "
            f"{rest['alarms_per_year']:.1f} times a year, in {rest['share_of_looks']:.0%} of the looks"
        )
    for part, found in now.get("parts", {}).items():
        factor = found["floors_for_one_a_year"]
        if factor > 1.0 and part != "concept":
            out.append(
                f"{part}: about one alarm a year with {factor:.2f} times the floors ({_floors(part, policy, factor)})"
            )
    return out


def _floors(part: str, policy: DriftPolicy, factor: float) -> str:
    names = {"data": ("ks", "psi", "missing"), "prediction": ("prediction",)}.get(
        part, ("outcome", "strike_rate", "times")
    )
    return ", ".join(f"drift.{name} = {getattr(policy, name) * factor:.3g}" for name in names)


def text(told: Mapping[str, Any]) -> str:
    """Return the rates as a person reads them."""
    windows = told["windows_in_weeks"]
    lines = [
        f"looks every {windows['step']} weeks at the last {windows['current']} weeks; in force: cluster "
        f"{told['in_force']['cluster']}, against the {windows['reference']} weeks before"
    ]
    for cluster, by_reference in told["choices"].items():
        for name, each in by_reference.items():
            if "reason" in each:
                lines.append(f"{cluster:<8}{name:<12}{each['reason']} ({each['looks']} looks)")
                continue
            lines.append(
                f"{cluster:<8}{name:<12}{each['alarms_per_year']:.1f} alarms a year, {each['share_of_looks']:.0%} of "
                f"{each['looks']} looks in alarm over {each['years']:.1f} years"
            )
            for part, found in each["parts"].items():
                blind = f", {found['unmeasured']} not measured" if found["unmeasured"] else ""
                share = f"{found['share_of_looks']:.0%} of looks{blind}"
                lines.append(f"    {part:<11}{found['alarms_per_year']:.1f} a year, {share}")
            loud = [f"{n} {f['share_of_looks']:.0%}" for n, f in list(each["features"].items())[:8]]
            if loud:
                lines.append(f"    columns    {', '.join(loud)}")
    lines += [f"advice: {each}" for each in told["advice"]]
    return "\n".join(lines)
