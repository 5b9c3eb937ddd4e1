"""`oracle card`: the card of a race in a dataset, as the API takes it."""

from __future__ import annotations

from typing import Annotated

import typer

from oracle.cli.output import Json, as_json, emit
from oracle.errors import BadInput


def card(
    data: Annotated[str, typer.Option("--data", help="The dataset: a folder, or s3://bucket/prefix.")],
    race: Annotated[str | None, typer.Option("--race", help="Id of the race; default: the last one run.")] = None,
    odds: Annotated[bool, typer.Option("--odds/--no-odds", help="With or without the odds at the off.")] = True,
    json: Json = False,
) -> None:
    """Print the card of a race without its result: to try a model on, or as a pattern for cards of your own."""
    from oracle.data.cards import card_of, message  # here, so that `oracle --help` does not wait for pandas
    from oracle.data.dataset import Dataset

    rows = Dataset(data).read()
    wanted = rows["race_id"].iloc[-1] if race is None and len(rows) else race
    if wanted not in set(rows["race_id"]):
        raise BadInput("the dataset has no such race", value=wanted, next_step="ids stand in the column race_id")
    found = message(card_of(rows, str(wanted)), odds=odds)
    emit(found, json=json, text=lambda: as_json(found).decode())
