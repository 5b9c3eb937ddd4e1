"""Hong Kong in the two tables of a popular public data set: `runs.csv` and `races.csv`, joined by `race_id`.

Horses, jockeys and trainers have numbers for names, which are this data set's own: histories do not join those of the
other Hong Kong layouts. `declared_weight` is the horse's own weight, `actual_weight` the weight carried, both pounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from oracle.data.sources.base import Batch
from oracle.data.sources.files import Layout
from oracle.data.sources.hong_kong import ZONE, place, put_race
from oracle.data.sources.paired import Pair
from oracle.data.sources.reading import Text
from oracle.data.sources.rows import Place, Rows, put_calls, understood
from oracle.data.sources.units import counted, day, integer_text, metres, number, pounds, whole
from oracle.data.sources.words import SEXES, going
from oracle.progress import Progress, silent
from oracle.race import RaceType, Surface

_SECTIONS = range(1, 7)
TABLES = Pair(
    runs=Layout(
        "hkracing",
        required=("race_id", "horse_id", "result", "actual_weight", "win_odds", "jockey_id", "trainer_id"),
        race=("race_id",),
        columns=(
            *("horse_no", "won", "lengths_behind", "horse_age", "horse_type", "horse_rating", "horse_gear", "draw"),
            *("declared_weight", "finish_time", *(f"{k}{n}" for k in ("position_sec", "time") for n in _SECTIONS)),
        ),
    ),
    races=Layout(
        "hkracing",
        required=("race_id", "date", "venue", "race_no"),
        race=("race_id",),
        columns=("config", "surface", "distance", "going", "prize", "race_class"),
    ),
    key="race_id",
)
_SURFACES = MappingProxyType({"0": Surface.TURF, "1": Surface.ALL_WEATHER})
_NEVER_ARRIVED = 900.0
"""Lengths and seconds from which on a value stands for "did not finish" in this data set."""


class Hkracing:
    """The two tables `runs` and `races`."""

    name = "hkracing"

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all runners with their races; see `Source.read`."""
        return map(_translate, TABLES.read(paths, progress))


def _translate(text: Text) -> Batch:
    rows = Rows(text, "hkracing")
    numbers = understood(rows.cell("race_no"), integer_text).fillna("").astype("str")
    dates = understood(rows.cell("date"), day).fillna("").astype("str")
    rows.parse("race_number", numbers, whole)
    put_race(rows, dates, rows.cell("venue"), numbers)
    rows.places(rows.cell("result"), _place)
    rows.when(dates, None, ZONE)
    rows.put("race_type", RaceType.FLAT)
    rows.lookup("surface", understood(rows.cell("surface"), integer_text).fillna("").astype("str"), _SURFACES)
    rows.put("going", understood(rows.cell("going"), going).to_numpy())
    rows.words("track", rows.cell("config"))
    rows.words("race_class", rows.cell("race_class"))
    for role in ("horse", "jockey", "trainer"):
        ids = understood(rows.cell(f"{role}_id"), integer_text).fillna("").astype("str")
        rows.person(role, ids)
    for name, column, parser in (
        ("distance_m", "distance", metres),
        ("number", "horse_no", counted),
        ("draw", "draw", counted),
        ("weight_kg", "actual_weight", pounds),
        ("body_weight_kg", "declared_weight", pounds),
        ("age", "horse_age", whole),
        ("official_rating", "horse_rating", number),
        ("odds", "win_odds", number),
        ("beaten_lengths", "lengths_behind", _arrived),
        ("time_s", "finish_time", _arrived),
        ("prize", "prize", _thousands),
    ):
        rows.parse(name, rows.cell(column), parser)
    rows.parse("last_split_s", _last_split(rows), number)
    rows.words("gear", rows.cell("horse_gear"))
    rows.put("sex", understood(rows.cell("horse_type"), _sex).to_numpy())
    put_calls(rows, _in_running(rows), separator=" ", ends_at_finish=True)
    rows.share_positions()
    return rows.batch()


def _place(text: str) -> Place:
    return place(integer_text(text) or "")


def _arrived(text: str) -> float | None:
    value = number(text)
    return None if value is None or value >= _NEVER_ARRIVED else max(value, 0.0)


def _thousands(text: str) -> float | None:
    value = number(text)
    return value / 1000 if value else None


def _sex(text: str) -> str | None:
    """Return the sex; where `horse_type` says a colour instead, it is not known."""
    return SEXES.get(text.lower())


def _last_split(rows: Rows) -> pd.Series:
    last = pd.Series("", index=range(len(rows)), dtype="str")
    for section in _SECTIONS:
        texts = rows.cell(f"time{section}")
        last = last.where(texts.isin(["", "0", "0.0"]), texts)
    return last


def _in_running(rows: Rows) -> pd.Series:
    texts = [rows.cell(f"position_sec{n}").map(lambda text: integer_text(text) or "") for n in _SECTIONS]
    joined = texts[0].str.cat(pd.concat(texts[1:], axis=1), sep=" ")
    return joined.str.split().str.join(" ")
