"""How a retraining stands: the clock of its steps, and what came out of each in a line. Pure."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Line(Protocol):
    """A line of the log (`oracle.store.retrainings.Step`)."""

    @property
    def step(self) -> str:
        """Name of the step."""
        ...

    @property
    def status(self) -> str:
        """started, done or failed."""
        ...

    @property
    def at(self) -> dt.datetime:
        """When it was written."""
        ...

    @property
    def seconds(self) -> float | None:
        """What the step took."""
        ...

    @property
    def document(self) -> str:
        """What came out, as JSON."""
        ...


@dataclass
class _Step:
    name: str
    begun: int = 0
    status: str = "started"
    at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    seconds: float | None = None
    document: Mapping[str, Any] | None = None


def document(retraining: Any, lines: Sequence[Line]) -> dict[str, Any]:
    """Return a retraining and its steps as plain values.

    Args:
        retraining: As it stands (`oracle.store.Retraining`).
        lines: Its log, in order.
    """
    steps: dict[str, _Step] = {}
    for line in lines:
        step = steps.setdefault(line.step, _Step(line.step))
        if line.status == "started":
            step.begun += 1
            step.at = step.at or line.at
        elif step.document is None:
            step.status, step.ended_at, step.seconds = line.status, line.at, line.seconds
            step.document = json.loads(line.document)
    ended = retraining.ended_at
    return {
        "retraining_id": retraining.retraining_id,
        "event_id": retraining.event_id,
        "status": retraining.status,
        "reason": retraining.reason,
        "cause": _cause(retraining.cause),
        "at": retraining.at.isoformat(),
        "ended_at": None if ended is None else ended.isoformat(),
        "production": retraining.production,
        "candidate": retraining.candidate,
        "experiment": retraining.experiment,
        "run_id": retraining.run_id,
        "seconds_at_work": round(sum(s.seconds or 0.0 for s in steps.values() if s.name not in WAITS), 3),
        "steps": [
            {
                "step": step.name,
                "status": step.status,
                "begun": step.begun,
                "at": None if step.at is None else step.at.isoformat(),
                "ended_at": None if step.ended_at is None else step.ended_at.isoformat(),
                "seconds": step.seconds,
                "came_out": came_out(step.name, step.document or {}),
                "document": step.document,
            }
            for step in steps.values()
        ],
    }


WAITS = ("live_ab", "approval", "submit")
"""Steps whose time is that of others."""


def _cause(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def came_out(step: str, found: Mapping[str, Any]) -> str:
    """Return what came out of a step, in a line; "" of one that is not over."""
    if not found:
        return ""
    if "ends" in found:
        return f"{found['ends']['status']}: {found['ends']['reason']}"
    return WORDS[step](found) if step in WORDS else ""


def _validated(found: Mapping[str, Any]) -> str:
    causes = "; ".join(found["causes"])
    return f"{found['outcome']}, races from {found['first_date']} to {found['last_date']}: {causes}"


WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "snapshot": lambda d: (
        f"{d['races']:,} races to {d['last_date']}, {d['races_new']:,} new from our store: {d['fingerprint'][:16]}"
    ),
    "sweep": lambda d: f"{d['trials']} trials, recipe: {d['origin']}",
    "train": lambda d: f"run {d['run_id']}; {d['holdout_days']} race dates from {d['holdout_from']} on kept out",
    "validate": _validated,
    "register": lambda d: f"version {d['version']} ({d['semver']}) is staged",
    "replay_ab": lambda d: f"{d['decision']}: {'; '.join(d['causes'])}",
    "live_ab": lambda d: f"{d.get('status', 'none held')}: {d.get('reason') or '; '.join(d['causes'])}",
    "approval": lambda d: f"{d['decision']} by {d['actor']}: {d['reason']}",
    "promote": lambda d: f"version {d['version']} ({d['semver']}) in the place of {d['replaced']}",
}


def text(told: Mapping[str, Any]) -> str:
    """Return the same as a person reads it."""
    lines = [f"retraining {told['retraining_id']}: {told['status']}"]
    if told["reason"]:
        lines[0] += f": {told['reason']}"
    lines.append(f"  begun {told['at']} against version {told['production']}, {told['seconds_at_work']:,.1f} s at work")
    for step in told["steps"]:
        clock = "" if step["seconds"] is None else f"{step['seconds']:,.1f} s"
        again = f" (begun {step['begun']} times)" if step["begun"] > 1 else ""
        lines.append(f"  {step['step']:10} {step['status']:8} {clock:>12}  {step['came_out']}{again}".rstrip())
    return "\n".join(lines)
