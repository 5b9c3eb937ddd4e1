"""`oracle drift selftest`: how often the check cries wolf, and whether it hears one."""

from __future__ import annotations

from typing import Annotated

import typer

from oracle.cli.output import Json, bars, emit
from oracle.settings import load


def selftest(
    icc: Annotated[
        float, typer.Option(min=0, max=1, help="Correlation of a column within a race; 1: a race's own.")
    ] = 1.0,
    reps: Annotated[int, typer.Option(min=1, help="Pairs of windows that are made up.")] = 200,
    features: Annotated[int, typer.Option(min=1, help="Columns of each.")] = 1,
    races: Annotated[int, typer.Option(min=20, help="Races of each window.")] = 1500,
    runners: Annotated[int, typer.Option(min=2, help="Runners of each race.")] = 10,
    shift: Annotated[float, typer.Option(help="By how much one column is moved, in standard deviations.")] = 0.3,
    seed: Annotated[int | None, typer.Option(help="Seed of everything made up.")] = None,
    json: Json = False,
) -> None:
    """Measure the check on made-up races, through the same code: false alarms, and a planted shift found and named.

    Rows of a race are alike, as in racing; clusters are races. The policy in force is the one that is measured.
    """
    from oracle.drift import selftest as room  # here, so that `oracle --help` does not wait for numba

    settings = load(seed=seed)
    world = room.World(icc, features, races, runners, shift)
    done = list(bars(room.trials(world, reps, settings.seed, settings.drift), "checking made-up races", reps))
    told = room.document(world, done, settings.seed, settings.drift)
    emit(told, json=json, text=lambda: room.text(told))
