"""`oracle ab aa`: do the metrics of users cry wolf? The traffic of a test, split at random again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.ab.options import Experiment
from oracle.cli.output import Json, bars, emit
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.experiment.resplit import Resplit


def aa(
    name: Experiment = None,
    rounds: Annotated[int, typer.Option(min=1, help="How many splits.")] = 500,
    share: Annotated[float, typer.Option(help="Chance of a user to be called treated, between 0 and 1.")] = 0.5,
    seed: Annotated[int | None, typer.Option(help="Of the splits; default: the setting.")] = None,
    json: Json = False,
) -> None:
    """Split the users of a test's control arm at random, many times, and count the false alarms of each metric.

    A live A/A test, the control against itself, is `oracle ab start NAME --aa`.
    """
    from oracle import store
    from oracle.experiment import conduct

    settings = load()
    kept = store.open(settings)
    experiment = conduct.find(kept, name)
    found = conduct.split_anew(
        kept,
        experiment,
        rounds=rounds,
        share=share,
        seed=settings.seed if seed is None else seed,
        progress=bars,
    )
    emit({"experiment": experiment.name, **found.as_dict()}, json=json, text=lambda: _text(found))


def _text(found: Resplit) -> str:
    lines = [f"{found.users:,} users split {found.sample_ratio.splits:,} times, {found.shares[-1]:.0%} called treated"]
    for name, told in (*found.metrics.items(), ("sample ratio", found.sample_ratio)):
        rate = told.reason or "no result" if told.rate is None else f"{told.rate:.1%} false alarms, {told.state}"
        lines.append(f"  {name:<14}{rate}")
    return "\n".join([*lines, "nothing cries wolf" if found.sound else "do not trust what is marked `too many`"])
