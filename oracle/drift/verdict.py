"""The verdict on two windows: has racing, or what the model makes of it, changed. Pure.

Four parts look at four things: *data* (the columns, one by one), *prediction* (what the model says), *concept* (how
well it ranks, against the market), *outcome* (the results themselves). Each answers drift, no drift or could not
measure, with its cause. A part that could not be looked at makes no `no drift`: it is listed as such.

A column has drifted where the difference is no accident among so many columns (Benjamini and Hochberg) and is large
enough to matter (the floors of the policy): with enough rows any difference is significant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from oracle.drift import causes
from oracle.drift.concept import concept
from oracle.drift.distance import Distance, Outcome, column_distances
from oracle.drift.multiple import benjamini_hochberg
from oracle.drift.outcome import outcome
from oracle.drift.prediction import prediction
from oracle.drift.racing import RaceSums
from oracle.drift.sketch import Sketch
from oracle.drift.words import Part, Verdict, together, unmeasured
from oracle.settings import DriftPolicy

CLUSTERS: Mapping[str, tuple[str, ...]] = {
    "race": ("race_id",),
    "meeting": ("meeting", "race_id"),
    "day": ("date", "meeting", "race_id"),
}
"""For each kind of cluster the columns that say which rows belong together; the first that exists is taken."""

GONE = 100.0
"""Strength of what needs no test: stronger than any distance that is measured against a floor."""
IGNORED = "not judged: named in drift.ignore"
EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Feature:
    """The verdict on one column."""

    distance: Distance
    verdict: Verdict
    cause: str
    strength: float
    """How many times the floor the difference is."""
    q_value: float | None

    @property
    def drifted(self) -> bool:
        """Whether the column is part of the alarm."""
        return self.verdict is Verdict.DRIFT

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found = {name: value for name, value in self.distance.as_dict().items() if name not in ("name", "role")}
        return {
            **found,
            "q_value": self.q_value,
            "drifted": self.drifted,
            "verdict": str(self.verdict),
            "cause": self.cause,
        }


@dataclass(frozen=True, slots=True)
class Window:
    """What was compared, in a few numbers."""

    rows: int
    races: int
    meetings: int
    first: str | None
    last: str | None

    @classmethod
    def of(cls, sketch: Sketch) -> Window:
        """Return the numbers of a window."""
        sums = races_of(sketch)
        days = [None if day is None else str(EPOCH + dt.timedelta(days=day)) for day in (sums.first, sums.last)]
        return cls(sketch.rows, sums.races, int(sums.meetings.keys.size), *days)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Report:
    """The verdict with everything behind it."""

    parts: Mapping[str, Part]
    """data, prediction, concept, outcome."""
    features: Mapping[str, Feature]
    causes: Sequence[Mapping[str, Any]]
    """What carries the drift, the strongest first."""
    mix: Sequence[Mapping[str, Any]]
    """Courses, distances, ... with another share of the races than they had: context, no alarm."""
    reference: Window
    current: Window
    cluster: str | None
    max_ks_error: float | None
    seconds: float | None = None
    cpu_seconds: float | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def verdict(self) -> Verdict:
        """Drift where any part drifted; no drift where at least one could be measured and none drifted."""
        return together(part.verdict for part in self.parts.values())

    @property
    def alarm(self) -> bool:
        """Whether somebody should be told."""
        return self.verdict is Verdict.DRIFT

    def timed(self, seconds: float, cpu_seconds: float) -> Report:
        """Return the report with what it took."""
        return replace(self, seconds=seconds, cpu_seconds=cpu_seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        of = {verdict: [n for n, p in self.parts.items() if p.verdict is verdict] for verdict in Verdict}
        return {
            "verdict": str(self.verdict),
            "alarm": self.alarm,
            "drifted": of[Verdict.DRIFT],
            "unmeasured": of[Verdict.UNMEASURED],
            "causes": [dict(cause) for cause in self.causes],
            **{name: part.as_dict() for name, part in self.parts.items()},
            "features": {name: feature.as_dict() for name, feature in self.features.items()},
            "mix": [dict(each) for each in self.mix],
            "rows": self.reference.rows + self.current.rows,
            "reference": self.reference.as_dict(),
            "current": self.current.as_dict(),
            "cluster": self.cluster,
            "notes": list(self.notes),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "max_ks_error": self.max_ks_error,
        }


def cluster_of(names: Iterable[str], policy: DriftPolicy) -> str | None:
    """Return the column whose equal neighbours depend on each other; None where there is none."""
    have = set(names)
    return next((name for name in CLUSTERS[policy.cluster] if name in have), None)


def races_of(sketch: Sketch) -> RaceSums:
    """Return what a sketch knows of whole races, its cut ones counted as they are."""
    sums = sketch.closed().races
    return sums if isinstance(sums, RaceSums) else RaceSums.zero()


def compare(reference: Sketch, current: Sketch, policy: DriftPolicy) -> Report:
    """Return the verdict on a window against its reference.

    Args:
        reference: Counted on its own grid.
        current: Counted on the same grid.
        policy: Levels and floors.
    """
    reference, current = reference.closed(), current.closed()
    distances = column_distances(
        reference,
        current,
        smallest_rows=policy.min_rows,
        smallest_races=policy.min_clusters,
        smallest_months=policy.min_months,
    )
    report = judge(distances, races_of(reference), races_of(current), policy)
    cluster = reference.layout.cluster
    notes = () if cluster else ("no column says which rows belong together: each row was taken as independent",)
    return replace(report, reference=Window.of(reference), current=Window.of(current), cluster=cluster, notes=notes)


def judge(distances: Sequence[Distance], reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> Report:
    """Return the verdict on what was measured: the same distances may be judged under several policies."""
    data = [d for d in distances if d.role == "data"]
    features = {f.distance.name: f for f in of_columns(data, policy)}
    said = prediction(reference, current, policy)
    if said.verdict is Verdict.UNMEASURED:
        said = _by_columns([d for d in distances if d.role == "prediction"], policy, said)
    came = outcome(reference, current, policy)
    if came.verdict is Verdict.UNMEASURED and not (reference and current):
        came = _by_columns([d for d in distances if d.role == "outcome"], policy, came)
    parts = {
        "data": data_part(features),
        "prediction": said,
        "concept": concept(reference, current, policy),
        "outcome": came,
    }
    drifted = {name: f for name, f in features.items() if f.drifted}
    carried = [
        *causes.of_columns({n: f.strength for n, f in drifted.items()}, {n: f.cause for n, f in drifted.items()}),
        *causes.of_parts(parts),
        *causes.of_concept(reference, current, parts["concept"]),
    ]
    errors = [d.max_ks_error for d in distances if d.max_ks_error is not None]
    empty = Window(0, 0, 0, None, None)
    mix = causes.mix(reference, current) if reference and current else []
    return Report(parts, features, carried, mix, empty, empty, None, max(errors, default=None))


def data_part(features: Mapping[str, Feature]) -> Part:
    """Return whether the columns, taken together, drifted."""
    by = {verdict: [n for n, f in features.items() if f.verdict is verdict] for verdict in Verdict}
    drifted, calm, unseen = (by[each] for each in (Verdict.DRIFT, Verdict.NO_DRIFT, Verdict.UNMEASURED))
    found = {"tested": len(drifted) + len(calm), "drifted": drifted, "unmeasured": unseen}
    beside = f", {len(unseen)} could not be measured" if unseen else ""
    if not features:
        return unmeasured("there is no column of data", **found)
    if drifted:
        ordered = sorted(drifted, key=lambda name: -features[name].strength)
        return Part(Verdict.DRIFT, f"{len(drifted)} of {len(features)} columns: {_listed(ordered)}{beside}", found)
    if calm:
        return Part(Verdict.NO_DRIFT, f"none of {len(calm)} columns drifted{beside}", found)
    return unmeasured(f"no column could be measured: {features[unseen[0]].cause}", **found)


def of_columns(distances: Sequence[Distance], policy: DriftPolicy) -> list[Feature]:
    """Return the verdict on each column, the tests taken together."""
    p_values = [None if d.name in policy.ignore else _p_value(d) for d in distances]
    tested = [i for i, p in enumerate(p_values) if p is not None]
    q_values = dict(zip(tested, benjamini_hochberg([p_values[i] or 0.0 for i in tested]), strict=True))
    return [_feature(d, q_values.get(i), policy) for i, d in enumerate(distances)]


def _p_value(distance: Distance) -> float | None:
    """Return one p-value of a column: that of its values and that of its missing rows, taken together (Bonferroni)."""
    said = [p for p in (distance.p_value, distance.missing_p) if p is not None]
    missing = (distance.missing_reference or 0.0) + (distance.missing_current or 0.0) > 0.0
    return min(1.0, min(said) * (2.0 if len(said) == 2 and missing else 1.0)) if said else None


def _feature(distance: Distance, q_value: float | None, policy: DriftPolicy) -> Feature:
    stated = (Verdict.UNMEASURED, IGNORED, 0.0) if distance.name in policy.ignore else _stated(distance)
    if stated is not None:
        return Feature(distance, *stated, q_value)
    effects = _effects(distance, policy)
    if not effects:
        return Feature(distance, Verdict.UNMEASURED, distance.outcome, 0.0, q_value)
    told, strength = max(effects, key=lambda effect: (effect[2] < policy.alpha, effect[1]))[:2]
    sure = q_value is not None and q_value < policy.alpha
    told = f"{told}, q {q_value:.2g}" if q_value is not None else told
    if sure and strength >= 1.0:
        return Feature(distance, Verdict.DRIFT, told, strength, q_value)
    if distance.outcome not in (Outcome.MEASURED, Outcome.CONSTANT, Outcome.ALL_MISSING):
        return Feature(distance, Verdict.UNMEASURED, distance.outcome, strength, q_value)
    why = distance.outcome if distance.outcome == Outcome.CONSTANT else told
    return Feature(distance, Verdict.NO_DRIFT, why, strength, q_value)


def _stated(distance: Distance) -> tuple[Verdict, str, float] | None:
    """Return verdict, cause and strength where the outcome alone decides."""
    if distance.outcome == Outcome.VANISHED:
        return Verdict.DRIFT, "the column is gone", GONE
    if distance.outcome == Outcome.TYPE_CHANGED:
        return Verdict.DRIFT, "the column holds another type of value", GONE
    if distance.outcome == Outcome.NEW:
        return Verdict.UNMEASURED, "a new column: the reference has none", 0.0
    both = (distance.missing_reference, distance.missing_current)
    if distance.outcome == Outcome.ALL_MISSING and (None in both or both == (1.0, 1.0)):
        return Verdict.UNMEASURED, "all missing in both windows" if both == (1.0, 1.0) else "all missing", 0.0
    return None


def _effects(distance: Distance, policy: DriftPolicy) -> list[tuple[str, float, float]]:
    """Return each effect in words, in floors, and the p-value of its own test."""
    out: list[tuple[str, float, float]] = []
    p_value, missing_p = (1.0 if p is None else p for p in (distance.p_value, distance.missing_p))
    if distance.ks is not None:
        moved = "" if distance.shift_sd is None else f", mean {distance.shift_sd:+.2f} sd"
        out.append((f"KS {distance.ks:.3f}{moved}", distance.ks / max(policy.ks, 1e-12), p_value))
    elif distance.psi is not None:
        fresh = f", new: {_listed(distance.new_levels)}" if distance.new_levels else ""
        beyond = distance.psi - (distance.psi_by_chance or 0.0)
        out.append((f"PSI {distance.psi:.3f}{fresh}", beyond / max(policy.psi, 1e-12), p_value))
    was, now = distance.missing_reference, distance.missing_current
    if was is not None and now is not None and (was or now):
        out.append((f"missing {was:.1%} -> {now:.1%}", abs(now - was) / max(policy.missing, 1e-12), missing_p))
    if not out and distance.outcome == Outcome.CONSTANT:
        out.append(("constant", 0.0, 1.0))
    return out


def _by_columns(distances: Sequence[Distance], policy: DriftPolicy, otherwise: Part) -> Part:
    """Return a part by its columns, where no races are known but its columns are there."""
    features = of_columns(distances, policy)
    seen = [f for f in features if f.verdict is not Verdict.UNMEASURED]
    if not seen:
        return otherwise
    verdict = together(f.verdict for f in seen)
    told = "; ".join(f"{f.distance.name}: {f.cause}" for f in seen if f.verdict is verdict)
    return Part(verdict, told, {"columns": {f.distance.name: f.as_dict() for f in features}})


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
