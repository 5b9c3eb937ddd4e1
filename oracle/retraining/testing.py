"""A candidate against production: at once on past races, then on live traffic where such a test can come to an end.

The instant replay judges the races of the holdout by the rules of a live test and measures what a live test is planned
with. Whether one is held, and what has to be shown where none is, are settings (`candidate.live`, `.evidence`).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from oracle.errors import NotEnoughData
from oracle.experiment import conduct, replay
from oracle.experiment.plan import ASSUMED_RHO, Plan, make
from oracle.experiment.replay import SD
from oracle.experiment.sizing import NeverEnds
from oracle.experiment.trial import Hindsight, Trial, trial
from oracle.retraining.steps import (
    ACTOR,
    LIVE_AB,
    REPLAY_AB,
    VALIDATE,
    Context,
    Done,
    Outcome,
    Over,
    Waiting,
    Work,
)
from oracle.store import Experiment
from oracle.store.experiments import ExperimentExists

DAY = dt.timedelta(days=1)
MOST_RHO = 0.9999
POSSIBLE_MEANS = (0.001, 0.999)


def on_past_races(work: Work) -> Outcome:
    """Replay both versions on the races that neither learned from, and go on unless the candidate does harm."""
    found = _trial(work)
    work.mark("replay_ab.replayed")
    if isinstance(found, str):
        return _open(work, {"decision": "unmeasured", "causes": [found]})
    names = work.retraining.production, str(work.candidate().number)
    _, challenge = replay.judged(found, names, work.settings.experiment, work.settings.guardrails)
    numbers, verdict = replay.measured(found.races), challenge.verdict
    document = {
        **verdict.as_dict(),
        **numbers,
        "pool": work.done[VALIDATE]["pools"][0],
        "first_date": str(found.first),
        "last_date": str(found.last),
        "races_per_day": found.races_per_day,
        "left_out": found.left_out,
        "sizes": replay.sizes(numbers, work.settings.experiment),
        "notes": list(found.notes),
    }
    high = verdict.accuracy.high
    if verdict.rolls_back or (high is not None and high < 0.0):
        return Over("rejected", f"instant replay: {'; '.join(verdict.causes)}", document)
    work.tell("verdict", f"instant replay: {verdict.label}", REPLAY_AB, {"causes": list(verdict.causes)})
    return _open(work, document)


def _open(work: Work, document: dict[str, Any]) -> Outcome:
    """Go on, or end where neither this replay nor a live test may decide for the candidate."""
    policy = work.settings.candidate
    if policy.live == "never" and policy.evidence == "better" and document["decision"] != "ship":
        return Over("rejected", f"instant replay does not say ship: {'; '.join(document['causes'])}", document)
    return Done(document)


def _trial(work: Work) -> Trial | str:
    """Return both versions on past races, or why there are none to be fair on."""
    try:
        return trial(
            work.data,
            work.context.model(work.production()),
            work.context.model(work.candidate()),
            work.settings.evaluation,
            since=dt.date.fromisoformat(str(work.done[VALIDATE]["first_date"])),
            odds=work.done[VALIDATE]["pools"][0] == "market",
            progress=work.context.progress,
            walked=work.context.walked(work.data),
        )
    except (Hindsight, NotEnoughData) as error:
        return str(error)


def on_live_traffic(work: Work) -> Outcome:
    """Begin a live test where one is to be held, look at it, and say what it came to."""
    policy, store = work.settings.candidate, work.context.store
    name = experiment_of(work.id)
    there = store.experiments.get(name)
    if there is None:
        if policy.live == "never":
            return _without(work, "the settings want no live test")
        try:
            there = conduct.begin(store, _plan(work, name), ACTOR)
        except NeverEnds as error:
            if policy.live == "always":
                return Over("rejected", f"live test: {error.what}", {"decision": "none", "causes": [str(error)]})
            return _without(work, error.what)
        except ExperimentExists as error:
            taken = f"{error.what} ({error.value})"
            if work.now - work.began_at < policy.test_days * DAY:
                return Waiting("testing", f"no place for a live test: {taken}")
            return _crowded(work, taken)
        work.mark("live_ab.begun")
    store.retrainings.update(work.id, experiment=name)
    return _looked(work, there)


def experiment_of(retraining_id: str) -> str:
    """Return the name of the live test of a retraining: the same for whoever begins it."""
    return f"retrain-{retraining_id}"[:64]


def _plan(work: Work, name: str) -> Plan:
    """Return the plan of a live test, by what the instant replay measured."""
    policy, seen = work.settings.candidate, work.done[REPLAY_AB]
    rules = work.settings.experiment.model_copy(update={"max_days": policy.test_days})
    if rules.min_days > rules.max_days:
        rules = rules.model_copy(update={"min_days": rules.max_days})
    return make(
        name=name,
        control=work.retraining.production,
        treatments=(str(work.candidate().number),),
        shares=(policy.share,),
        mean=float(np.clip(seen.get("mean") or 0.5, *POSSIBLE_MEANS)),
        sd=seen.get("sd") or SD,
        rho=min(seen.get("rho") or ASSUMED_RHO, MOST_RHO),
        races_per_day=seen.get("races_per_day"),
        policy=rules,
        guardrails=work.settings.guardrails,
        started_at=work.now,
    )


def _looked(work: Work, there: Experiment) -> Outcome:
    """Return what a live test says now; one that is decided is ended."""
    store, evaluation = work.context.store, work.settings.evaluation
    if there.status == "running":
        found = conduct.standing(store, there, evaluation, work.now)
        verdict = found.challenges[0].verdict
        reason = f"{verdict.label}: {'; '.join(verdict.causes)}"
        if verdict.decision == "continue":
            return Waiting("testing", f"live test {there.name}: {reason}", there.name)
        shipped = verdict.decision == "ship"
        work.mark("live_ab.decided")
        there = conduct.end(store, there, evaluation, reason=reason, actor=ACTOR, now=work.now, shipped=shipped)
        work.mark("live_ab.ended")
    told = conduct.standing(store, there, evaluation, work.now).challenges[0].verdict
    document = {"experiment": there.name, "status": there.status, "reason": there.reason, **told.as_dict()}
    if there.status == "rolled_back":
        work.tell("rolled_back", f"the live test was rolled back: {there.reason}", LIVE_AB, {"experiment": there.name})
    work.tell("verdict", f"live test: {there.status}: {there.reason}", LIVE_AB, {"experiment": there.name})
    if there.status != "shipped":
        return Over("rejected", f"live test {there.status}: {there.reason}", document)
    return Done(document)


def _without(work: Work, why: str) -> Outcome:
    """Go on without a live test, where what is known already is enough."""
    decision, policy = work.done[REPLAY_AB]["decision"], work.settings.candidate
    document, validated = {"decision": "none", "causes": [why]}, work.done[VALIDATE]
    if policy.evidence == "better" and decision != "ship":
        return Over("rejected", f"the instant replay does not say ship; no live test: {why}", document)
    if validated["outcome"] != "pass" and decision != "ship":
        causes = "; ".join(validated.get("causes", ()))
        return Over("rejected", f"not enough evidence: {causes}; no live test: {why}", document)
    return Done(document)


def _crowded(work: Work, why: str) -> Outcome:
    if work.settings.candidate.live == "always":
        return Over("rejected", f"no place for a live test in time: {why}", {"decision": "none", "causes": [why]})
    return _without(work, f"no place for a live test in time: {why}")


def stopped(context: Context, retraining_id: str, reason: str, now: dt.datetime) -> None:
    """End the live test of a retraining that ends without it, if it runs."""
    name = experiment_of(retraining_id)
    if (there := context.store.experiments.get(name)) is not None and there.status == "running":
        context.store.experiments.end(name, "stopped", reason, ACTOR, now)
