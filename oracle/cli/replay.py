"""`oracle replay`: history played as live traffic through the real parts, the whole loop in compressed time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.output import Json, bars, emit
from oracle.cli.train import Data
from oracle.errors import BadInput

LEAKS = 3
"""Exit code where a race was served with other features than a training reads of it."""


def replay(
    data: Data,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First race date to be played.")],
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last one; default: the dataset's.")] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="A new folder for everything that comes of it; default: `replay-FROM-TO` where you are."),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="max|N", help="As fast as it goes, or N times as fast as history went.")
    ] = "max",
    every: Annotated[float, typer.Option(min=0, help="Days between two looks of the monitor; 0 for none.")] = 7.0,
    cooldown: Annotated[float, typer.Option(min=0, help="Days between two retrainings.")] = 90.0,
    asks: Annotated[int, typer.Option(min=1, max=500, help="Users who ask for each card.")] = 4,
    odds: Annotated[
        bool,
        typer.Option("--odds", help="Put the dataset's odds on the cards, though nobody knows them before the off."),
    ] = False,
    recipe: Annotated[
        Path | None, typer.Option(help="What the ensemble is made of, as `oracle tune` wrote it; default: as shipped.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the replay that stands in the home.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a page with the picture.")
    ] = None,
    json: Json = False,
) -> None:
    """Play history as live traffic through the real parts, and report how the system that maintains itself did.

    A first model is trained on the races before the stretch. Then every card is posted to a real server just before its
    off and every result after it; the monitor looks, retrains, tests and promotes as it would have. Compared with the
    model frozen at the start and with the market. Exit code 3 where anything was known early.
    """
    from oracle.data.dataset import Dataset  # here, so that `oracle --help` does not wait for pandas and MLflow

    if html is not None and not html.parent.is_dir():  # told now, not after the replay
        raise BadInput("there is no folder for the page", value=str(html), allowed="a file in a folder that is there")
    newest = Dataset(data).summary().last_date
    begin, end = _date("--from", first), newest if last is None else _date("--to", last)
    if end is None or end < begin:
        raise BadInput("the stretch ends before it begins", value=f"{begin} to {end}")
    from oracle.ensemble.recipe import SHIPPED, read
    from oracle.replay.run import Wanted
    from oracle.replay.run import replay as run

    wanted = Wanted(
        data=data,
        first=begin,
        last=end,
        home=home or Path(f"replay-{begin}-{end}"),
        odds=odds,
        asks=asks,
        every_days=every,
        cooldown_days=cooldown,
        speed=_speed(speed),
        resume=resume,
        recipe=SHIPPED if recipe is None else read(recipe),
    )
    told = run(wanted, bars)
    if html is not None:
        html.write_text(told.page(), "utf-8")
    emit(told.document, json=json, text=told.text)
    if told.leaks:
        raise typer.Exit(LEAKS)


def _date(option: str, word: str) -> dt.date:
    try:
        return dt.date.fromisoformat(word)
    except ValueError as error:
        raise BadInput(f"{option} is no date", value=word, allowed="a date such as 2018-01-01") from error


def _speed(word: str) -> float | None:
    if word == "max":
        return None
    try:
        speed = float(word)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise BadInput("--speed is no speed", value=word, allowed="max, or a number above 0")
    return speed
