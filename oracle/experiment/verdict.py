"""Ship, stop, continue or unhealthy: a pure function of what was seen and the frozen plan.

Named rules, each with its say and its cause. The required floors (days or predictions) must be reached, the sample
ratio must be sound, no guardrail may be breached, and then the confidence sequence of the paired difference decides.
"Could not tell yet" is `continue`, never `stop`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from oracle.experiment.accuracy import DAY, FEWEST_MEETINGS, Accuracy, accuracy
from oracle.experiment.arms import Difference, NoResult, compare
from oracle.experiment.health import Finding, guardrails, sample_ratio, sample_ratio_once
from oracle.experiment.observed import Observed
from oracle.experiment.plan import Plan
from oracle.experiment.sequential import needed, needed_to_bet

Decision = Literal["ship", "stop", "continue", "unhealthy"]
WHOLE_DAYS = 1.0
"""Days after which the races seen tell the rate of races better than the plan does."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule says: a decision, or None where it has no objection and no wish."""

    rule: str
    decision: Decision | None
    cause: str


@dataclass(frozen=True)
class Verdict:
    """What to do with the challenger, and why."""

    decision: Decision
    causes: tuple[str, ...]
    days_left: float | None
    """About how many days until a decision at the present rate; None where there is no telling."""
    accuracy: Accuracy
    health: tuple[Finding, ...]
    arms: Mapping[str, Difference | NoResult] = field(default_factory=dict)
    rulings: tuple[Ruling, ...] = ()
    edited: bool = False

    @property
    def label(self) -> str:
        """The decision as a person reads it."""
        if self.decision == "continue" and self.days_left is not None:
            return f"continue (about {max(1, math.ceil(self.days_left))} days)"
        return str(self.decision)

    @property
    def rolls_back(self) -> bool:
        """Whether a guardrail is breached: the challenger is to lose its traffic now."""
        return any(f.state == "breach" for f in self.health if f.name != "sample ratio")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "decision": self.decision,
            "label": self.label,
            "causes": list(self.causes),
            "days_left": self.days_left,
            "plan_edited": self.edited,
            "accuracy": self.accuracy.as_dict(),
            "health": [finding.as_dict() for finding in self.health],
            "arms": {name: found.as_dict() for name, found in self.arms.items()},
            "rules": [{"rule": r.rule, "decision": r.decision, "cause": r.cause} for r in self.rulings],
        }


@dataclass(frozen=True)
class _Context:
    seen: Observed
    plan: Plan
    now: dt.datetime
    accuracy: Accuracy
    health: tuple[Finding, ...]

    @property
    def days(self) -> float:
        return max(0.0, (self.now - self.plan.started_at).total_seconds() / DAY)


def decide(seen: Observed, plan: Plan, now: dt.datetime, *, edited: bool = False) -> Verdict:
    """Return what to do with a challenger.

    Args:
        seen: What the test has seen of it.
        plan: As frozen at the start.
        now: The moment of the look, with a time zone.
        edited: Whether the plan that is kept is not the one that was hashed; it is said, and changes nothing else.
    """
    checks = (
        sample_ratio(seen.periods, plan.policy.sample_ratio_p),
        *guardrails(seen, plan.guardrails, plan.size.races),
    )
    context = _Context(seen, plan, now, accuracy(seen.races, plan), checks)
    rulings = tuple(rule(context) for rule in RULES)
    spoken = [ruling for ruling in rulings if ruling.decision is not None]
    decision: Decision = spoken[0].decision if spoken and spoken[0].decision else "continue"
    causes = [ruling.cause for ruling in spoken if ruling.decision == decision]
    broken = _guardrails(context)
    if broken.decision is not None and broken.cause not in causes:
        causes.append(broken.cause)
    if edited:
        causes.append("the plan was edited after the start: it is not the one that was hashed")
    once = sample_ratio_once(seen.periods)
    if once is not None and once < plan.policy.sample_ratio_p and decision != "unhealthy":
        causes.append(
            f"a single-look chi-square of the sample ratio gives p = {once:.2g}; the sequential test does not"
        )
    left = days_left(context) if decision == "continue" else None
    return Verdict(decision, tuple(causes), left, context.accuracy, checks, compared(seen, plan), rulings, edited)


def compared(seen: Observed, plan: Plan) -> dict[str, Difference | NoResult]:
    """Return how the randomised arms differ in each metric that both have.

    In an A/A test the metrics share alpha, for any one of them that differs says that the test is not sound.
    """
    shared = [name for name in seen.control.metrics if name in seen.treatment.metrics]
    alpha = plan.alpha / max(1, len(shared)) if plan.mode == "aa" else plan.alpha
    return {n: compare(seen.control.metrics[n], seen.treatment.metrics[n], alpha=alpha) for n in shared}


def _sample_ratio(c: _Context) -> Ruling:
    found = c.health[0]
    return Ruling("sample ratio", "unhealthy" if found.state == "breach" else None, f"{found.name}: {found.cause}")


def _same_version(c: _Context) -> Ruling:
    a = c.accuracy
    if c.plan.mode == "aa" and a.decisive:
        return Ruling("A/A", "unhealthy", f"the same version gave other scores in {a.decisive:,} of {a.races:,} races")
    differing = [
        name for name, d in compared(c.seen, c.plan).items() if isinstance(d, Difference) and not d.low <= 0.0 <= d.high
    ]
    if c.plan.mode == "aa" and differing:
        return Ruling("A/A", "unhealthy", f"the arms differ where nothing can: {', '.join(differing)}")
    return Ruling("A/A", None, "no difference where there can be none")


def _guardrails(c: _Context) -> Ruling:
    broken = [f"guardrail {f.name}: {f.cause}" for f in c.health[1:] if f.state == "breach"]
    return Ruling("guardrails", "stop" if broken else None, "; ".join(broken) or "no guardrail is breached")


def _floors(c: _Context) -> Ruling:
    p = c.plan.policy
    days, predictions = c.days >= p.min_days, c.seen.predictions >= p.min_predictions
    reached = (days and predictions) if p.floors == "both" else (days or predictions)
    word = "and" if p.floors == "both" else "or"
    cause = f"{c.days:.1f} of {p.min_days:g} days {word} {c.seen.predictions:,} of {p.min_predictions:,} predictions"
    return Ruling("floors", None if reached else "continue", f"floors: {cause}")


def _confidence(c: _Context) -> Ruling:
    a, wanted = c.accuracy, c.plan.question.difference
    bounds = f"NDCG@3 difference {a.difference:+.4f} [{a.low:+.4f}, {a.high:+.4f}]" if a.difference is not None else ""
    rule = "confidence sequence"
    if c.plan.mode == "aa":
        done = c.days >= c.plan.policy.max_days
        return Ruling(
            rule, "stop" if done else "continue", "an A/A test decides nothing; it shows that the test is sound"
        )
    if a.difference is None:
        return Ruling(rule, "continue", "no race with a result was scored by both versions yet")
    if a.high < wanted:
        return Ruling(rule, "stop", f"{bounds} stays below the {wanted:+.4f} that was wanted")
    if a.low <= 0.0:
        return Ruling(
            rule, "continue", f"{bounds} does not exclude 0 yet, on {a.decisive:,} decisive of {a.races:,} races"
        )
    if a.by_meeting is None:
        told = f"in {a.meetings} meetings; {FEWEST_MEETINGS} are needed to see whether their races err together"
        return Ruling(rule, "continue", f"{bounds} {told}")
    if a.by_meeting[0] <= 0.0:
        told = f"[{a.by_meeting[0]:+.4f}, {a.by_meeting[1]:+.4f}] by meeting does not"
        return Ruling(rule, "continue", f"{bounds} excludes 0, but {told}")
    return Ruling(rule, "ship", f"{bounds} excludes 0, on {a.decisive:,} decisive of {a.races:,} races")


def _time(c: _Context) -> Ruling:
    most = c.plan.policy.max_days
    over = c.days >= most and _confidence(c).decision == "continue"
    return Ruling(
        "time",
        "stop" if over else None,
        f"time is up after {most:g} days without a decision: not enough evidence either way, the control stays",
    )


RULES: tuple[Callable[[_Context], Ruling], ...] = (
    _sample_ratio,
    _same_version,
    _guardrails,
    _time,
    _floors,
    _confidence,
)
"""In the order of their say: the first that wishes something decides."""


def days_left(c: _Context) -> float | None:
    """Return about how many days until the nearer of the two decisions, at the rate seen so far."""
    floor = _floor_left(c)
    a, wanted = c.accuracy, c.plan.question.difference
    planned = c.plan.races_per_day
    rate = a.races / c.days if a.races and c.days > 0 and (c.days >= WHOLE_DAYS or planned is None) else planned
    if c.plan.mode == "aa" or rate is None or not rate > 0:
        return floor or None
    sd = a.sd if a.sd else c.plan.size.deviation
    estimate = a.difference if a.difference is not None and a.races >= FEWEST_MEETINGS else wanted
    distance = max(estimate, wanted - estimate, 0.25 * wanted)
    races = max(
        needed(distance, sd, c.plan.size.races, c.plan.alpha, 0.5), needed_to_bet(distance, sd, c.plan.alpha, 0.5)
    )
    left = max(floor, (races - a.races) / rate, 1.0)
    return min(left, max(c.plan.policy.max_days - c.days, 0.0))


def _floor_left(c: _Context) -> float:
    p = c.plan.policy
    by_days = max(0.0, p.min_days - c.days)
    rate = c.seen.predictions / c.days if c.days > 0 else 0.0
    missing = max(0, p.min_predictions - c.seen.predictions)
    by_predictions = 0.0 if not missing else missing / rate if rate > 0 else math.inf
    found = max(by_days, by_predictions) if p.floors == "both" else min(by_days, by_predictions)
    return found if math.isfinite(found) else by_days
