"""Britain and Ireland (and what their form book covers abroad), one CSV per month, flat and jumps in one file.

Ids are the form book's own and are what histories join on, since a quarter of the names end in a stray " right". In
some months `RaceId` is the id of the course, so a race is told by course and off time. `RacingPostRating` and
`TopSpeedRating` are written after the race and go to the two columns that are known with the result only.
`WeightInPounds` counts sixteen pounds to the stone (`11-3` stands beside 179, and is 157), so the stones are believed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from oracle.data.sources.base import Batch
from oracle.data.sources.files import Layout, find
from oracle.data.sources.reading import Text, read
from oracle.data.sources.rows import Place, Rows, looking_up, understood
from oracle.data.sources.units import (
    counted,
    decimal_odds,
    fractional_odds,
    is_missing,
    lengths,
    metres,
    number,
    pounds,
    seconds,
    stones,
    whole,
    yards,
)
from oracle.data.sources.words import COUNTRIES, RACE_TYPES, SURFACES, going
from oracle.progress import Progress, silent
from oracle.race import RaceType, Status

RESULTS = Layout(
    "racingpost",
    required=("CourseId", "CourseName", "Off", "HorseId", "HorseName", "ResultStatus", "FinishingPosition"),
    race=("CourseId", "Off"),
    columns=(
        *("RaceId", "RaceName", "RaceType", "Class", "Pattern", "RatingBand", "DistanceInMeters", "DistanceInYards"),
        *("Going", "Surface", "JockeyId", "JockeyName", "TrainerId", "TrainerName", "Age", "HeadGear", "StallNumber"),
        *("RaceCardNumber", "Weight", "WeightInPounds", "FractionalOdds", "DecimalOdds", "OfficialRating"),
        *("RacingPostRating", "TopSpeedRating", "OverallBeatenDistance", "RaceTime", "RaceTimeInSeconds"),
    ),
)
_STATUSES = MappingProxyType(
    {
        "completedrace": Status.FINISHED,
        "pulledup": Status.PULLED_UP,
        "fell": Status.FELL,
        "unseatedrider": Status.UNSEATED,
        "broughtdown": Status.BROUGHT_DOWN,
        "slippedup": Status.SLIPPED_UP,
        "carriedout": Status.CARRIED_OUT,
        "ranout": Status.RAN_OUT,
        "refused": Status.REFUSED,
        "refusedtorace": Status.REFUSED,
        "leftatstart": Status.DID_NOT_FINISH,
        "hitrails": Status.DID_NOT_FINISH,
        "disqualified": Status.DISQUALIFIED,
        "void": Status.VOID,
        "nonrunner": Status.WITHDRAWN,
        "withdrawn": Status.WITHDRAWN,
    }
)
_COUNTRY = re.compile(r".*\(([A-Z]{2,3})\)\s*")
_STAMP = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d)(?::\d\d)?")
_ISO_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::\d\d)?.*")
BUMPER = re.compile(r"\b(?:flat|bumper)\b", re.IGNORECASE)
OBSTACLES = re.compile(r"\b(?:hurdle|chase)\b", re.IGNORECASE)
_LATEST_HOUR = 22


class Racingpost:
    """The monthly files of British and Irish results."""

    name = "racingpost"

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all files; see `Source.read`."""
        files = find(paths, RESULTS)
        return map(_translate, read(progress(files, "reading Britain and Ireland", len(files)), RESULTS))


def _translate(text: Text) -> Batch:
    rows = Rows(text, "racingpost")
    _put_race(rows)
    rows.places(rows.cell("ResultStatus") + "|" + rows.cell("FinishingPosition"), _place)
    for role in ("horse", "jockey", "trainer"):
        name = understood(rows.cell(f"{role.title()}Name"), _clean).astype("str")
        rows.person(role, name, rows.cell(f"{role.title()}Id"))
    for column, cell, parser in (
        ("number", "RaceCardNumber", counted),
        ("draw", "StallNumber", counted),
        ("age", "Age", whole),
        ("official_rating", "OfficialRating", number),
        ("beaten_lengths", "OverallBeatenDistance", lengths),
        ("speed_rating", "TopSpeedRating", number),
        ("performance_rating", "RacingPostRating", number),
    ):
        rows.parse(column, rows.cell(cell), parser)
    rows.words("gear", rows.cell("HeadGear"))
    rows.either("distance_m", ("DistanceInYards", yards), ("DistanceInMeters", metres))
    rows.either("weight_kg", ("Weight", stones), ("WeightInPounds", pounds))
    rows.either("odds", ("DecimalOdds", decimal_odds), ("FractionalOdds", fractional_odds))
    rows.either("time_s", ("RaceTimeInSeconds", seconds), ("RaceTime", seconds))
    _mend_dead_heats(rows)
    rows.share_positions()
    return rows.batch()


def _mend_dead_heats(rows: Rows) -> None:
    """Give the first of two horses that dead-heated behind the winner the margin and time of the other.

    The layout writes 0 lengths and the winner's time for it, which is impossible behind a winner; the horse that
    shares its position carries the true ones.
    """
    filler = (rows["position"].fillna(1) > 1).astype(bool) & (rows["beaten_lengths"] == 0)
    for name in ("beaten_lengths", "time_s"):
        known = rows[name].mask(filler)
        other = known.groupby([rows["race_id"], rows["position"]], dropna=False).transform("max")
        rows.put(name, known.mask(filler, other))


def _put_race(rows: Rows) -> None:
    stamps = rows.cell("Off")
    days = understood(stamps, lambda text: _stamp(text)[0]).fillna("").astype("str")
    clocks = understood(stamps, lambda text: _stamp(text)[1]).fillna("").astype("str")
    rows.refuse(days == "", "unreadable_off", stamps)
    codes = understood(rows.cell("CourseName"), _country).astype("str")
    zones = codes.map(lambda code: COUNTRIES.get(code, ("", "Europe/London"))[1])
    rows.when(days, clocks, zones)
    rows.put("country", codes.map(lambda code: COUNTRIES[code][0] if code in COUNTRIES else None))
    minute = days.str.replace("-", "") + "T" + clocks.str.replace(":", "")
    rows.put("race_id", "RP-" + rows.cell("CourseId") + "-" + minute)
    rows.refuse(rows.cell("CourseId") == "", "missing_race_id")
    rows.words("course", understood(rows.cell("CourseName"), _clean).astype("str"))
    names = understood(rows.cell("RaceName"), _clean).astype("str")
    rows.words("race_name", names)
    rows.words("race_class", _class(rows))
    rows.lookup("race_type", rows.cell("RaceType"), RACE_TYPES)
    rows.put("race_type", _with_bumpers(rows["race_type"], names))
    rows.describe("surface", rows.cell("Surface"), looking_up(SURFACES))
    rows.describe("going", rows.cell("Going"), going)


def _with_bumpers(race_types: pd.Series, names: pd.Series) -> pd.Series:
    """Return the race types with bumpers told apart: the layout files them under Hurdle, or under Other with the flat.

    A race for jumpers that is called flat and names no obstacle is one; on the flat only the word bumper is proof,
    since sponsors also say "flat" ("Best Turned-Out Flat League Handicap").
    """
    jumpers = race_types.isin([RaceType.HURDLE, RaceType.CHASE]) & names.str.contains(BUMPER)
    on_the_flat = (race_types == RaceType.FLAT) & names.str.contains(r"\b[Bb]umper\b")
    bumper = (jumpers | on_the_flat) & ~names.str.contains(OBSTACLES)
    return race_types.mask(bumper, RaceType.BUMPER)


def _class(rows: Rows) -> pd.Series:
    """Return class, pattern and rating band, as far as they are there, in one text."""
    parts = [rows.cell(name).str.strip("() ") for name in ("Class", "Pattern", "RatingBand")]
    return (parts[0] + " " + parts[1] + " " + parts[2]).str.split().str.join(" ")


def _stamp(text: str) -> tuple[str, str]:
    """Return day and clock time of `MM/DD/YYYY HH:MM:SS`.

    No race is off between ten at night and midnight: such a time is one before noon that lost its half of the day.
    """
    if match := _STAMP.fullmatch(text):
        month, day, year, hour, minute = match.groups()
    elif match := _ISO_STAMP.fullmatch(text):
        year, month, day, hour, minute = match.groups()
    else:
        raise ValueError(text)
    late = int(hour) >= _LATEST_HOUR
    return f"{year}-{month}-{day}", f"{int(hour) - 12 if late else int(hour):02d}:{minute}"


def _country(course: str) -> str:
    match = _COUNTRY.fullmatch(course.removesuffix(" right"))
    return match[1] if match and match[1] != "AW" else "GB"


def _place(text: str) -> Place:
    status, position = text.split("|")
    known = _STATUSES[status.replace(" ", "").lower()]
    if known is not Status.FINISHED:
        return known, None
    place = counted(position)
    if place is None:
        raise ValueError(position)
    return known, place


def _clean(name: str) -> str:
    """Return a name without the stray word at its end and without the marks of a web page."""
    name = html.unescape(name).removesuffix(" right").strip()
    return "" if is_missing(name) else name
