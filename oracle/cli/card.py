"""`oracle card`: the card of a race in a dataset, as the API takes it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated, Any

import typer

from oracle.cli.output import Json, as_json, emit
from oracle.errors import BadInput
from oracle.race import GOINGS, RaceCard, Sex, Surface

WORDS: dict[str, Collection[str]] = {"going": GOINGS, "surface": list(Surface), "sex": list(Sex)}
"""Columns whose words the API knows; results may hold others."""


def card(
    data: Annotated[str, typer.Option("--data", help="The dataset: a folder, or s3://bucket/prefix.")],
    race: Annotated[str | None, typer.Option("--race", help="Id of the race; default: the last one run.")] = None,
    odds: Annotated[bool, typer.Option("--odds/--no-odds", help="With or without the odds at the off.")] = True,
    json: Json = False,
) -> None:
    """Print the card of a race without its result: to try a model on, or as a pattern for cards of your own."""
    from oracle.data.cards import card_of  # here, so that `oracle --help` does not wait for pandas
    from oracle.data.dataset import Dataset

    rows = Dataset(data).read()
    wanted = rows["race_id"].iloc[-1] if race is None and len(rows) else race
    if wanted not in set(rows["race_id"]):
        raise BadInput("the dataset has no such race", value=wanted, next_step="ids stand in the column race_id")
    found = message(card_of(rows, str(wanted)), odds=odds)
    emit(found, json=json, text=lambda: as_json(found).decode())


def message(found: RaceCard, *, odds: bool = True) -> dict[str, Any]:
    """Return a card as the body of POST /v1/predict; what is not known, or is no word of ours, is left out."""

    def kept(values: dict[str, Any]) -> dict[str, Any]:
        return {
            k: v
            for k, v in values.items()
            if v is not None and v is not False and (odds or k != "odds") and v in WORDS.get(k, (v,))
        }

    whole = kept(asdict(found))
    whole["off"] = found.off.isoformat()
    whole["runners"] = [kept(asdict(runner)) for runner in found.runners]
    return whole
