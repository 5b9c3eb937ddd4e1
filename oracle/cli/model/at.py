"""`oracle model at`: which version was in service at a moment, trained on what, approved by whom."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import typer

from oracle.cli.model.options import desk
from oracle.cli.output import Json, emit
from oracle.errors import BadInput


def at(
    moment: Annotated[str, typer.Argument(metavar="TIME", help="2026-11-24T14:02 or 2026-11-24 14:02:30; UTC.")],
    json: Json = False,
) -> None:
    """Say which version was in service at a moment, by the record: trained on what, wanted and approved by whom.

    The record begins with the first promotion that went through `oracle`; before it, that is said. The registry is not
    asked, so this answers while MLflow is away.
    """
    from oracle.governance import lineage

    when = parsed(moment)
    with desk(registry=False) as own:
        if when > own.now:
            raise BadInput("that moment has not come yet", value=moment, allowed=f"until {own.now:%Y-%m-%dT%H:%M:%S}")
        told = lineage.at(own.promotions(), when)
    emit(told, json=json, text=lambda: _text(told))


def parsed(text: str) -> dt.datetime:
    """Return the moment that a text names; UTC where it has no time zone.

    Raises:
        BadInput: it names none.
    """
    try:
        found = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(
            "that is no moment", value=text, allowed="2026-11-24T14:02, 2026-11-24 14:02:30, 2026-11-24T14:02+01:00"
        ) from error
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _text(told: dict[str, Any]) -> str:
    if told["version"] is None:
        return f"{told['at']}: nobody can say: {told['told']}"
    made = told["trained_on"]
    lines = [
        f"{told['at']}: version {told['version']} ({told['semver']}), from {told['in_service_from']}"
        f" to {told['in_service_until'] or 'now'} ({told['kind']}, carried out by {told['carried_out_by']})",
        f"  trained on {made['data_fingerprint']}, run {made['run_id']}",
        f"  code {made['git_commit']}, features {made['features']}",
        f"  package {made['package_sha256']}",
    ]
    source = told if told["request"] else told["approved_before"]
    if source:
        asked, said = source["requested"], source["approved"]
        lines += [
            f"  requested by {asked['by']} at {asked['at']}: {asked['reason']}",
            f"  approved by {said['by']} at {said['at']}: {said['reason']}",
            f"  evidence {source['evidence_sha256']} (request {source['request']})",
        ]
    else:
        lines.append("  nobody was asked: " + ("it was the first version" if told["kind"] == "first" else "no request"))
    return "\n".join(lines)
