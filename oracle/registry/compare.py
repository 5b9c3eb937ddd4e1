"""Two versions side by side: what they were made of, what they reached, and how they differ on the same races. Pure.

Values in, a `Comparison` out. Differences are B less A, race by race, and their intervals are by meeting, since the
races of one day err together. What could not be compared says why; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from oracle.features.races import Texts
from oracle.ranking.calibration import ReliabilityBin
from oracle.ranking.races import Floats
from oracle.ranking.report import Difference, NoResult, paired_difference
from oracle.registry.versioning import FIRST, ModelFacts, bump
from oracle.settings import EvaluationPolicy

FEWEST_MEETINGS = 5
"""Of a slice: below that nobody knows whether its races err together."""


@dataclass(frozen=True)
class Side:
    """One version, as it was recorded."""

    version: str
    number: int
    created: str
    run_id: str
    aliases: tuple[str, ...] = ()
    lifecycle: str | None = None
    facts: ModelFacts | None = None
    trained_through: str = ""
    """Last race date that it learned from."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By member, each feature's share: of the gain in trees, of the absolute weights in a logit."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By member, its weight in the ensemble that answers most."""


@dataclass(frozen=True, eq=False)
class OnRaces:
    """What one version said of the races."""

    ndcg: Floats
    """float64[R], NDCG@3."""
    loss: Floats
    """float64[R], log-loss of its win probabilities, nats."""
    ece: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, eq=False)
class SameRaces:
    """Races that both versions answered from one pool."""

    pool: str
    """form or market."""
    a: OnRaces
    b: OnRaces
    meeting: Texts
    """object[R], course and date."""
    slices: Mapping[str, Texts]
    """object[R] each: what a race is called by in each way of slicing; "" where it is not known."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Races that neither learned from, and which those are."""

    data: str
    first_date: str
    last_date: str
    excluded: int
    """Races of the dataset that one of them learned from."""
    pools: tuple[SameRaces, ...]
    latency_ms: tuple[Floats, Floats]
    """float64[cards] each, the same cards in turns in one process."""


@dataclass(frozen=True)
class Paired:
    """One metric of both, and the difference B less A."""

    name: str
    a: float
    b: float
    difference: Difference | NoResult

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "a": self.a, "b": self.b, "difference": self.difference.as_dict()}


@dataclass(frozen=True)
class Slice:
    """Races alike in one way; a positive difference in log-loss says that B is worse there."""

    name: str
    value: str
    races: int
    paired: tuple[Paired, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "value": self.value,
            "races": self.races,
            "paired": [each.as_dict() for each in self.paired],
        }


@dataclass(frozen=True)
class Pool:
    """How both do on the races that they answered from one pool."""

    pool: str
    races: int
    meetings: int
    paired: tuple[Paired, ...]
    slices: tuple[Slice, ...]
    ece: tuple[float, float]
    reliability: tuple[tuple[ReliabilityBin, ...], tuple[ReliabilityBin, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "pool": self.pool,
            "races": self.races,
            "meetings": self.meetings,
            "paired": [each.as_dict() for each in self.paired],
            "slices": [each.as_dict() for each in self.slices],
            "calibration": {
                side: {"ece": ece, "reliability": [asdict(row) for row in table]}
                for side, ece, table in zip(("a", "b"), self.ece, self.reliability, strict=True)
            },
        }


@dataclass(frozen=True)
class Row:
    """One name with what both have under it; None where one has nothing."""

    name: str
    a: Any
    b: Any

    @property
    def differs(self) -> bool:
        """Whether both have the same."""
        return bool(self.a != self.b)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "a": self.a, "b": self.b, "differs": self.differs}


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side."""

    a: Side
    b: Side
    facts: tuple[Row, ...]
    step: str | None
    """What the rule of version numbers makes of the facts: major, minor or patch; None where a side has none."""
    parameters: tuple[Row, ...]
    metrics: tuple[Row, ...]
    importance: tuple[Row, ...]
    pools: tuple[Pool, ...]
    latency: tuple[Row, ...]
    """Milliseconds a card: p50 and p95."""
    races: Mapping[str, Any]
    """Which races the pools are of."""
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "a": _named(self.a),
            "b": _named(self.b),
            "facts": [row.as_dict() for row in self.facts],
            "semver_step": self.step,
            "parameters": [row.as_dict() for row in self.parameters],
            "metrics": [row.as_dict() for row in self.metrics],
            "importance": [row.as_dict() for row in self.importance],
            "races": dict(self.races),
            "pools": [pool.as_dict() for pool in self.pools],
            "latency_ms": [row.as_dict() for row in self.latency],
            "notes": list(self.notes),
        }


def compare(
    a: Side, b: Side, evidence: Evidence | None, policy: EvaluationPolicy, seed: int, notes: tuple[str, ...] = ()
) -> Comparison:
    """Return two versions side by side.

    Args:
        a: The one to be measured against.
        b: The other one.
        evidence: Of both on the same races; None where there is no such thing, and then only what was recorded counts.
        policy: Confidence and resamples of the intervals.
        seed: Of the resampling.
        notes: What the reader should know besides.
    """
    latency: tuple[Row, ...] = ()
    races: dict[str, Any] = {}
    if evidence is not None:
        races = {k: getattr(evidence, k) for k in ("data", "first_date", "last_date", "excluded")}
        latency = tuple(
            Row(f"p{at}", *(float(np.percentile(side, at)) if side.size else None for side in evidence.latency_ms))
            for at in (50, 95)
        )
    return Comparison(
        a=a,
        b=b,
        facts=tuple(_rows(_facts(a.facts), _facts(b.facts))),
        step=_step(a.facts, b.facts),
        parameters=tuple(_rows(a.parameters, b.parameters)),
        metrics=tuple(_rows(a.metrics, b.metrics)),
        importance=_importance(a, b),
        pools=() if evidence is None else tuple(_pool(each, policy, seed) for each in evidence.pools),
        latency=latency,
        races=races,
        notes=(*notes, *_notes(a, b, evidence)),
    )


def _rows(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Row]:
    return (Row(name, a.get(name), b.get(name)) for name in sorted({*a, *b}))


def _facts(facts: ModelFacts | None) -> dict[str, str]:
    if facts is None:
        return {}
    return {
        "families": ", ".join(sorted(facts.families)),
        "aggregation": facts.aggregation,
        "hyperparameters": facts.hyperparameters,
        "features": facts.features,
        "data": facts.data,
        "code": facts.code,
    }


def _step(a: ModelFacts | None, b: ModelFacts | None) -> str | None:
    if a is None or b is None:
        return None
    to = bump(FIRST, a, b)
    return "major" if to.major > FIRST.major else "minor" if to.minor else "patch"


def _importance(a: Side, b: Side) -> tuple[Row, ...]:
    """Return each feature's share in both, the most important of either first: that of members, by their weights."""
    mine, theirs = _weighed(a), _weighed(b)
    rows = _rows(mine, theirs)
    return tuple(sorted(rows, key=lambda row: -max(row.a or 0.0, row.b or 0.0)))


def _weighed(side: Side) -> dict[str, float]:
    """Return each feature's share over the members that know features, each as heavy as it is in the ensemble."""
    able = {name: shares for name, shares in side.importance.items() if shares}
    weight = {name: max(side.weights.get(name, 0.0), 0.0) for name in able}
    whole = sum(weight.values())
    share = {name: weight[name] / whole if whole else 1.0 / len(able) for name in able}
    found: dict[str, float] = {}
    for name, shares in able.items():
        for feature, part in shares.items():
            found[feature] = found.get(feature, 0.0) + share[name] * part
    return found


def _pool(races: SameRaces, policy: EvaluationPolicy, seed: int) -> Pool:
    every = np.ones(len(races.meeting), dtype=bool)
    return Pool(
        pool=races.pool,
        races=len(races.meeting),
        meetings=len(set(races.meeting)),
        paired=_paired(races, every, policy, seed),
        slices=tuple(_slices(races, policy, seed)),
        ece=(races.a.ece, races.b.ece),
        reliability=(races.a.reliability, races.b.reliability),
    )


def _paired(races: SameRaces, mask: Any, policy: EvaluationPolicy, seed: int) -> tuple[Paired, ...]:
    found = []
    for name in ("ndcg", "loss"):
        a, b = (getattr(side, name)[mask] for side in (races.a, races.b))
        told = {"ndcg": "ndcg_at_3", "loss": "log_loss"}[name]
        difference = paired_difference(b, a, races.meeting[mask], seed, policy)
        found.append(Paired(told, _mean(a), _mean(b), difference))
    return tuple(found)


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _slices(races: SameRaces, policy: EvaluationPolicy, seed: int) -> Iterator[Slice]:
    for name, values in races.slices.items():
        different = sorted({str(v) for v in values} - {""})
        for value in different if len(different) > 1 else ():
            mask = values == value
            if len(set(races.meeting[mask])) >= FEWEST_MEETINGS:
                yield Slice(name, value, int(mask.sum()), _paired(races, mask, policy, seed))


def _notes(a: Side, b: Side, evidence: Evidence | None) -> Iterator[str]:
    if evidence is None:
        yield "no dataset was named: what is compared are numbers that each run recorded on its own test"
    if a.facts and b.facts and a.facts.data != b.facts.data:
        yield "they learned from different data: their recorded metrics are of different races"
    for side in (a, b):
        if side.facts is None:
            yield f"{side.version} was registered without its facts"
    if evidence is not None and evidence.excluded:
        yield (
            f"{evidence.excluded:,} races before {evidence.first_date} are left out: one of the two learned from them"
        )


def _named(side: Side) -> dict[str, Any]:
    names = ("version", "number", "created", "run_id", "aliases", "lifecycle", "trained_through")
    return {name: getattr(side, name) for name in names}
