"""What any MLflow user loads: a table of runners in, a table of predictions out.

MLflow imports this module by name, from the copy of our code that travels with the model, and calls `_load_pyfunc`
with the package folder. It imports neither MLflow nor anything of the outside world; it needs only what a prediction
needs. Tables are converted to race cards and back here, and nowhere else.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from oracle.errors import BadCard
from oracle.race import CardPrediction, RaceCard, Runner

RACE = tuple(field.name for field in dataclasses.fields(RaceCard) if field.name != "runners")
RUNNER = tuple(field.name for field in dataclasses.fields(Runner))
NEEDED = ("race_id", "course", "off", "horse")
INPUT = ("race_id", *(name for name in RACE if name != "race_id"), *RUNNER)
"""Columns of the input table: those of the race, the same on each of its rows, then those of the runner."""

WHOLE = frozenset({"distance_m", "race_number", "number", "draw", "age"})
REAL = frozenset({"prize", "weight_kg", "body_weight_kg", "official_rating", "odds"})

OUTPUT: dict[str, str] = {
    "race_id": "string",
    "horse": "string",
    "number": "double",
    "rank": "double",
    "score": "double",
    "win": "double",
    "place": "double",
    "fair_odds": "double",
    "edge": "double",
    "known": "boolean",
    "ensemble": "string",
}
"""Columns of the output table and their MLflow types; a rank is a double because a withdrawn runner has none."""


class Predictor(Protocol):
    """What a loaded package can do."""

    def predict(self, cards: Sequence[RaceCard]) -> list[CardPrediction]:
        """Return the prediction of each card, in their order."""
        ...


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def _number(name: str, value: Any) -> float | int:
    try:
        number = float(value)
        if name in REAL:
            return number
        if number.is_integer():
            return int(number)
    except (TypeError, ValueError):
        pass
    kind = "a whole number" if name in WHOLE else "a number"
    raise BadCard(f"{name} is not {kind}", value=value, allowed=f"{kind}, or nothing where it is not known")


def _moment(value: Any) -> dt.datetime:
    try:
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadCard(
            "off is not a moment with a time zone", value=str(value), allowed="ISO 8601, such as 2026-05-03T14:30+01:00"
        )
    return moment.to_pydatetime() if isinstance(moment, pd.Timestamp) else moment


def _flag(value: Any) -> bool:
    if isinstance(value, bool | np.bool_) or value in (0, 1):
        return bool(value)
    raise BadCard("withdrawn is neither true nor false", value=value, allowed="true, false, or nothing")


def _value(name: str, value: Any) -> Any:
    if name in WHOLE or name in REAL:
        return _number(name, value)
    if name == "off":
        return _moment(value)
    return _flag(value) if name == "withdrawn" else str(value)


def cards_of(rows: pd.DataFrame) -> list[tuple[RaceCard, list[int]]]:
    """Return the race cards that a table of runners holds, each with the positions of its rows.

    Args:
        rows: One row per runner. `race_id`, `course`, `off` and `horse` are needed; other columns of `INPUT` are read
            where they are present, any other column is ignored. Rows of a race need not stand together.

    Raises:
        BadCard: a needed column or value is missing, a value is impossible, or rows of one race disagree about it.
    """
    absent = [name for name in NEEDED if name not in rows.columns]
    if absent:
        raise BadCard("columns are missing", value=", ".join(absent), allowed=", ".join(INPUT))
    columns = {name: rows[name].tolist() for name in INPUT if name in rows.columns}
    records = [{name: values[i] for name, values in columns.items()} for i in range(len(rows))]
    members: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        for name in NEEDED:
            if _missing(record[name]):
                raise BadCard(f"{name} is missing", value=f"row {i}", allowed="a value on every row")
        members.setdefault(str(record["race_id"]), []).append(i)
    return [(_card([records[i] for i in positions]), positions) for positions in members.values()]


def _card(records: Sequence[dict[str, Any]]) -> RaceCard:
    plain = [{name: _value(name, value) for name, value in record.items() if not _missing(value)} for record in records]
    race = {name: value for name, value in plain[0].items() if name in RACE}
    for record in plain[1:]:
        for name in RACE:
            if record.get(name) != race.get(name):
                raise BadCard(
                    f"rows of race {race['race_id']} disagree about {name}",
                    value=f"{race.get(name)} and {record.get(name)}",
                    allowed="one value per race",
                )
    runners = tuple(Runner(**{name: value for name, value in r.items() if name in RUNNER}) for r in plain)
    return RaceCard(runners=runners, **race)


def rows_of(cards: Iterable[RaceCard]) -> pd.DataFrame:
    """Return cards as a table of runners, the input of `predict`: what `cards_of` reads back to the same cards."""
    rows = [
        {**{name: getattr(card, name) for name in RACE}, "off": card.off.isoformat()}
        | {name: getattr(runner, name) for name in RUNNER}
        for card in cards
        for runner in card.runners
    ]
    return pd.DataFrame(rows, columns=list(INPUT), dtype=object)


class OracleModel:
    """A loaded package behind MLflow's generic interface."""

    def __init__(self, model: Predictor) -> None:
        self.model = model

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return one row per runner, in the order and with the index of the input; the columns are those of `OUTPUT`.

        Raises:
            BadCard: the table does not hold race cards.
        """
        grouped = cards_of(rows)
        predictions = self.model.predict([card for card, _ in grouped])
        table: list[tuple[Any, ...]] = [()] * len(rows)
        for (card, positions), prediction in zip(grouped, predictions, strict=True):
            for i, runner in zip(positions, prediction.runners, strict=True):
                own = (getattr(runner, name) for name in list(OUTPUT)[1:-1])
                table[i] = (card.race_id, *own, prediction.ensemble)
        frame = pd.DataFrame(table, columns=list(OUTPUT), index=rows.index)
        reals = [name for name, kind in OUTPUT.items() if kind == "double"]
        return frame.astype(dict.fromkeys(reals, "float64") | {"known": "bool"})


def _load_pyfunc(path: str) -> OracleModel:
    """Return the model of a package folder, once it is proven to be what was saved.

    Raises:
        UntrustedPackage: a file of the package is not what was saved.
    """
    from oracle.ensemble.race_model import RaceModel

    return OracleModel(RaceModel.load(Path(path)))
