"""`oracle model rollback`: a version that has served back into service, in one command."""

from __future__ import annotations

from typing import Annotated

import typer

from oracle.cli.model.options import Actor, desk
from oracle.cli.output import Json, emit


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="Number, v1.2.3 or alias; default: the version that served before this one.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "rolled back at the command line",
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Bring back a version that has served, at once: it was approved before, so an approver needs nobody else.

    Refused, with exit code 3, for a version that never served. Replicas follow within serving.follow_seconds, and
    answer from the old version until they do.
    """
    from oracle.registry.versions import resolve

    with desk() as own:
        number = None if version is None else resolve(own.tracking, version).number
        done = own.authority(actor).rollback(number, reason=reason)
        follow = own.settings.serving.follow_seconds
    told = {
        "version": done.version,
        "semver": done.label,
        "replaced": done.replaced,
        "by": done.actor,
        "reason": reason,
        "replicas_follow_within_seconds": follow,
    }
    emit(
        told,
        json=json,
        text=f"{done.label} (version {done.version}) is back in service in the place of {done.replaced};"
        f" replicas follow within {follow:g} s",
    )
