"""Hong Kong in two joined tables in English: `race-result-horse` and `race-result-race`.

The same races as in the daily files, under the same race and horse ids; jockeys and trainers are written in English
here and in Chinese there, so their histories do not join.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from oracle.data.sources.base import Batch
from oracle.data.sources.files import Layout
from oracle.data.sources.hong_kong import DEAD_HEAT, ZONE, place, put_ground, put_race
from oracle.data.sources.paired import Pair
from oracle.data.sources.reading import Text
from oracle.data.sources.rows import Rows, put_calls
from oracle.data.sources.units import counted, lengths, metres, number, pounds, seconds, whole
from oracle.progress import Progress, silent
from oracle.race import RaceType

_CALLS = tuple(f"running_position_{n}" for n in range(1, 7))
TABLES = Pair(
    runs=Layout(
        "hkjc-2014",
        required=(
            "race_id",
            "finishing_position",
            "horse_name",
            "horse_id",
            "actual_weight",
            "finish_time",
            "win_odds",
        ),
        race=("race_id",),
        columns=("horse_number", "jockey", "trainer", "declared_horse_weight", "draw", "length_behind_winner", *_CALLS),
    ),
    races=Layout(
        "hkjc-2014",
        required=("race_id", "race_date", "race_course", "race_number", "track"),
        race=("race_id",),
        columns=("race_class", "race_distance", "track_condition", "race_name"),
    ),
    key="race_id",
)


class Hkjc2014:
    """The two tables of Hong Kong results in English."""

    name = "hkjc-2014"

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all runners with their races; see `Source.read`."""
        return map(_translate, TABLES.read(paths, progress))


def _translate(text: Text) -> Batch:
    rows = Rows(text, "hkjc-2014")
    rows.parse("race_number", rows.cell("race_number"), whole)
    put_race(rows, rows.cell("race_date"), rows.cell("race_course"), rows.cell("race_number"))
    rows.places(rows.cell("finishing_position"), place)
    rows.put("dead_heat", rows.cell("finishing_position").str.contains(DEAD_HEAT).to_numpy())
    rows.when(rows.cell("race_date"), None, ZONE)
    rows.put("race_type", RaceType.FLAT)
    put_ground(rows, rows.cell("track"), rows.cell("track_condition"))
    rows.words("race_name", rows.cell("race_name"))
    rows.words("race_class", rows.cell("race_class"))
    for role in ("horse", "jockey", "trainer"):
        rows.person(role, rows.cell("horse_name" if role == "horse" else role), rows.cell(f"{role}_id"))
    for name, column, parser in (
        ("distance_m", "race_distance", metres),
        ("number", "horse_number", counted),
        ("draw", "draw", counted),
        ("weight_kg", "actual_weight", pounds),
        ("body_weight_kg", "declared_horse_weight", pounds),
        ("odds", "win_odds", number),
        ("beaten_lengths", "length_behind_winner", lengths),
        ("time_s", "finish_time", seconds),
    ):
        rows.parse(name, rows.cell(column), parser)
    put_calls(rows, _in_running(rows), separator=" ", ends_at_finish=True)
    return rows.batch()


def _in_running(rows: Rows) -> pd.Series:
    first, others = rows.cell(_CALLS[0]), pd.DataFrame({name: rows.cell(name) for name in _CALLS[1:]})
    return first.str.cat(others, sep=" ")
