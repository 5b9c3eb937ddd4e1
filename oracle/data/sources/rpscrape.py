"""British, Irish and other results as the rpscrape tool writes them: one row per runner, columns chosen by its user.

The tool's columns, their order and their spelling differ between versions, so most of them are optional and each value
is taken from the first column that holds it. Without ids a race is told by date, course and off time, a horse by its
name with the country suffix, which the form book keeps unique. `rpr` and `ts` are written after the race.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from oracle.data.sources.base import Batch
from oracle.data.sources.files import Layout, find
from oracle.data.sources.racingpost import BUMPER, OBSTACLES
from oracle.data.sources.reading import Text, read
from oracle.data.sources.rows import Place, Rows, looking_up, understood
from oracle.data.sources.units import (
    counted,
    day,
    decimal_odds,
    fractional_odds,
    furlongs,
    imperial,
    is_missing,
    lengths,
    metres,
    money,
    number,
    pounds,
    seconds,
    stones,
    whole,
    yards,
)
from oracle.data.sources.words import COUNTRIES, PLACE_CODES, RACE_TYPES, SEXES, SURFACES, going
from oracle.progress import Progress, silent
from oracle.race import RaceType, Status, Surface

RESULTS = Layout(
    "rpscrape",
    required=("date", "course", "off", "pos", "horse"),
    race=("date", "course", "off"),
    columns=(
        *("region", "course_id", "race_id", "race_name", "type", "class", "pattern", "rating_band", "dist", "dist_f"),
        *("dist_m", "dist_y", "going", "surface", "ran", "num", "draw", "ovr_btn", "btn", "age", "sex", "lbs", "wgt"),
        *("hg", "time", "secs", "dec", "sp", "jockey", "trainer", "prize", "or", "rpr", "ts", "sire", "horse_id"),
        *("jockey_id", "trainer_id"),
    ),
)
_CLOCK = re.compile(r"(\d{1,2})[:.](\d\d)(?::\d\d)?\s*([ap]m)?", re.IGNORECASE)
_PLACE = re.compile(r"=?(\d{1,2})(?:\.0)?=?(?:\s*DH)?", re.IGNORECASE)


class Rpscrape:
    """Results written by rpscrape."""

    name = "rpscrape"

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all files; see `Source.read`."""
        files = find(paths, RESULTS)
        return map(_translate, read(progress(files, "reading rpscrape", len(files)), RESULTS))


def _translate(text: Text) -> Batch:
    rows = Rows(text, "rpscrape")
    _put_race(rows)
    rows.places(rows.cell("pos"), place)
    for role in ("horse", "jockey", "trainer"):
        rows.person(role, rows.cell(role), rows.cell(f"{role}_id"))
    for column, cell, parser in (
        ("number", "num", counted),
        ("draw", "draw", counted),
        ("age", "age", whole),
        ("official_rating", "or", number),
        ("beaten_lengths", "ovr_btn", lengths),
        ("speed_rating", "ts", number),
        ("performance_rating", "rpr", number),
    ):
        rows.parse(column, rows.cell(cell), parser)
    rows.words("gear", rows.cell("hg"))
    rows.words("sire", rows.cell("sire"))
    rows.describe("sex", rows.cell("sex"), looking_up(SEXES))
    rows.tell_sex_by_age()
    rows.either("weight_kg", ("lbs", pounds), ("wgt", stones))
    rows.either("odds", ("dec", decimal_odds), ("sp", fractional_odds))
    rows.either("time_s", ("secs", seconds), ("time", seconds))
    rows.either("prize", ("prize", money))
    rows.put("prize", rows["prize"].groupby(rows["race_id"]).transform("sum", min_count=1) / 1000)
    rows.share_positions()
    return rows.batch()


def _put_race(rows: Rows) -> None:
    days = understood(rows.cell("date"), day).fillna("").astype("str")
    rows.refuse(days == "", "unreadable_date", rows.cell("date"))
    region = rows.cell("region").str.upper().str.strip("()")
    clocks = understood(region + "|" + rows.cell("off"), _clock).fillna("").astype("str")
    rows.refuse((clocks == "") & ~rows.cell("off").map(is_missing), "unreadable_off", rows.cell("off"))
    zones = region.map(lambda code: COUNTRIES.get(code, ("", "Europe/London"))[1])
    rows.when(days, clocks, zones)
    rows.put("country", region.map(_country))
    rows.words("course", rows.cell("course"))
    told = days + "-" + _slug(rows.cell("course")) + "-" + clocks.str.replace(":", "")
    ids = rows.cell("race_id")
    rows.put("race_id", "RP-" + told.where(ids.map(is_missing), ids + "-" + told))
    rows.words("race_name", rows.cell("race_name"))
    parts = [rows.cell(name).map(_plain) for name in ("class", "pattern", "rating_band")]
    rows.words("race_class", (parts[0] + " " + parts[1] + " " + parts[2]).str.split().str.join(" "))
    rows.lookup("race_type", rows.cell("type"), RACE_TYPES)
    bumper = rows["race_type"].isin([RaceType.HURDLE, RaceType.CHASE]) & rows.cell("race_name").str.contains(BUMPER)
    bumper &= ~rows.cell("race_name").str.contains(OBSTACLES)
    rows.put("race_type", rows["race_type"].mask(bumper, RaceType.BUMPER).fillna(str(RaceType.FLAT)))
    rows.describe("surface", rows.cell("surface"), looking_up(SURFACES))
    rows.put("surface", rows["surface"].where(rows["surface"].notna(), _surface(rows)))
    rows.describe("going", rows.cell("going"), going)
    rows.either("distance_m", ("dist_y", yards), ("dist_m", metres), ("dist_f", furlongs), ("dist", imperial))


def _surface(rows: Rows) -> pd.Series:
    """Return the surface where the column is missing: `(AW)` in the course says all-weather."""
    on_sand = rows.cell("course").str.contains(r"\(AW\)")
    return pd.Series(np.where(on_sand, Surface.ALL_WEATHER, Surface.TURF), dtype="str")


def place(text: str) -> Place:
    """Return status and position of `pos`: a number, or one of the form book's codes."""
    if match := _PLACE.fullmatch(text):
        position = int(match[1])
        return (Status.FINISHED, position) if position else (Status.DID_NOT_FINISH, None)
    if is_missing(text):
        raise ValueError(text)
    return PLACE_CODES[text.upper()], None


def _clock(text: str) -> str | None:
    """Return a clock time in 24 hours from `region|off`.

    The tool writes the form book's twelve-hour times, so that the hours from 1 to 9 are in the afternoon. Only abroad
    is racing off at eight or nine in the morning, and then a writer of 24 hours has put a nought before the hour.
    """
    region, off = text.split("|", 1)
    if is_missing(off):
        return None
    match = _CLOCK.fullmatch(off)
    if not match:
        raise ValueError(off)
    hour, half = int(match[1]), (match[3] or "").lower()
    morning = half == "am" or (off.startswith("0") and hour >= 8 and region not in {"GB", "IRE", ""})
    if half == "pm" or (1 <= hour <= 9 and not morning):
        hour = hour % 12 + 12
    return f"{hour % 12 if half == 'am' else hour:02d}:{match[2]}"


def _country(code: str) -> str | None:
    known = COUNTRIES.get(code)
    return known[0] if known else None


def _slug(names: pd.Series) -> pd.Series:
    return understood(names, lambda name: re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")).astype("str")


def _plain(text: str) -> str:
    return "" if is_missing(text) else text.strip("() ")
