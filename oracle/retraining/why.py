"""Why a retraining was started, held back, or not thought of: an event in the words of its rules. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.retraining.trigger import DECIDING

HEADS = {"for": "for it", "against": "against it now", "unknown": "not known", "quiet": "quiet"}
DID = {
    "retrain": "a retraining was started",
    "wait": "nothing was started, for now",
    "ignore": "nothing was started",
}
SHOWN = 5


def explained(
    decision: Mapping[str, Any],
    check: Mapping[str, Any] | None,
    retraining: Mapping[str, Any] | None,
    steps: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the whole story of an event as plain values.

    Args:
        decision: As it was kept: `trigger.Decision.as_dict`.
        check: The drift report it was made on, None where there was none.
        retraining: What it started, None where it started none.
        steps: The log of that.
    """
    rules = [c for c in decision["causes"] if c["says"] in DECIDING[decision["decision"]]]
    return {
        "event_id": decision["event_id"],
        "at": decision["at"],
        "decision": decision["decision"],
        "model_version": decision["model_version"],
        "did": DID[decision["decision"]],
        "because": rules or list(decision["causes"]),
        "rules": list(decision["causes"]),
        "check": check,
        "retraining": None if retraining is None else {**retraining, "steps": list(steps)},
    }


def text(story: Mapping[str, Any]) -> str:
    """Return the story as a person reads it."""
    lines = [
        f"{story['event_id']} at {story['at'][:16].replace('T', ' ')}, model version {story['model_version']}:"
        f" {story['did']}",
        *(f"  because {c['why']}" for c in story["because"]),
        "",
    ]
    for says, head in HEADS.items():
        lines += [f"  {head:15}{c['rule']:18}{c['why']}" for c in story["rules"] if c["says"] == says]
    lines += ["", *_of_check(story["check"]), *_of_retraining(story["retraining"])]
    return "\n".join(lines)


def _of_check(check: Mapping[str, Any] | None) -> list[str]:
    if check is None:
        return ["no check was behind it"]
    lines = [f"check {check['check_id']}: {check['verdict']}, {check['races']:,} races"]
    for cause in list(check.get("causes") or [])[:SHOWN]:
        told = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in cause.items())
        lines.append(f"  {told}")
    return lines


def _of_retraining(retraining: Mapping[str, Any] | None) -> list[str]:
    if retraining is None:
        return []
    reason = f": {retraining['reason']}" if retraining["reason"] else ""
    lines = [f"retraining {retraining['retraining_id']} is {retraining['status']}{reason}"]
    for step in retraining["steps"]:
        seconds = "" if step["seconds"] is None else f" in {step['seconds']:.1f} s"
        lines.append(f"  {step['at'][:19].replace('T', ' ')}  {step['step']} {step['status']}{seconds}")
    return lines
