"""What there is to tell, read from the store: of retrainings, and of live tests, whoever ended them.

A guardrail rolls a challenger back in a gateway, a person promotes a candidate at the command line; neither has to
think of alerts. What happened stands in the store, an alert has the same id whenever it is told, so all that is recent
is told at every look and goes out once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import orjson

from oracle.alerts import message
from oracle.alerts.message import Message
from oracle.retraining.trigger import is_decision
from oracle.store import Experiment, Retraining, Store

RECENT = dt.timedelta(days=7)
"""What ended earlier is no news: a monitor that is started on an old store does not tell its history."""


def news(store: Store, now: dt.datetime) -> Iterator[Message]:
    """Yield an alert for all that is recent, told before or not."""
    since = now - RECENT
    for retraining in store.retrainings.all():
        if retraining.at >= since or (retraining.ended_at or now) >= since:
            yield from of_retraining(retraining, now)
    for experiment in store.experiments.all():
        if experiment.ended_at is not None and experiment.ended_at >= since:
            yield of_experiment(store, experiment, experiment.ended_at)


def of_retraining(retraining: Retraining, now: dt.datetime) -> Iterator[Message]:
    """Yield what is to be told of a retraining as it stands."""
    name, ended, why = retraining.retraining_id, retraining.ended_at or now, retraining.reason or "no reason was given"
    yield message.retraining_started(name, why_of(retraining), retraining.at)
    if retraining.candidate is not None:
        yield message.candidate_staged(name, retraining.candidate, ended)
    if retraining.status == "promoted":
        yield message.promoted(name, str(retraining.candidate), retraining.production, ended)
    elif retraining.status == "failed":
        yield message.retraining_failed(name, why, ended)
    elif retraining.status in ("rejected", "superseded"):
        yield message.rejected(name, retraining.candidate, f"{retraining.status}: {why}", ended)


def of_experiment(store: Store, experiment: Experiment, ended: dt.datetime) -> Message:
    """Return what is to be told of a live test that has ended."""
    if experiment.status != "rolled_back":
        return message.verdict(experiment.name, experiment.status, experiment.reason, ended)
    actors = [c.actor for c in store.experiments.changes(experiment.name) if c.what == "rolled_back"]
    return message.rolled_back(experiment.name, experiment.reason, (actors or ["nobody known"])[-1], ended)


def why_of(retraining: Retraining) -> str:
    """Return in a sentence why a retraining was started.

    A person who starts one may write a sentence; a decision is kept with what every rule said.
    """
    if not is_decision(retraining.cause):
        return retraining.cause
    return "; ".join(c["why"] for c in orjson.loads(retraining.cause)["causes"] if c["says"] == "for")
