"""`oracle ab status`: how a test stands, and what follows from it."""

from __future__ import annotations

import datetime as dt

import typer

from oracle.cli.ab.options import Experiment
from oracle.cli.output import Json, emit
from oracle.settings import load

ALARM = 10


def status(name: Experiment = None, json: Json = False) -> None:
    """Say how a test stands: ship, stop, continue or unhealthy; exit code 10 where somebody must look now."""
    from oracle import store
    from oracle.experiment import conduct

    settings = load()
    kept = store.open(settings)
    found = conduct.standing(kept, conduct.find(kept, name), settings.evaluation, dt.datetime.now(dt.UTC))
    emit(found.document(), json=json, text=found.text)
    if found.alarming:
        raise typer.Exit(ALARM)
