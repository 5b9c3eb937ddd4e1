"""`oracle ab ramp`: another share of the traffic for the challengers of a running test."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from oracle.cli.ab.options import Actor, acting
from oracle.cli.output import Json, emit
from oracle.settings import load


def ramp(
    name: Annotated[str, typer.Argument(help="Name of the test.")],
    share: Annotated[
        list[float], typer.Option(help="New share of the units, one for each challenger; 0 gives it none.")
    ],
    why: Annotated[str | None, typer.Option(help="For the log.")] = None,
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Change the shares of a running test: in force within two seconds. Ramping up moves no treated user back."""
    from oracle import store

    kept = store.open(load())
    found = kept.experiments.ramp(name, tuple(share), acting(actor), why, dt.datetime.now(dt.UTC))
    arms = [{"arm": a, "version": v, "share": s} for (a, v), s in zip(found.treatments, found.shares, strict=True)]
    told = ", ".join(f"{arm['arm']} (version {arm['version']}) {arm['share']:.1%}" for arm in arms)
    emit(
        {"experiment": found.name, "status": found.status, "treatments": arms}, json=json, text=f"{found.name}: {told}"
    )
