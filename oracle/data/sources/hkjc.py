"""Hong Kong, one CSV per race day in Chinese: `results_*`, with `sectional_times_*` and `commentary_*` beside them.

The rows come from the results; where the two companions of the same day stand in the same folder they add the time of
the last section and the gear. A race has no id there: it is the date, the course and the number of the race.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from oracle.data.sources.base import Batch
from oracle.data.sources.files import Layout, find
from oracle.data.sources.hong_kong import DEAD_HEAT, ZONE, place, put_ground, put_horse, put_race
from oracle.data.sources.reading import Text, read, read_all
from oracle.data.sources.rows import Rows, put_calls
from oracle.data.sources.units import counted, is_missing, lengths, metres, number, pounds, seconds, whole
from oracle.progress import Progress, silent
from oracle.race import RaceType

_RUNNER = ("date", "venue", "race_no", "horse_name")
RESULTS = Layout(
    "hkjc",
    required=(*_RUNNER, "place", "actual_wt_lbs", "finish_time", "win_odds"),
    race=("date", "venue", "race_no"),
    columns=(
        *("race_name", "race_class", "distance_m", "going", "course", "prize_hkd", "horse_no", "jockey", "trainer"),
        *("declared_wt_lbs", "draw", "lbw", "running_position"),
    ),
    beside=(("date", "race_no", "pool"), ("date", "race_no", "commentary"), ("date", "race_no", "finish_pos")),
)
_SECTIONS = Layout("hkjc (sectional times)", _RUNNER, RESULTS.race, tuple(f"sec{n}_time" for n in range(1, 9)))
_COMMENTARY = Layout("hkjc (commentary)", (*_RUNNER, "gear"), RESULTS.race)
_FILES_AT_ONCE = 400


class Hkjc:
    """The daily files of the Hong Kong results."""

    name = "hkjc"

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all results files; see `Source.read`."""
        files = find(paths, RESULTS)
        for start in range(0, len(files), _FILES_AT_ONCE):
            days = files[start : start + _FILES_AT_ONCE]
            splits = _beside(days, "sectional_times_", _SECTIONS, _last_split)
            gear = _beside(days, "commentary_", _COMMENTARY, lambda text: text.cells["gear"])
            for text in read(progress(days, "reading Hong Kong", len(days)), RESULTS):
                yield _translate(text, splits, gear)


def _translate(text: Text, splits: pd.Series, gear: pd.Series) -> Batch:
    rows = Rows(text, "hkjc")
    rows.parse("race_number", rows.cell("race_no"), whole)
    put_race(rows, rows.cell("date"), rows.cell("venue"), rows.cell("race_no"))
    rows.places(rows.cell("place"), place)
    rows.put("dead_heat", rows.cell("place").str.contains(DEAD_HEAT).to_numpy())
    rows.when(rows.cell("date"), None, ZONE)
    rows.put("race_type", RaceType.FLAT)
    put_ground(rows, rows.cell("course"), rows.cell("going"))
    put_horse(rows, rows.cell("horse_name"))
    rows.person("jockey", rows.cell("jockey"))
    rows.person("trainer", rows.cell("trainer"))
    for name, column in (("race_name", "race_name"), ("race_class", "race_class")):
        rows.words(name, rows.cell(column))
    for name, column, parser in (
        ("distance_m", "distance_m", metres),
        ("number", "horse_no", counted),
        ("draw", "draw", counted),
        ("weight_kg", "actual_wt_lbs", pounds),
        ("body_weight_kg", "declared_wt_lbs", pounds),
        ("odds", "win_odds", number),
        ("beaten_lengths", "lbw", lengths),
        ("time_s", "finish_time", seconds),
        ("prize", "prize_hkd", _thousands),
    ):
        rows.parse(name, rows.cell(column), parser)
    put_calls(rows, rows.cell("running_position"), separator=" ", ends_at_finish=True)
    keys = _keys(text)
    rows.parse("last_split_s", _of(keys, splits), seconds)
    rows.words("gear", _of(keys, gear))
    return rows.batch()


def _thousands(text: str) -> float | None:
    value = number(text)
    return value / 1000 if value else None


def _keys(text: Text) -> pd.Series:
    return text.cells["date"].str.cat(text.cells[list(_RUNNER[1:])], sep="|")


def _of(keys: pd.Series, values: pd.Series) -> pd.Series:
    return pd.Series(values.reindex(keys).to_numpy(), dtype="str").fillna("")


def _beside(days: Sequence[Path], prefix: str, layout: Layout, value: Callable[[Text], pd.Series]) -> pd.Series:
    companions = [day.with_name(day.name.replace("results_", prefix, 1)) for day in days if "results_" in day.name]
    text = read_all([path for path in companions if path.exists()], layout)
    values = pd.Series(value(text).to_numpy(), index=_keys(text), dtype="str")
    return values[~values.index.duplicated()]


def _last_split(text: Text) -> pd.Series:
    """Return the time of the last section; its two halves behind it are left off, and 99.99 means none was taken."""
    sections = [c for c in _SECTIONS.columns if c in text.cells.columns]
    last = pd.Series("", index=text.cells.index, dtype="str")
    for column in sections:
        last = last.where(text.cells[column].map(is_missing), text.cells[column])
    return last.str.split(" ").str[0].replace("99.99", "")
