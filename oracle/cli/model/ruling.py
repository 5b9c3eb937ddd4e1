"""`oracle model requests`, `approve`, `reject` and `withdraw`: what waits for an answer, and the answer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from oracle.cli.model.options import Actor, Reason, RequestId, desk
from oracle.cli.output import Json, emit


def requests(
    every: Annotated[bool, typer.Option("--all", help="The last ones that were answered or expired, too.")] = False,
    json: Json = False,
) -> None:
    """List the requests that wait for an answer, with their evidence and what the gates say of it."""
    from oracle.governance import lineage

    with desk(registry=False) as own:
        told = [
            lineage.of_request(request, rulings)
            for request, rulings in own.requests()
            if every or not (rulings or own.now >= request.expires)
        ]
    emit({"requests": told}, json=json, text=lambda: "\n".join(map(_line, told)) or "no request waits for an answer")


def approve(request: RequestId, reason: Reason, actor: Actor = None, json: Json = False) -> None:
    """Say yes to somebody else's request and carry it out: the version goes into service.

    Refused, with exit code 3, to who asked, to who is no approver, after its time, where it was answered already, where
    evidence or version changed, and where another version came into service than the one it was measured on.
    """
    with desk() as own:
        who = own.authority(actor)
        ruling = who.approve(request, reason)
        done = who.promote(request)
    told = {
        "request": request,
        "decision": ruling.decision,
        "approved_by": ruling.actor,
        "version": done.version,
        "semver": done.label,
        "replaced": done.replaced,
    }
    emit(told, json=json, text=f"{done.label} (version {done.version}) is in service; approved by {ruling.actor}")


def reject(request: RequestId, reason: Reason, actor: Actor = None, json: Json = False) -> None:
    """Say no to a request: the version is rejected with the reason and does not come back."""
    with desk() as own:
        ruling = own.authority(actor).reject(request, reason)
    _said(request, ruling, json=json)


def withdraw(request: RequestId, reason: Reason, actor: Actor = None, json: Json = False) -> None:
    """Take one's own request back; the version stays where it is and may be asked for again."""
    with desk() as own:
        ruling = own.authority(actor).withdraw(request, reason)
    _said(request, ruling, json=json)


def _said(request: str, ruling: Any, *, json: bool) -> None:
    told = {"request": request, "decision": ruling.decision, "by": ruling.actor, "reason": ruling.reason}
    emit(told, json=json, text=f"request {request} is {ruling.decision} by {ruling.actor}: {ruling.reason}")


def _line(told: dict[str, Any]) -> str:
    said, asked = told["decided"], told["requested"]
    parts = (
        f"{told['request']}  version {told['version']} ({told['semver']})",
        f"measured on {told['measured_on'] or 'none'}",
        f"asked by {asked['by']} at {asked['at'][:19]}: {asked['reason']}",
        f"gates: {told['gates']}",
        f"evidence {told['evidence_sha256'][:12]}",
        f"waits until {told['expires']}" if said is None else f"{said['decision']} by {said['by']}: {said['reason']}",
    )
    return "; ".join(parts)
