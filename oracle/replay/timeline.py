"""Everything that happened, on one line: alarms, retrainings and their ends, verdicts of live tests, promotions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from oracle.store import Retraining, Store

Kind = Literal["alarm", "retraining", "test", "verdict", "promoted", "rejected", "failed"]
KINDS: tuple[Kind, ...] = ("alarm", "retraining", "test", "verdict", "promoted", "rejected", "failed")
DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    at: dt.datetime
    kind: Kind
    what: str
    until: dt.datetime | None = None
    """End of what lasts: a live test."""
    of: str | None = None
    """Id of the check, retraining or test."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        until = None if self.until is None else self.until.isoformat()
        return {"at": self.at.isoformat(), "kind": self.kind, "what": self.what, "until": until, "of": self.of}


def timeline(store: Store, began: dt.datetime) -> list[Event]:
    """Return what happened since a moment, by the records that the parts left in the store, in order."""
    events = [
        Event(check.at, "alarm", _kinds(check.document), of=check.check_id)
        for check in store.checks.since(began)
        if check.verdict == DRIFT
    ]
    for retraining in store.retrainings.all():
        events += _of(retraining)
    for test in store.experiments.all():
        arms = ", ".join(version for _, version in test.treatments)
        what = f"version {arms} against {test.control}"
        events.append(Event(test.started_at, "test", what, test.ended_at, test.name))
        if test.ended_at is not None:
            events.append(Event(test.ended_at, "verdict", f"{test.status}: {test.reason}", of=test.name))
    return sorted(events, key=lambda event: (event.at, KINDS.index(event.kind)))


def _of(retraining: Retraining) -> list[Event]:
    told = orjson.loads(retraining.cause)
    cause = told.get("causes") if isinstance(told, dict) else told
    begun = Event(retraining.at, "retraining", _why(cause), of=retraining.retraining_id)
    if retraining.ended_at is None:
        return [begun]
    if retraining.status == "promoted":
        what = f"version {retraining.candidate} in place of {retraining.production}"
        return [begun, Event(retraining.ended_at, "promoted", what, of=retraining.retraining_id)]
    kind: Kind = "failed" if retraining.status == "failed" else "rejected"
    what = f"{retraining.status}: {retraining.reason}"
    return [begun, Event(retraining.ended_at, kind, what, of=retraining.retraining_id)]


def _kinds(document: str) -> str:
    """Return the kinds of drift that a check found, and the first cause it names."""
    told = orjson.loads(document)
    kinds = [name for name, part in told.items() if isinstance(part, dict) and part.get("verdict") == DRIFT]
    causes = [str(each.get("feature")) for each in told.get("causes") or [] if isinstance(each, dict)]
    return ", ".join(kinds or ["drift"]) + (f" ({', '.join(causes[:3])})" if causes else "")


def _why(causes: object) -> str:
    """Return what spoke for a retraining."""
    if not isinstance(causes, list):
        return str(causes)
    told = [each for each in causes if isinstance(each, dict)]
    speaking = [str(each.get("why")) for each in told if each.get("says") == "for"]
    return "; ".join(speaking or [str(each) for each in causes])


def retrainings(store: Store) -> list[dict[str, Any]]:
    """Return each retraining with the seconds of its steps."""
    told = []
    for each in store.retrainings.all():
        steps = [s for s in store.retrainings.steps(each.retraining_id) if s.seconds is not None]
        told.append(
            {
                "retraining_id": each.retraining_id,
                "at": each.at.isoformat(),
                "status": each.status,
                "production": each.production,
                "candidate": each.candidate,
                "experiment": each.experiment,
                "reason": each.reason,
                "ended_at": None if each.ended_at is None else each.ended_at.isoformat(),
                "cause": orjson.loads(each.cause),
                "steps": [{"step": s.step, "status": s.status, "seconds": s.seconds} for s in steps],
                "seconds": round(sum(s.seconds or 0.0 for s in steps), 1),
            }
        )
    return told
