"""`oracle retrain simulate`: how often a trigger policy would have fired over past years, and what that gains."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.cli.train import Data
from oracle.errors import BadInput
from oracle.settings import load

Day = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First date; default: after 40% of the dates.")]


def simulate(
    data: Data,
    since: Day = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Last date; default: the dataset's.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, metavar="DAYS", help="Days between two looks.")] = 14,
    window: Annotated[int, typer.Option(min=1, metavar="DAYS", help="Days that a look looks back.")] = 90,
    holdout: Annotated[
        int, typer.Option(min=1, metavar="DAYS", help="Days before a training that it is judged on.")
    ] = 90,
    delay: Annotated[
        int, typer.Option(min=0, metavar="DAYS", help="Days from a training until its model is in force.")
    ] = 7,
    pool: Annotated[str, typer.Option(help="Which ensemble answers: form, as without odds, or market.")] = "form",
    full: Annotated[
        bool, typer.Option("--full", help="Train what oracle train trains; default: a quick recipe of two members.")
    ] = False,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What to train instead, as `oracle tune` wrote it.")
    ] = None,
    json: Json = False,
) -> None:
    """Play the settings `retraining` and `drift` over the past of a dataset; nothing is registered or recorded.

    The maintained model is compared race by race with the one in force at the start and with the market; intervals are
    over whole meetings.
    """
    from oracle.ensemble import recipe as recipes
    from oracle.retraining.simulate import QUICK, Plan, play
    from oracle.training.history import read

    if full and recipe is not None:
        raise BadInput("--full and --recipe exclude each other", value=str(recipe))
    made_of = recipes.read(recipe) if recipe is not None else recipes.SHIPPED if full else QUICK
    plan = Plan(
        first=_date("--from", since),
        last=_date("--to", until),
        every_days=every,
        window_days=window,
        holdout_days=holdout,
        test_days=delay,
        pool=pool,
        recipe=made_of,
    )
    settings, began = load(), time.perf_counter()
    history = read(data, bars, settings.market.overround)
    document = play(history, plan, settings, bars) | {"policy": settings.retraining.model_dump()}
    document["seconds"] = round(time.perf_counter() - began, 1)
    emit(document, json=json, text=lambda: told(document))


def _date(option: str, word: str | None) -> dt.date | None:
    try:
        return None if word is None else dt.date.fromisoformat(word)
    except ValueError as error:
        raise BadInput(f"{option} is no date", value=word, allowed="a date such as 2018-01-01") from error


def told(document: Mapping[str, Any]) -> str:
    """Return a simulation as a person reads it."""
    fired = ", ".join(f"{rule} {n}" for rule, n in document["fired_by"].items()) or "nothing"
    lines = [
        f"{document['dataset']}, {document['first_date']} to {document['last_date']}: {document['races']:,} races,"
        f" {document['looks']:,} looks, {document['pool']} ensemble",
        f"retrainings {document['retrainings']} ({document['retrainings_a_year']:.1f} a year),"
        f" {document['promoted']} put into force; fired by {fired}",
        "",
        f"{'':8}{'races':>7}{'trained':>9}   {'NDCG@3: maintained':>20}{'frozen':>8}{'market':>8}   gain over frozen",
        *(_row(year, part, str(part["retrainings"])) for year, part in document["by_year"].items()),
        _row("all", document["all"], str(document["retrainings"])),
        "",
        f"{'':8}log-loss saved against the frozen model: {_gap(document['all']['log_loss_gain']['frozen'], 4)}",
        f"{'':8}log-loss saved against the market:       {_gap(document['all']['log_loss_gain']['market'], 4)}",
    ]
    for kind, counts in document["alarms_by_kind"].items():
        lines.append(f"{'':8}{kind:11} {', '.join(f'{v} {n}' for v, n in counts.items())}")
    return "\n".join(lines)


def _row(name: str, part: Mapping[str, Any], trained: str) -> str:
    means = [f"{'-' if part['ndcg_at_3'][w] is None else format(part['ndcg_at_3'][w], '.4f')}" for w in WHO]
    return f"{name:8}{part['races']:>7,}{trained:>9}   {means[0]:>20}{means[1]:>8}{means[2]:>8}   " + _gap(
        part["ndcg_at_3_gain"]["frozen"], 4
    )


WHO = ("maintained", "frozen", "market")


def _gap(gap: Mapping[str, Any] | None, digits: int) -> str:
    if gap is None:
        return "-"
    return f"{gap['mean']:+.{digits}f} ({gap['low']:+.{digits}f} to {gap['high']:+.{digits}f})"
