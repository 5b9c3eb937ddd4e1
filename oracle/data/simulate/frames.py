"""From the tables of a day to rows of the canonical runner table, and to the truth beside them.

Numbers are gathered day by day; words are put in once per block by looking codes up in pools of strings, which costs
next to nothing compared with building strings row by row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from oracle.data.simulate import names
from oracle.data.simulate.courses import (
    CLASSES,
    COURSES,
    GOING_WORDS,
    HAND_OF,
    HANDS,
    KINDS,
    PRIZE_OF,
    SURFACE_OF,
    SURFACES,
    Floats,
    Ints,
)
from oracle.data.simulate.entries import Declared, Flags
from oracle.data.simulate.population import FEMALE, GEARS, GELDING, RATED_AFTER, SIRES, Horses, People
from oracle.data.simulate.running import Outcome
from oracle.race import COLUMNS, RaceType, Sex, Status

SOURCE = "simulated"
COUNTRY = "XO"
"""From the range that ISO 3166-1 leaves to its users: no real country."""
_SEXES = (Sex.COLT.value, Sex.HORSE.value, Sex.GELDING.value, Sex.FILLY.value, Sex.MARE.value)
_STATUSES = (Status.FINISHED.value, Status.PULLED_UP.value, Status.WITHDRAWN.value)
_NAMES = tuple(f"{c.name} {KINDS[c.kind]}" if c.name not in KINDS[c.kind] else KINDS[c.kind] for c in CLASSES)
_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
Rows = dict[str, NDArray[Any]]
"""Columns of numbers and codes, by name, one element per declared runner."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive race days of the world.

    Attributes:
        runners: Rows of the canonical table `oracle.race.RUNNERS`.
        truth: One row per starter: `race_id`, `horse_id`, `true_strength` (in units of the noise, so that its softmax
            within the race is the next column), `true_win_probability`.
        races: How many races these are.
    """

    runners: pd.DataFrame
    truth: pd.DataFrame
    races: int


def _race_columns(declared: Declared, day: int, epoch: int) -> Rows:
    races = declared.races
    return {
        "day": np.full(len(races), epoch + day),
        "minute": races.minute,
        "number_of_race": races.number,
        "course": races.course,
        "race_class": races.race_class,
        "going": races.going,
        "distance": races.distance,
        "field_size": np.count_nonzero(declared.starts, axis=1),
    }


def _runner_columns(horses: Horses, jockeys: People, trainers: People, declared: Declared, year: int) -> Rows:
    at = declared.horse[declared.present]
    age = year - horses.born[at]
    sex = horses.sex[at]
    rating = np.where(horses.runs[at] >= RATED_AFTER, np.clip(np.round(horses.rating[at]), 20, 140), np.nan)
    grown = (age >= 5).astype(np.int64)
    return {
        "horse": horses.number[at],
        "jockey": jockeys.number[declared.jockey[declared.present]],
        "trainer": trainers.number[horses.trainer[at]],
        "sire": horses.sire[at],
        "draw": declared.draw[declared.present],
        "weight": declared.weight[declared.present],
        "body": np.round(horses.body[at] + 6 * np.sin(0.01 * horses.last_run[at] + horses.number[at])),
        "age": age,
        "sex": np.where(sex == FEMALE, 3 + grown, np.where(sex == GELDING, 2, grown)),
        "rating": rating,
        "gear": horses.gear[at],
    }


def declared_rows(
    horses: Horses, jockeys: People, trainers: People, declared: Declared, day: int, year: int, epoch: int
) -> Rows:
    """Return the columns that stand before the races are run, one element per declared runner, as numbers and codes."""
    fields = np.count_nonzero(declared.present, axis=1)
    rows = {k: np.repeat(v, fields) for k, v in _race_columns(declared, day, epoch).items()}
    rows["number"] = np.arange(len(rows["day"])) - np.repeat(np.cumsum(fields) - fields, fields) + 1
    return rows | _runner_columns(horses, jockeys, trainers, declared, year)


def result_rows(declared: Declared, outcome: Outcome, odds: Floats, utility: Floats, chance: Floats) -> Rows:
    """Return the columns known at the off or later, and the truth, in the same order of rows."""
    here = declared.present
    finished, starts = outcome.finished[here], declared.starts[here]

    def where(known: Flags, value: NDArray[Any]) -> Floats:
        return np.asarray(np.where(known, value[here], np.nan))

    return {
        "odds": odds[here],
        "status": np.where(finished, 0, np.where(starts, 1, 2)),
        "position": where(finished, outcome.position),
        "dead_heat": outcome.dead_heat[here],
        "lengths": where(finished, outcome.lengths),
        "time": where(finished, outcome.time),
        "last_split": where(finished, outcome.last_split),
        "first_call": where(starts, outcome.first_call),
        "last_call": where(starts, outcome.last_call),
        "speed": where(finished, outcome.speed),
        "performance": where(finished, np.round(outcome.performance)),
        "starts": starts,
        "utility": utility[here],
        "chance": chance[here],
    }


def _words(pool: Sequence[str | None], codes: Ints) -> pd.Series:
    taken = pa.array(list(pool), type=pa.large_string()).take(pa.array(codes))
    return pd.Series(taken, dtype=_TEXT)


def _named(numbers: Ints, letter: str, name: Callable[[int], str]) -> tuple[pd.Series, pd.Series]:
    """Return ids and names of numbered horses or people."""
    distinct, codes = np.unique(numbers, return_inverse=True)
    plain = [int(n) for n in distinct]
    return _words(names.ids(letter, plain), codes), _words([name(n) for n in plain], codes)


def _race_ids(day: Ints, course: Ints, number: Ints) -> pd.Series:
    key = (day * len(COURSES) + course) * 100 + number
    distinct, codes = np.unique(key, return_inverse=True)
    made = []
    for k in distinct.tolist():
        rest, n = divmod(k, 100)
        d, c = divmod(rest, len(COURSES))
        made.append(f"SIM-{dt.date.fromordinal(d + _UNIX):%Y%m%d}-{COURSES[c].code}-{n:02d}")
    return _words(made, codes)


_UNIX = dt.date(1970, 1, 1).toordinal()


def _small(values: NDArray[Any]) -> pd.Series:
    return pd.Series(pd.array(values, dtype="Int16"))


def block(days: Iterable[Rows], races: int) -> Block:
    """Return the rows of some days as the canonical frame and its truth.

    Args:
        days: Rows of whole days, in order.
        races: How many races they hold.
    """
    parts = list(days)
    r = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    course = r["course"]
    race_id = _race_ids(r["day"], course, r["number_of_race"])
    horse_id, horse = _named(r["horse"], "H", names.horse_name)
    jockey_id, jockey = _named(r["jockey"], "J", names.person_name)
    trainer_id, trainer = _named(r["trainer"], "T", lambda n: names.person_name(n + 9000))
    one = np.zeros(len(course), dtype=np.int64)
    off = (r["day"] * 86_400 + r["minute"] * 60).astype("datetime64[s]")
    values = {
        "race_id": race_id,
        "date": r["day"].astype("datetime64[D]").astype("datetime64[s]"),
        "off": pd.Series(off).dt.tz_localize("UTC"),
        "off_estimated": one.astype(np.bool_),
        "race_number": _small(r["number_of_race"]),
        "race_name": _words(_NAMES, r["race_class"]),
        "course": _words([c.name for c in COURSES], course),
        "country": _words([COUNTRY], one),
        "race_type": _words([RaceType.FLAT.value], one),
        "surface": _words(SURFACES, SURFACE_OF[course]),
        "track": _words(HANDS, HAND_OF[course]),
        "going": _words(GOING_WORDS, r["going"]),
        "distance_m": pd.Series(pd.array(r["distance"], dtype="Int32")),
        "race_class": _words([c.name for c in CLASSES], r["race_class"]),
        "prize": PRIZE_OF[r["race_class"]],
        "field_size": _small(r["field_size"]),
        "number": _small(r["number"]),
        "horse_id": horse_id,
        "horse": horse,
        "jockey_id": jockey_id,
        "jockey": jockey,
        "trainer_id": trainer_id,
        "trainer": trainer,
        "sire": _words([names.sire_name(n) for n in range(SIRES)], r["sire"]),
        "draw": _small(r["draw"]),
        "weight_kg": r["weight"],
        "body_weight_kg": r["body"],
        "age": _small(r["age"]),
        "sex": _words(_SEXES, r["sex"]),
        "official_rating": r["rating"],
        "gear": _words(GEARS, r["gear"]),
        "odds": r["odds"],
        "status": _words(_STATUSES, r["status"]),
        "position": _small(r["position"]),
        "dead_heat": r["dead_heat"],
        "beaten_lengths": r["lengths"],
        "time_s": r["time"],
        "last_split_s": r["last_split"],
        "first_call": _small(r["first_call"]),
        "last_call": _small(r["last_call"]),
        "speed_rating": r["speed"],
        "performance_rating": r["performance"],
        "source": _words([SOURCE], one),
    }
    runners = pd.DataFrame({c.name: values[c.name] for c in COLUMNS})
    starts = r["starts"].astype(np.bool_)
    truth = pd.DataFrame(
        {
            "race_id": race_id[starts].reset_index(drop=True),
            "horse_id": horse_id[starts].reset_index(drop=True),
            "true_strength": r["utility"][starts],
            "true_win_probability": r["chance"][starts],
        }
    )
    return Block(runners, truth, races)
