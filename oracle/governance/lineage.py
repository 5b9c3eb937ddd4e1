"""Which version was in service when, what it was made of, and who wanted it: read off the records alone. Pure.

A promotion tells what a version was trained on and whose yes it had; a request tells the same of a version that was
tested and has not come into service. Nothing here asks a registry, so the answer is there while that is away.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.governance.approval import Promotion, Request, Ruling

MADE_OF = ("run_id", "data_fingerprint", "git_commit", "features", "package_sha256")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of the service to a card of a race."""

    prediction_id: str
    at: dt.datetime
    arm: str
    version: str
    """That answered, with a mark behind a `+` where it answered under other weights."""
    experiment: str | None
    fallback: str | None

    @property
    def number(self) -> int | None:
        """The version's number in the registry."""
        base = self.version.partition("+")[0]
        return int(base) if base.isdecimal() else None


def in_service(promotions: Sequence[Promotion], moment: dt.datetime) -> Promotion | None:
    """Return the promotion by which the version came into service that was there at a moment, None before any record.

    Args:
        promotions: Of one model, in the order they were written.
        moment: The moment.
    """
    before = [promotion for promotion in promotions if promotion.at <= moment]
    return max(enumerate(before), key=lambda each: (each[1].at, each[0]))[1] if before else None


def of_promotion(promotion: Promotion, until: dt.datetime | None = None) -> dict[str, Any]:
    """Return how a version came into service, as plain values.

    Args:
        promotion: How it came.
        until: When the next one came; None where none has.
    """
    document = json.loads(promotion.document)
    return {
        "version": promotion.version,
        "semver": promotion.label,
        "in_service_from": promotion.at.isoformat(timespec="seconds"),
        "in_service_until": None if until is None else until.isoformat(timespec="seconds"),
        "kind": promotion.kind,
        "replaced": promotion.replaced,
        "carried_out_by": promotion.actor,
        "trained_on": {name: document.get(name) for name in MADE_OF},
        "request": promotion.request_id,
        "requested": document.get("requested"),
        "approved": document.get("approved"),
        "evidence_sha256": document.get("evidence_sha256"),
    }


def at(promotions: Sequence[Promotion], moment: dt.datetime) -> dict[str, Any]:
    """Return what was in service at a moment, and from where that is known.

    A rollback brings back what was approved before: who approved it then stands with it.
    """
    found = in_service(promotions, moment)
    if found is None:
        first = promotions[0].at if promotions else None
        why = (
            "nothing is on record before that moment"
            if first is None
            else f"the record begins at {first:%Y-%m-%d %H:%M:%S} UTC"
        )
        return {"at": moment.isoformat(timespec="seconds"), "version": None, "told": why}
    later = [p.at for p in promotions if p.at > found.at]
    told = of_promotion(found, min(later, default=None)) | {"approved_before": None}
    if found.kind == "rollback":
        earlier = [p for p in promotions if p.version == found.version and p.request_id and p.at <= found.at]
        told["approved_before"] = of_promotion(earlier[-1]) if earlier else None
    return {"at": moment.isoformat(timespec="seconds"), **told}


def of_request(request: Request, rulings: Iterable[Ruling]) -> dict[str, Any]:
    """Return a request and what was said to it, as plain values."""
    said = {ruling.step: ruling for ruling in rulings}
    evidence = json.loads(request.evidence)
    return {
        "request": request.request_id,
        "version": request.version,
        "semver": request.label,
        "requested": {"by": request.requester, "at": request.at.isoformat(), "reason": request.reason},
        "expires": request.expires.isoformat(timespec="seconds"),
        "measured_on": request.expected,
        "retraining": request.retraining,
        "evidence_sha256": request.evidence_digest,
        "gates": evidence.get("gates", {}).get("outcome"),
        "trained_on": {name: evidence.get(name) for name in MADE_OF},
        **{step: None if (ruling := said.get(step)) is None else _said(ruling) for step in ("decided", "used")},
    }


def _said(ruling: Ruling) -> dict[str, Any]:
    return {
        "decision": ruling.decision,
        "by": ruling.actor,
        "at": ruling.at.isoformat(timespec="seconds"),
        "reason": ruling.reason,
    }


def of_race(
    race: str,
    answers: Sequence[Answered],
    promotions: Sequence[Promotion],
    requests: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return which versions answered a race, when, and where each came from.

    Args:
        race: The race.
        answers: What the service answered, in the order of the moments.
        promotions: Of the model.
        requests: By version, the last request for it as `of_request` tells it.
    """
    return {
        "race": race,
        "answers": [
            {
                "prediction_id": each.prediction_id,
                "at": each.at.isoformat(timespec="milliseconds"),
                "version": each.version,
                "arm": each.arm,
                "experiment": each.experiment,
                "fallback": each.fallback,
                "in_service": _number(in_service(promotions, each.at)),
            }
            for each in answers
        ],
        "versions": [_version(name, answers, promotions, requests) for name in _in_order(answers)],
    }


def _number(promotion: Promotion | None) -> int | None:
    return None if promotion is None else promotion.version


def _in_order(answers: Sequence[Answered]) -> list[str]:
    return list(dict.fromkeys(each.version for each in answers))


def _version(
    name: str, answers: Sequence[Answered], promotions: Sequence[Promotion], requests: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return where one version came from: by its promotion before it answered, by a later one, by its request."""
    mine = [each for each in answers if each.version == name]
    span = {"version": name, "answers": len(mine), "first": str(mine[0].at), "last": str(mine[-1].at)}
    number = mine[0].number
    of = [promotion for promotion in promotions if promotion.version == number]
    approved = [promotion for promotion in of if promotion.request_id] or of
    before = in_service(approved, mine[-1].at) or (approved[0] if approved else None)
    if before is not None:
        return {**span, "known_by": "promotion", **_without_version(of_promotion(before))}
    if number is not None and number in requests:
        return {**span, "known_by": "request", **_without_version(requests[number])}
    told = f"no record of it here; the registry may know: oracle model show {name.partition('+')[0]}"
    return {**span, "known_by": None, "told": told}


def _without_version(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "version"}
