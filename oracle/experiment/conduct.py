"""A test from its start to its end: started, ramped, looked at, ended, and the record of all of it.

Everything goes through our store: replicas follow what stands there, so a change needs neither a restart nor a server
that is up. Who did what, when and why is in the log of the experiment.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from oracle.errors import BadInput, NotEnoughData, Refused
from oracle.experiment import report
from oracle.experiment.assignment import CONTROL, arm_names
from oracle.experiment.evidence import Felt, observed, paired_races, recent
from oracle.experiment.health import Finding, calibration, failures, latency
from oracle.experiment.plan import Plan, read
from oracle.experiment.report import Challenge
from oracle.experiment.resplit import Resplit, resplit
from oracle.experiment.verdict import decide
from oracle.progress import Progress, silent
from oracle.settings import EvaluationPolicy
from oracle.store import Change, Experiment, Store

GUARDED_REQUESTS = 5000
"""Latest requests by which the guardrails on traffic are checked: what the challenger does now."""
FEWEST_USERS = 100


class NotShown(Refused):
    """A test is to end as shipped, and its verdict does not say so."""


@dataclass(frozen=True)
class Standing:
    """How a test stands."""

    experiment: Experiment
    plan: Plan
    challenges: tuple[Challenge, ...]
    changes: tuple[Change, ...]

    @property
    def alarming(self) -> bool:
        """Whether somebody should look now: the test is unsound, or a challenger does harm."""
        return any(c.verdict.decision == "unhealthy" or c.verdict.rolls_back for c in self.challenges)

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was done, in order, as plain values."""
        return [
            {
                "at": change.at.isoformat(timespec="seconds"),
                "actor": change.actor,
                "what": change.what,
                "shares": list(change.shares),
                "why": change.why or "",
            }
            for change in self.changes
        ]

    def document(self) -> dict[str, Any]:
        """Return everything as plain values."""
        told: dict[str, Any] = report.document(self.plan, self.experiment.status, self.challenges, self.log)
        ended = self.experiment.ended_at
        return told | {
            "shares": list(self.experiment.shares),
            "started_at": self.experiment.started_at.isoformat(),
            "ended_at": None if ended is None else ended.isoformat(),
            "reason": self.experiment.reason,
            "actor": self.experiment.actor,
        }

    def text(self) -> str:
        """Return the same as a person reads it."""
        return report.text(self.plan, self.experiment.status, self.challenges)

    def page(self) -> str:
        """Return the same as one HTML page with pictures."""
        return report.page(self.plan, self.experiment.status, self.challenges, self.log)


def begin(store: Store, plan: Plan, actor: str) -> Experiment:
    """Start a test and return it as it is kept; replicas follow it within two seconds.

    Raises:
        NeverEnds: it cannot come to a decision in the time given.
        ExperimentExists: the name is taken, or another test is running.
        Unavailable: the store did not answer.
    """
    plan.must_end()
    return store.experiments.start(
        Experiment(
            name=plan.name,
            plan=plan.as_json(),
            fingerprint=plan.fingerprint,
            control=plan.control,
            treatments=tuple(zip(arm_names(len(plan.treatments)), plan.treatments, strict=True)),
            shares=plan.shares,
            started_at=plan.started_at,
            actor=actor,
        )
    )


def find(store: Store, name: str | None) -> Experiment:
    """Return the test of that name, or the one that runs.

    Raises:
        BadInput: there is none of that name, or none runs; says which there are.
    """
    if name is None:
        running = store.experiments.running()
        if running:
            return running[-1]
        there = [experiment.name for experiment in store.experiments.all()]
        raise BadInput(
            "no experiment is running",
            allowed=there or "none was started yet",
            next_step="name one that has ended, or start one: oracle ab start NAME --treatment VERSION",
        )
    found = store.experiments.get(name)
    if found is None:
        there = [experiment.name for experiment in store.experiments.all()]
        raise BadInput("there is no such experiment", value=name, allowed=there or "none was started yet")
    return found


def standing(store: Store, experiment: Experiment, policy: EvaluationPolicy, now: dt.datetime) -> Standing:
    """Return how a test stands: what was seen of each challenger, and the verdict.

    Args:
        store: Where it was written.
        experiment: The test.
        policy: Which races count.
        now: The moment of the look; a test that has ended is judged as of its end.
    """
    plan = read(experiment.plan)
    moment = experiment.ended_at or now
    challenges = []
    for arm, version in experiment.treatments:
        seen = observed(store, plan, arm, version, policy)
        challenges.append(Challenge(arm, version, seen, decide(seen, plan, moment, edited=experiment.edited)))
    return Standing(experiment, plan, tuple(challenges), tuple(store.experiments.changes(experiment.name)))


def end(
    store: Store,
    experiment: Experiment,
    policy: EvaluationPolicy,
    *,
    reason: str,
    actor: str,
    now: dt.datetime,
    shipped: bool = False,
) -> Experiment:
    """End a test and return it as it is kept; who ended it first, and why, stays.

    Args:
        store: Where it is kept.
        experiment: The test.
        policy: Which races count.
        reason: For the log.
        actor: Who ends it.
        now: The moment.
        shipped: Record that a challenger goes on to promotion: only where the verdict of one says ship.

    Raises:
        NotShown: it is to end as shipped, and no challenger's verdict says so.
    """
    if shipped:
        found = standing(store, experiment, policy, now)
        if not any(challenge.verdict.decision == "ship" for challenge in found.challenges):
            raise NotShown(
                "no challenger has shown that it is better",
                value="; ".join(f"{c.arm}: {c.verdict.label}" for c in found.challenges),
                allowed="a verdict that says ship",
                next_step=f"oracle ab status {experiment.name}; or end it without --shipped",
            )
    return store.experiments.end(experiment.name, "shipped" if shipped else "stopped", reason, actor, now)


class Guardian:
    """Says why a running test must end now; cheap enough to be asked every few seconds.

    Failures and latency are judged by the latest requests, calibration by the races that have results: read again
    only when there are new ones.
    """

    def __init__(self, policy: EvaluationPolicy) -> None:
        self._policy = policy
        self._results = -1
        self._worse: str | None = None

    def __call__(self, store: Store, experiment: Experiment, now: dt.datetime) -> str | None:  # noqa: ARG002
        """Return why, or None: no guardrail is breached by a challenger.

        Raises:
            Unavailable: the store did not answer.
        """
        plan = read(experiment.plan)
        for arm, version in experiment.treatments:
            seen = recent(store, plan, arm, version, GUARDED_REQUESTS)
            for finding in (failures(seen, plan.guardrails), latency(seen, plan.guardrails)):
                if finding.state == "breach":
                    return _cause(arm, version, finding)
        if (results := store.results.latest()) != self._results:
            self._worse = self._by_results(store, plan, experiment)
            self._results = results
        return self._worse

    def _by_results(self, store: Store, plan: Plan, experiment: Experiment) -> str | None:
        for arm, version in experiment.treatments:
            races, _, _ = paired_races(store, plan.control, version, plan.started_at, self._policy)
            found = calibration(races, plan.guardrails, plan.size.races)
            if found.state == "breach":
                return _cause(arm, version, found)
        return None


def _cause(arm: str, version: str, finding: Finding) -> str:
    return f"{arm} (version {version}), {finding.name}: {finding.cause}"


def running_ndcg(store: Store, experiment: Experiment, policy: EvaluationPolicy) -> dict[str, float]:
    """Return NDCG@3 by arm on the races of a test that have results; arms without any are left out."""
    plan, told = read(experiment.plan), {}
    for arm, version in experiment.treatments:
        races, _, _ = paired_races(store, plan.control, version, plan.started_at, policy)
        if len(races):
            told[CONTROL], told[arm] = float(races.control.mean()), float(races.treatment.mean())
    return told


def split_anew(
    store: Store, experiment: Experiment, *, rounds: int, share: float, seed: int, progress: Progress = silent
) -> Resplit:
    """Return how often metrics cry wolf when the control's own users are split at random: an A/A test of the past.

    Args:
        store: Where the traffic was written.
        experiment: Whose control arm is split.
        rounds: How many splits.
        share: Chance of a user to be called treated.
        seed: Of the splits.
        progress: Told of each split.

    Raises:
        NotEnoughData: fewer than a hundred users were seen.
    """
    plan, felt = read(experiment.plan), Felt()
    felt.take(store.trials.requests(experiment.name))
    metrics = felt.users(CONTROL)
    users = len(metrics["view"].numerator)
    if users < FEWEST_USERS:
        raise NotEnoughData(
            "too few users to split", value=users, allowed=f"{FEWEST_USERS} or more", next_step="send X-User-Id"
        )
    p = plan.policy.sample_ratio_p
    return resplit(metrics, share, rounds, seed, alpha=plan.policy.alpha, sample_ratio_p=p, progress=progress)
