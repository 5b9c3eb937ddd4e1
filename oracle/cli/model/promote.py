"""`oracle model promote`: ask that a version goes into service and, where the gates are enough, let it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.model.options import Actor, Desk, Version, desk
from oracle.cli.output import Json, bars, emit

if TYPE_CHECKING:
    from oracle.retraining.by_hand import Promoted

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Dataset on whose races both versions are compared, those that neither learned from; "
        "default: candidate.data, else none.",
    ),
]
BY_HAND = "asked for at the command line"


def promote(
    version: Version,
    data: Data = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = BY_HAND,
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Ask that a version goes into service, with the evidence for it.

    Where every gate passes and governance.approval is automatic it goes into service at once. Where a gate could not
    tell, or the settings want four eyes, the request waits for another person: `oracle model approve ID`. A gate that
    fails refuses, with exit code 3. Asked again, it goes on with the request that is there.
    """
    with desk() as own:
        told = promoted(own, version, reason, data or own.settings.candidate.data, actor)
    emit(told, json=json, text=lambda: text(told))


def promoted(own: Desk, version: str | int, reason: str, data: str | None, actor: str | None = None) -> dict[str, Any]:
    """Return, as plain values, what came of asking for a version.

    Raises:
        Refused: a gate fails, or the version cannot be promoted.
    """
    from oracle.registry.versions import resolve
    from oracle.retraining import by_hand

    found = resolve(own.tracking, version)
    measured, why = None, "no dataset was named: --data DATASET"
    if data is not None:
        measured, why = by_hand.measure(own.settings, own.tracking, own.store, found, data, bars)  # type: ignore[assignment]
    done = by_hand.promote(own.authority(actor), found.number, reason, measured, why)
    return _document(done, own)


def _document(done: Promoted, own: Desk) -> dict[str, Any]:
    from oracle.retraining.by_hand import waits

    request, promotion = done.asked.request, done.promotion
    return {
        "status": "waits" if promotion is None else "in service",
        "version": request.version,
        "semver": request.label,
        "request": request.request_id,
        "requester": request.requester,
        "expires": request.expires.isoformat(timespec="seconds"),
        "evidence_sha256": request.evidence_digest,
        **done.asked.verdict.as_dict(),
        "unmeasured": done.unmeasured,
        "approved_by": None if done.asked.ruling is None else done.asked.ruling.actor,
        "replaced": None if promotion is None else promotion.replaced,
        "told": waits(done, own.now)
        if promotion is None
        else f"{request.label} (version {request.version}) is in service; approved by {promotion.approver}",
    }


def text(told: dict[str, Any]) -> str:
    """Return what a person reads of it."""
    gates = "\n".join(
        f"  {gate['outcome']:<20} {gate['gate']}: {_short(gate['observed'])}; required: {gate['required']}"
        for gate in told["gates"]
    )
    return f"{told['told']}\ngates: {told['outcome']}\n{gates}" + (
        "" if told["status"] != "waits" else f"\nnext: oracle model approve {told['request']} --reason ..."
    )


def _short(observed: object) -> str:
    if observed is None:
        return "nothing"
    if isinstance(observed, float):
        return f"{observed:.4f}"
    if isinstance(observed, list):
        return ", ".join(_short(each) for each in observed)
    if isinstance(observed, dict):
        return ", ".join(f"{name} {_short(each)}" for name, each in observed.items())
    return str(observed)
