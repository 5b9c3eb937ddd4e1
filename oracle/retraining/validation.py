"""May a candidate take the place of the version in service? A pure function of what both did on the same races.

Named rules, each with its say and its cause: `pass`, `fail` or `not enough evidence`. One that fails decides; else one
that could not tell keeps the answer open; a candidate passes where every rule does. Intervals are by meeting, since the
races of one day err together. Each pool of answers that is served is judged for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.stats import t

from oracle.features.races import Texts
from oracle.ranking.races import Bools, Floats
from oracle.ranking.report import Difference, NoResult, paired_difference
from oracle.settings import CandidatePolicy, EvaluationPolicy

Outcome = Literal["pass", "fail", "not enough evidence"]
FEWEST_MEETINGS = 5
"""Of a slice: below that nobody knows whether its races err together."""
SLICE_ALPHA = 0.05
"""Chance that any slice of an equal candidate is called worse."""


@dataclass(frozen=True, eq=False)
class PoolRaces:
    """Races that both versions answered from one pool, in the order of their off."""

    pool: str
    """form or market."""
    production_ndcg: Floats
    """float64[R], NDCG@3 of the version in service."""
    candidate_ndcg: Floats
    production_loss: Floats
    """float64[R], log-loss of its win probabilities, nats."""
    candidate_loss: Floats
    meeting: Texts
    """object[R], course and date."""
    slices: Mapping[str, Texts]
    """object[R] each: what a race is called by in each way of slicing, such as course; "" where it is not known."""
    production_ece: float
    candidate_ece: float

    def __len__(self) -> int:
        """Return the number of races."""
        return len(self.meeting)


@dataclass(frozen=True)
class Evidence:
    """What is known of a candidate on its holdout."""

    pools: tuple[PoolRaces, ...]
    canaries: Mapping[str, bool]
    """By name, whether it scored like chance."""
    production_ms: float
    """95th percentile of the time that a card takes, both measured at the same time on the same cards."""
    candidate_ms: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule says."""

    rule: str
    outcome: Outcome
    cause: str
    observed: Any = None
    """What was measured; None where nothing was."""
    required: str = ""
    """What passes."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "rule": self.rule,
            "outcome": self.outcome,
            "cause": self.cause,
            "observed": self.observed,
            "required": self.required,
        }


@dataclass(frozen=True)
class Verdict:
    """What follows for the candidate, and why."""

    outcome: Outcome
    causes: tuple[str, ...]
    rulings: tuple[Ruling, ...]
    measured: Mapping[str, Any] = field(default_factory=dict)
    """By pool: the paired differences, the slices and the calibration errors."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "outcome": self.outcome,
            "causes": list(self.causes),
            "rules": [ruling.as_dict() for ruling in self.rulings],
            "measured": dict(self.measured),
        }


@dataclass(frozen=True)
class Slice:
    """The log-loss of a candidate less production's where the races are alike in one way."""

    name: str
    value: str
    races: int
    meetings: int
    mean: float
    low: float
    """Lower bound, corrected for the number of slices looked at."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class _Judged:
    """A pool with its differences, candidate less production."""

    races: PoolRaces
    ndcg: Difference | NoResult
    loss: Difference | NoResult
    slices: tuple[Slice, ...]


def validate(evidence: Evidence, policy: CandidatePolicy, evaluation: EvaluationPolicy, seed: int) -> Verdict:
    """Return whether a candidate passes.

    Args:
        evidence: Of both versions.
        policy: Margins and floors.
        evaluation: Confidence and resamples of the intervals.
        seed: Of the resampling.
    """
    rulings = [_canaries(evidence), _latency(evidence, policy)]
    judged = [_judge(races, policy, evaluation, seed) for races in evidence.pools]
    for pool in judged:
        enough = _enough(pool.races, policy)
        rulings.append(enough)
        if enough.outcome == "pass":
            rulings += [rule(pool, policy) for rule in POOL_RULES]
    if not evidence.pools:
        rulings.append(Ruling("races", "not enough evidence", "no race of the holdout was answered by both versions"))
    outcome: Outcome = next(
        (o for o in ("fail", "not enough evidence") if any(r.outcome == o for r in rulings)),
        "pass",
    )
    decisive = [
        r for r in rulings if (r.outcome == outcome) and (outcome != "pass" or r.rule.startswith("improvement"))
    ]
    causes = tuple(f"{ruling.rule}: {ruling.cause}" for ruling in decisive)
    return Verdict(outcome, causes, tuple(rulings), {pool.races.pool: _told(pool) for pool in judged})


def _judge(races: PoolRaces, policy: CandidatePolicy, evaluation: EvaluationPolicy, seed: int) -> _Judged:
    gap = races.candidate_loss - races.production_loss
    return _Judged(
        races,
        paired_difference(races.candidate_ndcg, races.production_ndcg, races.meeting, seed, evaluation),
        paired_difference(races.candidate_loss, races.production_loss, races.meeting, seed, evaluation),
        tuple(_slices(gap, races, policy)),
    )


def _slices(gap: Floats, races: PoolRaces, policy: CandidatePolicy) -> Iterator[Slice]:
    """Yield each slice that is large enough, with bounds that hold for all of them together (Bonferroni)."""
    parts: list[tuple[str, str, Bools]] = []
    for name, values in races.slices.items():
        for value in sorted({str(v) for v in values} - {""}):
            mask = (values == value) & ~np.isnan(gap)
            if policy.slice_races <= mask.sum() < len(gap) and len(set(races.meeting[mask])) >= FEWEST_MEETINGS:
                parts.append((name, value, mask))
    for name, value, mask in parts:
        _, meeting = np.unique(races.meeting[mask].astype(str), return_inverse=True)
        meetings, mean = int(meeting.max()) + 1, float(gap[mask].mean())
        # The sum of a meeting's deviations is one draw: races of one day err together.
        error = np.sqrt((np.bincount(meeting, gap[mask] - mean) ** 2).sum() * meetings / (meetings - 1)) / mask.sum()
        width = float(t.isf(SLICE_ALPHA / len(parts), meetings - 1)) * float(error)
        yield Slice(name, value, int(mask.sum()), meetings, mean, mean - width)


def _canaries(evidence: Evidence) -> Ruling:
    dead, wanted = [name for name, alive in evidence.canaries.items() if not alive], "all score like chance"
    if dead:
        told = f"{', '.join(dead)} cannot know anything and does not score like chance"
        return Ruling("canaries", "fail", told, told, wanted)
    if not evidence.canaries:
        return Ruling("canaries", "not enough evidence", "none was released", None, wanted)
    told = f"{', '.join(evidence.canaries)} score like chance"
    return Ruling("canaries", "pass", told, told, wanted)


def _latency(evidence: Evidence, policy: CandidatePolicy) -> Ruling:
    told = f"95% of cards in {evidence.candidate_ms:.1f} ms, production {evidence.production_ms:.1f} ms"
    within = evidence.candidate_ms <= policy.max_latency_ms
    cause, wanted = f"{told}; {policy.max_latency_ms:g} ms are allowed", f"<= {policy.max_latency_ms:g} ms"
    return Ruling("latency", "pass" if within else "fail", cause, round(evidence.candidate_ms, 3), wanted)


def _enough(races: PoolRaces, policy: CandidatePolicy) -> Ruling:
    meetings = len(set(races.meeting))
    there = len(races) >= policy.min_races and meetings >= policy.min_meetings
    told = f"{len(races)} of {policy.min_races} races in {meetings} of {policy.min_meetings} meetings"
    seen, wanted = [len(races), meetings], f">= {policy.min_races} races in {policy.min_meetings} meetings"
    return Ruling(f"races ({races.pool})", "pass" if there else "not enough evidence", told, seen, wanted)


def _ndcg(pool: _Judged, policy: CandidatePolicy) -> Ruling:
    return _no_harm("NDCG@3", pool, pool.ndcg, 1.0, policy.ndcg_margin)


def _loss(pool: _Judged, policy: CandidatePolicy) -> Ruling:
    return _no_harm("log-loss", pool, pool.loss, -1.0, policy.log_loss_margin)


def _no_harm(name: str, pool: _Judged, found: Difference | NoResult, sign: float, margin: float) -> Ruling:
    """Return whether the candidate loses no more than a margin; `sign` is that of an improvement."""
    rule = f"{name} ({pool.races.pool})"
    wanted = f"loses no more than {margin:g} at the worse end of its interval"
    if isinstance(found, NoResult):
        return Ruling(rule, "not enough evidence", found.reason, None, wanted)
    seen = [found.mean, found.low, found.high]
    worst, best = (sign * bound for bound in ((found.low, found.high) if sign > 0 else (found.high, found.low)))
    told = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}] against production"
    if best < 0.0:
        return Ruling(rule, "fail", f"{told}: surely worse", seen, wanted)
    if worst >= -margin:
        return Ruling(rule, "pass", f"{told}: no worse than the {margin:g} that are allowed", seen, wanted)
    cause = f"{told}: may be worse by more than the {margin:g} that are allowed"
    return Ruling(rule, "not enough evidence", cause, seen, wanted)


def _improvement(pool: _Judged, policy: CandidatePolicy) -> Ruling:
    rule, sure_wanted = f"improvement ({pool.races.pool})", policy.improvement == "sure"
    wanted = "an interval that excludes 0" if sure_wanted else "better in the mean"
    if isinstance(pool.ndcg, NoResult) or isinstance(pool.loss, NoResult):
        return Ruling(rule, "not enough evidence", "nothing could be compared", None, wanted)
    seen = {"log_loss": pool.loss.mean, "ndcg_at_3": pool.ndcg.mean}
    told = f"log-loss {pool.loss.mean:+.4f}, NDCG@3 {pool.ndcg.mean:+.4f}"
    if sure_wanted:
        sure = pool.loss.high < 0.0 or pool.ndcg.low > 0.0
        told += "; an interval excludes 0" if sure else "; no interval excludes 0"
        return Ruling(rule, "pass" if sure else "not enough evidence", told, seen, wanted)
    better = pool.loss.mean < 0.0 or pool.ndcg.mean > 0.0
    return Ruling(
        rule, "pass" if better else "fail", f"{told}: {'better' if better else 'not better'} in the mean", seen, wanted
    )


def _worst_slice(pool: _Judged, policy: CandidatePolicy) -> Ruling:
    rule, wanted = f"slices ({pool.races.pool})", f"none surely loses {policy.slice_margin:g} nats"
    worse = [s for s in pool.slices if s.low > policy.slice_margin]
    if worse:
        told = ", ".join(f"{s.name} {s.value} loses {s.mean:+.4f} (at least {s.low:+.4f})" for s in worse)
        return Ruling(rule, "fail", f"{told}; {policy.slice_margin:g} nats are allowed", told, wanted)
    told = f"none of {len(pool.slices)} slices surely loses {policy.slice_margin:g} nats"
    return Ruling(rule, "pass", told, told, wanted)


def _calibration(pool: _Judged, policy: CandidatePolicy) -> Ruling:
    races = pool.races
    most = max(policy.max_ece, races.production_ece + policy.ece_slack)
    told = f"calibration error {races.candidate_ece:.4f}, production {races.production_ece:.4f}; {most:.4f} is allowed"
    outcome: Outcome = "pass" if races.candidate_ece <= most else "fail"
    return Ruling(f"calibration ({races.pool})", outcome, told, races.candidate_ece, f"<= {most:.4f}")


POOL_RULES: tuple[Callable[[_Judged, CandidatePolicy], Ruling], ...] = (
    _ndcg,
    _loss,
    _improvement,
    _worst_slice,
    _calibration,
)
"""Asked of each pool that has enough races."""


def _told(pool: _Judged) -> dict[str, Any]:
    races = pool.races
    return {
        "races": len(races),
        "meetings": len(set(races.meeting)),
        "ndcg_at_3": {"production": _mean(races.production_ndcg), "candidate": _mean(races.candidate_ndcg)}
        | {"difference": pool.ndcg.as_dict()},
        "log_loss": {"production": _mean(races.production_loss), "candidate": _mean(races.candidate_loss)}
        | {"difference": pool.loss.as_dict()},
        "ece": {"production": races.production_ece, "candidate": races.candidate_ece},
        "slices": [each.as_dict() for each in pool.slices],
    }


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
