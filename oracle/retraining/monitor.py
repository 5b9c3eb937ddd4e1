"""One look at everything: has something drifted, is a retraining due, how do those under way do, who is to be told.

A tick goes by what the store says and not by what an earlier tick remembers, and writes down what it is going to do
before it does it. So a tick that is cut off anywhere loses nothing and doubles nothing: the next one finds the same
state and goes on. What fails is told and does not keep the rest from being done; a check that failed is evidence of
nothing, and never of quiet.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from oracle.alerts import message
from oracle.alerts.outbox import Delivered, Outbox
from oracle.errors import OracleError
from oracle.retraining import trigger
from oracle.retraining.evidence import blind, drifting, parts_of
from oracle.retraining.news import news
from oracle.retraining.shepherd import Shepherd
from oracle.retraining.trigger import Evidence, Past
from oracle.settings import Settings
from oracle.store import Check, Decision, Retraining, Store

T = TypeVar("T")
LOG = logging.getLogger("oracle.monitor")
LOCK = "monitor"


@dataclass(frozen=True, slots=True)
class Production:
    """The model in use."""

    version: str
    trained_at: dt.datetime
    """Until when it knows results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a tick works with."""

    settings: Settings
    store: Store
    outbox: Outbox
    shepherd: Shepherd
    production: Callable[[], Production | None]
    """The model in use, None where there is none."""
    check: Callable[[dt.datetime], Check | None]
    """Looks for drift now and writes what it found into the store; None where there is nothing to look at."""
    data: str | None = None
    """Dataset to train on."""


@dataclass(kw_only=True)
class Tick:
    """What one look came to."""

    at: dt.datetime
    check: Check | None = None
    decision: trigger.Decision | None = None
    retraining: Retraining | None = None
    """The one under way at the end."""
    alerts: list[message.Message] = field(default_factory=list)
    delivered: Delivered = field(default_factory=Delivered)
    trouble: list[str] = field(default_factory=list)
    """What failed, in a sentence each."""

    @property
    def alarming(self) -> bool:
        """Whether the check found drift."""
        return self.check is not None and self.check.verdict == trigger.DRIFT

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        check, under_way = self.check, self.retraining
        return {
            "at": self.at.isoformat(),
            "check": None
            if check is None
            else {
                "check_id": check.check_id,
                "verdict": check.verdict,
                "races": check.races,
                "model_version": check.model_version,
            },
            "decision": None if self.decision is None else self.decision.as_dict(),
            "retraining": None
            if under_way is None
            else {"retraining_id": under_way.retraining_id, "status": under_way.status},
            "alerts": [a.as_dict() for a in self.alerts],
            "deliveries": self.delivered.as_dict(),
            "trouble": self.trouble,
        }


def tick(context: Context, now: dt.datetime) -> Tick:
    """Look once at everything, do what is due, and return what was done; one process at a time.

    Raises:
        Unavailable: the store did not answer, or another monitor is at it.
    """
    with context.store.database.exclusive(LOCK):
        done = Tick(at=now)
        before = len(context.outbox.said)
        done.check, why = _checked(context, done)
        _attempt(context, done, "deciding", lambda: _decide(context, done, why))
        _attempt(context, done, "looking after retrainings", lambda: context.shepherd.look(now))
        done.retraining = context.store.retrainings.unfinished()
        context.outbox.tell(*_drift(context, done), *news(context.store, now))
        done.delivered = context.outbox.deliver(now)
        done.alerts = context.outbox.said[before:]
        return done


def _attempt(context: Context, done: Tick, what: str, work: Callable[[], T]) -> T | None:
    """Return what the work returns; a failure is logged, told and left to the next tick."""
    try:
        return work()
    except Exception as error:
        why = str(error) if isinstance(error, OracleError) else f"{type(error).__name__}: {error}"
        LOG.exception("%s failed", what)
        done.trouble.append(f"{what}: {why}")
        context.outbox.tell(message.monitor_failed(what, why, done.at, context.settings.alerts.repeat_hours))
        return None


def _checked(context: Context, done: Tick) -> tuple[Check | None, str]:
    """Return the check, or why there is none."""
    check = _attempt(context, done, "checking for drift", lambda: context.check(done.at))
    return check, done.trouble[-1] if done.trouble else "there is nothing to check yet"


def _decide(context: Context, done: Tick, why: str) -> None:
    """Decide on what was measured, and write down a retraining that is to be: the shepherd brings it to its job."""
    store, found = context.store, gathered(context, done.check, why)
    if (cut_off := store.retrainings.unfinished()) is not None and trigger.is_decision(cut_off.cause):
        _record(store, orjson.loads(cut_off.cause), cut_off.at)
    done.decision = decision = trigger.decide(found, context.settings.retraining, done.at)
    told = decision.as_dict() | {"check_id": None if done.check is None else done.check.check_id}
    if decision.retraining_id is not None and found.model_version is not None:
        store.retrainings.start(
            Retraining(
                retraining_id=decision.retraining_id,
                event_id=decision.event_id,
                at=done.at,
                cause=orjson.dumps(told).decode(),
                production=found.model_version,
            )
        )
    _record(store, told, done.at)


def _record(store: Store, told: dict[str, Any], at: dt.datetime) -> None:
    store.retrainings.decide(
        Decision(
            event_id=told["event_id"],
            at=at,
            decision=told["decision"],
            causes=orjson.dumps(told).decode(),
            check_id=told["check_id"],
            retraining_id=told["retraining_id"],
        )
    )


def gathered(context: Context, check: Check | None, why: str) -> Evidence:
    """Return all that a decision looks at, from a check and from what the store remembers.

    A check of another version than the one in use says nothing of it.

    Args:
        context: What a tick works with.
        check: What was measured, None where nothing was.
        why: Why nothing was.
    """
    store, production = context.store, context.production()
    version = None if production is None else production.version
    if check is not None and check.model_version != version:
        why, check = f"the check was of version {check.model_version}", None
    past = [Past(r.retraining_id, r.at, r.ended_at) for r in store.retrainings.all()]
    trained_at = None if production is None else production.trained_at
    last = max((p.started_at for p in past), default=None)
    latest = f"{store.results.latest()}|{'' if check is None else check.check_id}"
    return Evidence(
        model_version=version,
        drift=blind(why) if check is None else parts_of(orjson.loads(check.document)),
        trained_at=trained_at,
        new_races=store.results.races_after(trained_at, last),
        latest=latest,
        past=past,
        data=context.data is not None,
    )


def _drift(context: Context, done: Tick) -> list[message.Message]:
    if done.check is None or not done.alarming:
        return []
    document = orjson.loads(done.check.document)
    kinds = drifting(parts_of(document))
    hours = context.settings.alerts.repeat_hours
    causes = list(document.get("causes") or [])[:5]
    return [message.drifted(done.check.check_id, done.check.model_version, kinds, causes, done.at, hours)]
