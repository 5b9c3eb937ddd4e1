"""`oracle features`: races as drift tables in Parquet, with every feature, prediction and outcome side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.cli.train import Data
from oracle.errors import BadInput
from oracle.settings import Settings, load

if TYPE_CHECKING:
    from oracle.ensemble.race_model import RaceModel

_MODEL = "Number, v1.2.3 or alias of a model whose predictions are to stand in the tables; without, there are none."


def features(
    data: Data,
    out: Annotated[Path, typer.Option(help="A new folder: OUT/month=2019-02/part-0.parquet, ...")],
    model_version: Annotated[str | None, typer.Option(help=_MODEL)] = None,
    since: Annotated[str | None, typer.Option(help="First date, such as 2019-02-28; default: the first.")] = None,
    until: Annotated[str | None, typer.Option(help="Last date; default: the last.")] = None,
    no_odds: Annotated[
        bool, typer.Option("--no-odds", help="As if no odds had been on the cards: the form ensemble answers.")
    ] = False,
    json: Json = False,
) -> None:
    """Write the features of races as Parquet: what `oracle drift` compares, and whoever trains models elsewhere.

    One row per starter, each race as of its off. With a model, its predictions stand beside the features, except for
    races that it was fitted on: those would be hindsight.
    """
    from oracle.features.matrix import RaceMatrix  # here, so that `oracle --help` does not wait for numba and MLflow
    from oracle.ranking.market import MULTIPLICATIVE
    from oracle.training.history import read
    from oracle.watching import folder, table

    first, last = _date(since, "--since"), _date(until, "--until")
    folder.refuse_taken(out)
    settings = load()
    model, version = (None, "") if model_version is None else _model(model_version, settings)
    overround = settings.market.overround if model is None else model.about.overround
    history = read(data, bars, overround or MULTIPLICATIVE)
    matrix: RaceMatrix = history.matrix
    wanted = table.between(matrix, first, last)
    months = (
        (
            month,
            table.of_history(
                history.frame, matrix, mask, model, version=version, overround=overround, odds=not no_odds
            ),
        )
        for month, mask in table.by_month(matrix.dates, wanted, bars)
    )
    about = {
        "data": history.summary.fingerprint,
        "model_version": version,
        "overround": overround,
        "odds": str(not no_odds).lower(),
    }
    written = folder.write(out, months, about)
    predicted = None if model is None else int((wanted & (matrix.dates > _day(model.about.trained_through))).sum())
    document = {
        **written.as_dict(),
        "model_version": version or None,
        "trained_through": None if model is None else model.about.trained_through,
        "races_predicted": predicted,
        "odds": not no_odds,
    }
    emit(document, json=json, text=lambda: _told(document))


def _date(text: str | None, option: str) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{option} is not a date", value=text, allowed="a date such as 2019-02-28") from error


def _day(date: str) -> Any:
    import numpy as np

    return np.datetime64(date)


def _model(wanted: str, settings: Settings) -> tuple[RaceModel, str]:
    from oracle.ensemble.race_model import RaceModel
    from oracle.registry.lifecycle import download
    from oracle.registry.versions import resolve
    from oracle.tracking.connection import connect

    tracking = connect(settings)
    version = resolve(tracking, wanted)
    return RaceModel.load(download(tracking, version, settings.root / "models")), str(version.number)


def _told(document: Mapping[str, Any]) -> str:
    head = (
        f"{document['races']:,} races, {document['rows']:,} rows, {document['columns']} columns,"
        f" {document['first_date']} to {document['last_date']}: {document['files']} files,"
        f" {document['bytes'] / 1e6:.1f} MB in {document['folder']}"
    )
    if document["model_version"] is None:
        return head
    return (
        f"{head}\npredictions of model version {document['model_version']} for {document['races_predicted']:,} races:"
        f" those after {document['trained_through']}, which it was not fitted on"
    )
