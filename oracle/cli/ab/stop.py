"""`oracle ab stop`: the end of a test; all traffic goes to the control."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from oracle.cli.ab.options import Actor, acting
from oracle.cli.output import Json, emit
from oracle.settings import load


def stop(
    name: Annotated[str, typer.Argument(help="Name of the test.")],
    reason: Annotated[str, typer.Option(help="Why, for the log.")],
    shipped: Annotated[
        bool, typer.Option("--shipped", help="A challenger goes on to promotion; refused unless its verdict says ship.")
    ] = False,
    actor: Actor = None,
    json: Json = False,
) -> None:
    """End a test; one that has ended already stays as it was left."""
    from oracle import store
    from oracle.experiment import conduct

    settings = load()
    kept = store.open(settings)
    experiment = conduct.find(kept, name)
    who, now = acting(actor), dt.datetime.now(dt.UTC)
    found = conduct.end(kept, experiment, settings.evaluation, reason=reason, actor=who, now=now, shipped=shipped)
    document = {
        "experiment": found.name,
        "status": found.status,
        "reason": found.reason,
        "ended_at": None if found.ended_at is None else found.ended_at.isoformat(),
        "already_ended": experiment.status != "running",
    }
    emit(document, json=json, text=f"{found.name} is {found.status}: {found.reason}")
