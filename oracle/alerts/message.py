"""What an alert says: a pure function per kind of event, each with an id that the same event has again.

The id is a digest of what happened and to whom, never of the moment it was noticed: whoever notices it twice, after a
crash or in another process, says the same alert, and the store keeps it once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

AlertKind = Literal[
    "drift",
    "retraining_started",
    "retraining_failed",
    "candidate_staged",
    "verdict",
    "promoted",
    "rolled_back",
    "monitor_failed",
    "store_away",
    "store_back",
    "artifacts_away",
    "artifacts_back",
    "test",
]
Part = Literal["store", "artifacts"]
"""What serving can lose and go on without."""
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Message:
    """One alert."""

    alert_id: str
    at: dt.datetime
    kind: AlertKind
    severity: Severity
    title: str
    """One line."""
    document: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "alert_id": self.alert_id,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "severity": self.severity,
            "title": self.title,
            "document": dict(self.document),
        }


def message(
    kind: AlertKind, severity: Severity, title: str, at: dt.datetime, *of: object, **document: object
) -> Message:
    """Return an alert whose id is that of its kind and of what it is about.

    Args:
        kind: What happened.
        severity: How soon somebody should look.
        title: The same in one line.
        at: When it happened.
        of: What tells this event from all others of its kind.
        document: What else a receiver may want to know, as plain values.
    """
    digest = hashlib.sha256(orjson.dumps([kind, *map(str, of)])).hexdigest()[:16]
    return Message(f"{kind}-{digest}", at, kind, severity, title, document)


def drifted(
    check_id: str,
    model_version: str | None,
    kinds: Mapping[str, str],
    causes: list[Any],
    at: dt.datetime,
    repeat_hours: float,
) -> Message:
    """Return the alarm of a check that found drift; it is told again while it lasts, once in `repeat_hours`.

    Args:
        check_id: The check.
        model_version: The version it was about.
        kinds: What drifted, with the cause in a sentence.
        causes: What carries it, the heaviest first, as plain values.
        at: When it was checked.
        repeat_hours: How long one alarm stands for all of its kind.
    """
    period = int(at.timestamp() // (3600.0 * repeat_hours))
    told = "; ".join(f"{kind}: {why}" if why else kind for kind, why in kinds.items())
    return message(
        *("drift", "warning", f"drift under model version {model_version}: {told}", at),
        *(model_version, sorted(kinds), period),
        check_id=check_id,
        model_version=model_version,
        drift=dict(kinds),
        causes=causes,
    )


def retraining_started(retraining_id: str, why: str, at: dt.datetime) -> Message:
    """Return the news that a retraining was started, and why."""
    title = f"retraining {retraining_id} started: {why}"
    return message("retraining_started", "info", title, at, retraining_id, retraining_id=retraining_id, why=why)


def retraining_failed(retraining_id: str, why: str, at: dt.datetime) -> Message:
    """Return the alarm that a retraining has failed for good."""
    title = f"retraining {retraining_id} failed: {why}"
    return message("retraining_failed", "critical", title, at, retraining_id, retraining_id=retraining_id, why=why)


def candidate_staged(retraining_id: str, candidate: str, at: dt.datetime) -> Message:
    """Return the news that a validated candidate is in the registry and is going to be tested."""
    title = f"retraining {retraining_id}: candidate version {candidate} is validated and staged"
    document = {"retraining_id": retraining_id, "candidate": candidate}
    return message("candidate_staged", "info", title, at, retraining_id, **document)


def promoted(retraining_id: str, candidate: str, production: str, at: dt.datetime) -> Message:
    """Return the news that a candidate answers now."""
    title = f"version {candidate} is in production, version {production} is archived (retraining {retraining_id})"
    document = {"retraining_id": retraining_id, "candidate": candidate, "production": production}
    return message("promoted", "info", title, at, retraining_id, **document)


def rejected(retraining_id: str, candidate: str | None, why: str, at: dt.datetime) -> Message:
    """Return the news that a retraining ended without a promotion; production stays as it is."""
    who = "no candidate" if candidate is None else f"candidate version {candidate}"
    title = f"retraining {retraining_id}: {who} is not promoted: {why}"
    document = {"retraining_id": retraining_id, "candidate": candidate, "verdict": "rejected", "why": why}
    return message("verdict", "info", title, at, retraining_id, "rejected", **document)


def of_step(kind: AlertKind, title: str, document: Mapping[str, Any], at: dt.datetime) -> Message:
    """Return the news of a step of a retraining: the same alert that a monitor reads out of the store later.

    Args:
        kind: What happened.
        title: The same in one line.
        document: The details, with `retraining_id` and `step`.
        at: When.
    """
    of = [str(document["retraining_id"]), *([str(document.get("step"))] if kind == "verdict" else [])]
    if "experiment" in document:  # what is told of a live test is told once, whoever watches it
        of = [str(document["experiment"])]
    severity: Severity = "critical" if kind in ("retraining_failed", "rolled_back") else "info"
    return message(kind, severity, title, at, *of, **document)


def verdict(experiment: str, ended: str, why: str | None, at: dt.datetime) -> Message:
    """Return how a live test ended: shipped or stopped."""
    title = f"experiment {experiment} is {ended}{f': {why}' if why else ''}"
    return message("verdict", "info", title, at, experiment, experiment=experiment, verdict=ended, why=why)


def rolled_back(experiment: str, why: str | None, actor: str, at: dt.datetime) -> Message:
    """Return the alarm that a challenger did harm and was taken off its traffic."""
    title = f"experiment {experiment} was rolled back by {actor}{f': {why}' if why else ''}"
    return message("rolled_back", "critical", title, at, experiment, experiment=experiment, why=why, actor=actor)


def monitor_failed(where: str, why: str, at: dt.datetime, repeat_hours: float) -> Message:
    """Return the alarm that the monitor itself could not do its work; told again while it lasts.

    Args:
        where: What it was about to do.
        why: What it met with.
        at: When.
        repeat_hours: How long one alarm stands for all of its kind.
    """
    period = int(at.timestamp() // (3600.0 * repeat_hours))
    return message("monitor_failed", "critical", f"the monitor failed: {where}: {why}", at, where, period, why=why)


AWAY: Mapping[Part, tuple[AlertKind, AlertKind, str, str]] = {
    "store": ("store_away", "store_back", "our store", "answers go on and wait on this machine"),
    "artifacts": ("artifacts_away", "artifacts_back", "the registry with its artifacts", "what serves goes on"),
}


def away(part: Part, where: str, why: str, since: dt.datetime) -> Message:
    """Return the alarm that something serving needs does not answer.

    Args:
        part: What.
        where: The machine that misses it: each tells its own.
        why: What was met with.
        since: When it was noticed; two outages of one part differ by it.
    """
    kind, _, name, meanwhile = AWAY[part]
    title = f"{name} does not answer on {where}; {meanwhile}: {why}"
    document = {"part": part, "machine": where, "since": since.isoformat(), "why": why}
    return message(kind, "critical", title, since, where, since.isoformat(), **document)


def back(part: Part, where: str, since: dt.datetime, at: dt.datetime) -> Message:
    """Return the news that it answers again, and that nothing is to be done."""
    _, kind, name, _ = AWAY[part]
    seconds = round((at - since).total_seconds(), 1)
    title = f"{name} answers again on {where}, after {seconds:g} s"
    document = {"part": part, "machine": where, "since": since.isoformat(), "seconds": seconds}
    return message(kind, "info", title, at, where, since.isoformat(), **document)


def trial(at: dt.datetime) -> Message:
    """Return an alert that says nothing but that alerts arrive."""
    return message("test", "info", "a test of the alerts: nothing happened", at, at.isoformat())


def body(told: Message) -> bytes:
    """Return an alert as it is posted: one JSON object."""
    return orjson.dumps(told.as_dict(), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS, default=str)


def signature(secret: str, timestamp: int, content: bytes) -> str:
    """Return what proves to a receiver who sends and when: `sha256=` and the HMAC of "timestamp.body" in hex.

    >>> signature("a secret of some length", 1777809600, b"{}")[:15]
    'sha256=19957ac9'
    """
    signed = str(timestamp).encode() + b"." + content
    return f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def genuine(secret: str, timestamp: str | None, content: bytes, shown: str | None, now: float, within: float) -> bool:
    """Return whether a delivery was signed with the secret within the last seconds: what a receiver should ask.

    Args:
        secret: The key both sides know.
        timestamp: The header `X-Oracle-Timestamp`.
        content: The body as it came.
        shown: The header `X-Oracle-Signature`.
        now: Seconds since 1970.
        within: Seconds after which an old delivery, sent again by somebody else, counts no more.
    """
    if timestamp is None or shown is None or not timestamp.isdecimal() or abs(now - int(timestamp)) > within:
        return False
    return hmac.compare_digest(signature(secret, int(timestamp), content), shown)
