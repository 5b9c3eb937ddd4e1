"""What is posted of a race: its card, with nothing of the result, and later its result. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pandas as pd

from oracle.data.cards import cards_of, message, plain
from oracle.race import RaceCard, Status
from oracle.serving import messages, result_messages
from oracle.serving.result_messages import RaceMessage, RunnerResult

OF_RACE = tuple(name for name in RaceMessage.model_fields if name != "runners")
OF_RUNNER = tuple(name for name in RunnerResult.model_fields if name not in ("withdrawn", "dead_heat"))


@dataclass(frozen=True, slots=True)
class Race:
    """A race as it is told, twice."""

    race_id: str
    off: dt.datetime
    date: str
    card: bytes | None
    """Body of POST /v1/predict; None where nobody can be asked: fewer than two starters, or too large a field."""
    result: bytes
    """Body of POST /v1/results."""


def races_of(frame: pd.DataFrame, *, odds: bool) -> list[Race]:
    """Return the races of a runner table as they are told, in the order in which they first appear.

    Args:
        frame: Canonical rows of whole races.
        odds: Whether cards carry the odds of the table. They are known at the off only, so a card that comes before it
            cannot have them.
    """
    columns = {name: plain(frame[name]) for name in {*OF_RACE, *OF_RUNNER, "dead_heat"}}
    rows: dict[str, list[int]] = {}
    for at, race_id in enumerate(columns["race_id"]):
        rows.setdefault(race_id, []).append(at)
    return [_race(card, columns, rows[str(card.race_id)], odds=odds) for card in cards_of(frame)]


def _race(card: RaceCard, columns: Mapping[str, list[Any]], rows: list[int], *, odds: bool) -> Race:
    starters = sum(not runner.withdrawn for runner in card.runners)
    askable = starters >= messages.MIN_RUNNERS and len(card.runners) <= messages.MAX_RUNNERS
    date = f"{columns['date'][rows[0]]:%Y-%m-%d}"
    race = _kept(columns, OF_RACE, rows[0]) | {"off": card.off.isoformat(), "date": date}
    runners = [_runner(columns, at) for at in rows[: result_messages.MAX_RUNNERS]]
    return Race(
        race_id=str(card.race_id),
        off=card.off,
        date=date,
        card=orjson.dumps(message(card, odds=odds)) if askable else None,
        result=orjson.dumps({"races": [race | {"runners": runners}]}),
    )


def _runner(columns: Mapping[str, list[Any]], at: int) -> dict[str, Any]:
    told = _kept(columns, OF_RUNNER, at)
    if columns["dead_heat"][at]:
        told["dead_heat"] = True
    if told.get("status") == Status.WITHDRAWN:
        told.pop("position", None)
    return told


def _kept(columns: Mapping[str, list[Any]], names: tuple[str, ...], at: int) -> dict[str, Any]:
    return {name: columns[name][at] for name in names if columns[name][at] is not None}
