"""Whether to train anew: a pure function of what was measured, of the policy and of the moment.

Each rule is asked one question and gives one `Cause`: for a retraining, against one now, unknown, or quiet. What is
for it and not held back starts one; what is held back waits; where nothing is for it and something could not be
measured, the answer is to wait as well, for a broken thermometer does not say that there is no fever. Every decision
carries what every rule said.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import orjson

from oracle.settings import RetrainingPolicy

Kind = Literal["data", "prediction", "concept", "outcome"]
KINDS: tuple[Kind, ...] = ("data", "prediction", "concept", "outcome")
DRIFT, NO_DRIFT, UNMEASURED = "drift", "no drift", "could not measure"

Says = Literal["for", "against", "unknown", "quiet"]
Verb = Literal["retrain", "wait", "ignore"]
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Part:
    """What a check of drift found of one kind."""

    verdict: str
    """`drift`, `no drift` or `could not measure`."""
    cause: str = ""
    """Why it says so, in a sentence."""
    share: float = 1.0
    """How much of what was measured drifted: of the columns, where it is data."""


@dataclass(frozen=True, slots=True)
class Past:
    """A retraining there has been."""

    retraining_id: str
    started_at: dt.datetime
    ended_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a decision looks at."""

    model_version: str | None
    """In production when it was measured; None where there is none."""
    drift: Mapping[Kind, Part]
    """A kind that is missing was not measured."""
    trained_at: dt.datetime | None = None
    """Until when the model in production knows results."""
    new_races: int = 0
    """Races with results since the last training, whether that one was promoted or not."""
    latest: str = ""
    """How far results have come, in any words that change with them."""
    past: Sequence[Past] = ()
    data: bool = True
    """Whether there is a dataset to train on."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What one rule said."""

    rule: str
    says: Says
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and what every rule said to it."""

    decision: Verb
    causes: tuple[Cause, ...]
    event_id: str
    model_version: str | None
    at: dt.datetime = field(compare=False)

    @property
    def retraining_id(self) -> str | None:
        """The retraining that this event starts, None where it starts none."""
        return self.event_id.removeprefix("event-") if self.decision == "retrain" else None

    @property
    def deciding(self) -> tuple[Cause, ...]:
        """The causes that made it this decision; never empty."""
        return self.those(*DECIDING[self.decision]) or self.causes

    def those(self, *says: Says) -> tuple[Cause, ...]:
        """Return the causes that say one of these."""
        return tuple(c for c in self.causes if c.says in says)

    @property
    def sentence(self) -> str:
        """The decision in one line."""
        return f"{self.decision}: {'; '.join(_joined([c.why for c in self.deciding]))}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "event_id": self.event_id,
            "at": self.at.isoformat(),
            "decision": self.decision,
            "model_version": self.model_version,
            "retraining_id": self.retraining_id,
            "causes": [asdict(c) for c in self.causes],
        }


def _joined(reasons: Sequence[str]) -> list[str]:
    """Return the reasons, those that end alike told together.

    >>> _joined(["data drift: a fall", "concept drift: a fall", "no schedule"])
    ['data drift, concept drift: a fall', 'no schedule']
    """
    heads: dict[str, list[str]] = {}
    for reason in reasons:
        head, _, tail = reason.partition(": ")
        heads.setdefault(tail or f" {reason}", []).append(head)
    return [", ".join(found) + ("" if tail.startswith(" ") else f": {tail}") for tail, found in heads.items()]


def is_decision(text: str) -> bool:
    """Return whether a text is a decision as it is kept, and not a sentence that a person wrote."""
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(told, dict) and {"event_id", "decision", "causes"} <= told.keys()


DECIDING: Mapping[Verb, tuple[Says, ...]] = {"retrain": ("for",), "wait": ("against", "unknown"), "ignore": ("quiet",)}
"""Which causes make a decision what it is."""

Rule = Callable[[Evidence, RetrainingPolicy, dt.datetime], Cause]


def decide(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Decision:
    """Return what is to be done; the same evidence, policy and moment give the same event.

    Args:
        evidence: What was measured.
        policy: What starts a retraining and what holds it back.
        now: The moment, with a time zone.
    """
    causes = tuple(rule(evidence, policy, now) for rule in RULES)
    said = {c.says for c in causes}
    verb: Verb = "ignore"
    if "for" in said:
        verb = "wait" if "against" in said else "retrain"
    elif "unknown" in said:
        verb = "wait"
    if verb != "wait" or "for" not in said:  # what holds back matters only where something is held back
        causes = tuple(c for c in causes if c.says != "against")
    return Decision(verb, causes, _event_id(evidence, verb, causes), evidence.model_version, now)


def _event_id(evidence: Evidence, verb: Verb, causes: Sequence[Cause]) -> str:
    """Return the name of what happened: it does not change while nothing new is known, however often one looks."""
    rules = sorted((c.rule, c.says) for c in causes)
    happened = orjson.dumps([evidence.model_version, evidence.latest, verb, rules])
    return f"event-{hashlib.sha256(happened).hexdigest()[:16]}"


def _of_drift(kind: Kind) -> Rule:
    def rule(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:  # noqa: ARG001
        part = evidence.drift.get(kind, Part(UNMEASURED, "it was not looked at"))
        why = f": {part.cause}" if part.cause else ""
        if part.verdict == NO_DRIFT:
            return Cause(f"{kind}_drift", "quiet", f"no {kind} drift")
        if part.verdict != DRIFT:
            return Cause(f"{kind}_drift", "unknown", f"{kind} drift could not be measured{why}")
        if kind not in policy.on:
            return Cause(f"{kind}_drift", "quiet", f"{kind} drift{why}; retraining.on does not name it")
        if kind == "data" and part.share < policy.data_share:
            few = f"{part.share:.0%} of the columns, retraining.data_share is {policy.data_share:.0%}"
            return Cause(f"{kind}_drift", "quiet", f"{kind} drift{why}; {few}")
        return Cause(f"{kind}_drift", "for", f"{kind} drift{why}")

    return rule


def _schedule(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:
    last = max((*(p.started_at for p in evidence.past), *filter(None, (evidence.trained_at,))), default=None)
    if policy.every_days is None:
        return Cause("schedule", "quiet", "no schedule is set")
    if last is None:
        return Cause("schedule", "unknown", "nobody knows when the model was trained")
    days = (now - last) / dt.timedelta(days=1)
    told = f"the last training is {days:.0f} days old, one is due every {policy.every_days:g}"
    return Cause("schedule", "for" if days >= policy.every_days else "quiet", told)


def _enough_races(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:  # noqa: ARG001
    if policy.new_races is None:
        return Cause("new_races", "quiet", "no number of new races is set")
    told = f"{evidence.new_races:,} new races, one training is due every {policy.new_races:,}"
    return Cause("new_races", "for" if evidence.new_races >= policy.new_races else "quiet", told)


def _model(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:  # noqa: ARG001
    if evidence.model_version is None:
        return Cause("model", "against", "no model is in production: train one with oracle train")
    return Cause("model", "quiet", f"version {evidence.model_version} is in production")


def _data(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:  # noqa: ARG001
    if not evidence.data:
        return Cause("data", "against", "there is no dataset to train on: name one with --data")
    return Cause("data", "quiet", "there is a dataset to train on")


def _single_flight(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:  # noqa: ARG001
    for past in evidence.past:
        if past.ended_at is None:
            return Cause("single_flight", "against", f"retraining {past.retraining_id} has not ended")
    return Cause("single_flight", "quiet", "no other retraining is under way")


def _cooldown(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:
    moments = [m for p in evidence.past for m in (p.started_at, p.ended_at) if m is not None]
    over = max(moments) + dt.timedelta(days=policy.cooldown_days) if moments else now
    if now < over:
        return Cause("cooldown", "against", f"the last retraining cools down until {over:%Y-%m-%d %H:%M}")
    return Cause("cooldown", "quiet", "no retraining is cooling down")


def _weekly_cap(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:
    recent = sum(p.started_at > now - WEEK for p in evidence.past)
    told = f"{recent} retrainings in seven days, {policy.per_week} are allowed"
    return Cause("weekly_cap", "against" if recent >= policy.per_week else "quiet", told)


def _something_new(evidence: Evidence, policy: RetrainingPolicy, now: dt.datetime) -> Cause:  # noqa: ARG001
    told = f"{evidence.new_races:,} new races, at least {policy.min_new_races:,} are needed to learn anything new"
    return Cause("something_new", "against" if evidence.new_races < policy.min_new_races else "quiet", told)


RULES: tuple[Rule, ...] = (
    *(_of_drift(kind) for kind in KINDS),
    *(_schedule, _enough_races),
    *(_model, _data, _single_flight, _cooldown, _weekly_cap, _something_new),
)
"""Every rule, in the order in which they are told: what can start a retraining, then what can hold it back."""
