"""The words of racing: what a race, a runner, a card and a prediction are, and the one table they are kept in.

Everything in the house speaks in these values. `COLUMNS` is the canonical runner table: one row per runner, the
race's own columns repeated on each of its rows. Each column says when it becomes known, so that a feature can only be
built from what a bettor could have known, and a reader can look the unit up in one place. This module is pure and
imports nothing of ours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import pyarrow as pa


class Known(StrEnum):
    """The moment at which a value becomes public."""

    DECLARED = "declared"
    """On the race card, before betting opens."""
    OFF = "off"
    """When the gates open: final odds, late withdrawals."""
    RESULT = "result"
    """Only after the race has been run."""


class Status(StrEnum):
    """What became of a declared runner."""

    FINISHED = "finished"
    PULLED_UP = "pulled_up"
    FELL = "fell"
    UNSEATED = "unseated"
    BROUGHT_DOWN = "brought_down"
    SLIPPED_UP = "slipped_up"
    CARRIED_OUT = "carried_out"
    RAN_OUT = "ran_out"
    REFUSED = "refused"
    DID_NOT_FINISH = "did_not_finish"
    DISQUALIFIED = "disqualified"
    WITHDRAWN = "withdrawn"
    """Declared, did not start. Bets on it are returned; it is not part of the field."""
    VOID = "void"
    """The race was cancelled or declared void: nobody won and nobody lost."""


STARTED: frozenset[Status] = frozenset(Status) - {Status.WITHDRAWN, Status.VOID}
"""A runner with one of these came under orders: it counts in the field, wins or loses bets, and its run is form."""


class Surface(StrEnum):
    """What the horses run on."""

    TURF = "turf"
    DIRT = "dirt"
    ALL_WEATHER = "all_weather"


class RaceType(StrEnum):
    """The discipline: ratings and times of one say little about another."""

    FLAT = "flat"
    HURDLE = "hurdle"
    CHASE = "chase"
    BUMPER = "bumper"
    """A flat race for jumpers (National Hunt flat)."""


class Sex(StrEnum):
    """Sex and condition of a horse."""

    COLT = "colt"
    """Entire male, up to four years."""
    HORSE = "horse"
    """Entire male, five years and older."""
    GELDING = "gelding"
    RIG = "rig"
    FILLY = "filly"
    """Female, up to four years."""
    MARE = "mare"
    """Female, five years and older."""


GOINGS: MappingProxyType[str, float] = MappingProxyType(
    {
        "hard": 0.0,
        "fast": 0.5,
        "firm": 1.0,
        "standard_to_fast": 2.0,
        "good_to_firm": 2.0,
        "standard": 2.5,
        "good": 3.0,
        "good_to_yielding": 3.75,
        "good_to_soft": 4.0,
        "standard_to_slow": 4.0,
        "yielding": 4.5,
        "wet_fast": 4.5,
        "sealed": 4.5,
        "slow": 5.0,
        "muddy": 5.0,
        "yielding_to_soft": 5.25,
        "sloppy": 5.5,
        "soft": 6.0,
        "wet_slow": 6.0,
        "very_soft": 6.5,
        "holding": 7.0,
        "soft_to_heavy": 7.0,
        "heavy": 8.0,
    }
)
"""Going descriptions, from dry to wet, on one scale (0 hard, 3 good, 8 heavy) that every country's words map to."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the runner table: its name, Arrow type, when it is known, and what it means (with its unit)."""

    name: str
    type: pa.DataType
    known: Known
    meaning: str
    required: bool = False


def _columns() -> Iterable[Column]:
    text, small, real = pa.string(), pa.int16(), pa.float64()
    declared, off, result = Known.DECLARED, Known.OFF, Known.RESULT
    yield Column("race_id", text, declared, "Unique id of the race; stable between files of one source.", True)
    yield Column("date", pa.date32(), declared, "Local calendar date of the meeting.", True)
    yield Column("off", pa.timestamp("s", tz="UTC"), declared, "Scheduled off time, UTC. Orders all races.", True)
    yield Column("off_estimated", pa.bool_(), declared, "True where the source has no clock time (see below).", True)
    yield Column("race_number", small, declared, "Number of the race on its card.")
    yield Column("race_name", text, declared, "Name of the race.")
    yield Column("course", text, declared, "Racecourse, in the source's own words.", True)
    yield Column("country", text, declared, "ISO 3166-1 alpha-2 code of the course's country.")
    yield Column("race_type", text, declared, "flat, hurdle, chase or bumper.", True)
    yield Column("surface", text, declared, "turf, dirt or all_weather, or the source's own word.")
    yield Column("track", text, declared, "Rail position or track variant, such as A, C+3, inner.")
    yield Column("going", text, declared, "State of the ground: one of oracle.race.GOINGS, or the source's own word.")
    yield Column("distance_m", pa.int32(), declared, "Distance in metres.")
    yield Column("race_class", text, declared, "Class, grade or rating band, in the source's own words.")
    yield Column("prize", real, declared, "Prize money of the race in thousands of local currency.")
    yield Column("field_size", small, off, "Number of runners that started.", True)
    yield Column("number", small, declared, "Saddle-cloth number.")
    yield Column("horse_id", text, declared, "The source's id of the horse; its name where there is none.", True)
    yield Column("horse", text, declared, "Name of the horse.", True)
    yield Column("jockey_id", text, declared, "The source's id of the jockey; the name where there is none.")
    yield Column("jockey", text, declared, "Name of the jockey.")
    yield Column("trainer_id", text, declared, "The source's id of the trainer; the name where there is none.")
    yield Column("trainer", text, declared, "Name of the trainer.")
    yield Column("sire", text, declared, "Name of the sire.")
    yield Column("draw", small, declared, "Starting stall, 1 nearest the rail.")
    yield Column("weight_kg", real, declared, "Weight carried, kilograms.")
    yield Column("body_weight_kg", real, declared, "The horse's own weight, kilograms.")
    yield Column("age", small, declared, "Age in years.")
    yield Column("sex", text, declared, "colt, horse, gelding, rig, filly or mare, or the source's own word.")
    yield Column("official_rating", real, declared, "The handicapper's rating before the race.")
    yield Column("gear", text, declared, "Headgear and other equipment, in the source's own codes.")
    yield Column("odds", real, off, "Decimal odds at the off (starting price or final pari-mutuel), stake included.")
    yield Column("status", text, result, "What became of the runner: one of oracle.race.Status.", True)
    yield Column("position", small, result, "Official finishing position; empty for anything but finished.")
    yield Column("dead_heat", pa.bool_(), result, "True where another runner shares the position.", True)
    yield Column("beaten_lengths", real, result, "Lengths behind the winner; 0 for the winner.")
    yield Column("time_s", real, result, "The runner's own finishing time, seconds.")
    yield Column("last_split_s", real, result, "Time of the last section (400 m Hong Kong, 600 m Japan), seconds.")
    yield Column("first_call", small, result, "Place in running at the first call.")
    yield Column("last_call", small, result, "Place in running at the last call before the finish.")
    yield Column("speed_rating", real, result, "The publisher's speed figure, written after the race.")
    yield Column("performance_rating", real, result, "The publisher's rating of the run, written after the race.")
    yield Column("source", text, declared, "Name of the raw layout the row came from.", True)


COLUMNS: tuple[Column, ...] = tuple(_columns())
"""The canonical runner table, in the order it is written."""

RUNNERS = pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in COLUMNS])
"""Arrow schema of the runner table. Rows of a race stand together, in the order of the card."""

KNOWN_AT: MappingProxyType[str, Known] = MappingProxyType({c.name: c.known for c in COLUMNS})

RACE_COLUMNS: tuple[str, ...] = tuple(c.name for c in COLUMNS[: [c.name for c in COLUMNS].index("number")])
"""The columns that belong to the race and must agree on all its rows."""

ESTIMATED_GAP = dt.timedelta(minutes=30)
"""Where a layout gives no clock time, race 1 of a card is set at noon local time and each next one this much later."""


@dataclass(frozen=True, slots=True)
class Runner:
    """One declared runner of a card. Only the horse is required: what is not known yet is None."""

    horse: str
    horse_id: str | None = None
    jockey: str | None = None
    jockey_id: str | None = None
    trainer: str | None = None
    trainer_id: str | None = None
    sire: str | None = None
    number: int | None = None
    draw: int | None = None
    weight_kg: float | None = None
    body_weight_kg: float | None = None
    age: int | None = None
    sex: str | None = None
    official_rating: float | None = None
    gear: str | None = None
    odds: float | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class RaceCard:
    """A race before it is run: its conditions and its declared runners."""

    course: str
    off: dt.datetime
    """Off time with a time zone."""
    runners: tuple[Runner, ...]
    distance_m: int | None = None
    going: str | None = None
    surface: str | None = None
    race_type: str = RaceType.FLAT
    race_class: str | None = None
    track: str | None = None
    country: str | None = None
    prize: float | None = None
    race_number: int | None = None
    race_name: str | None = None
    race_id: str | None = None


@dataclass(frozen=True, slots=True)
class RunnerPrediction:
    """What the model says of one runner. A withdrawn runner has no rank, and probabilities of 0."""

    horse: str
    number: int | None
    rank: int | None
    """1 is the likeliest winner."""
    score: float | None
    """The ensemble's ranking score: higher is better, comparable within the race only."""
    win: float
    """Probability of winning; sums to 1 over the race."""
    place: float
    """Probability of finishing in the places; sums to the number of places (or of runners, where fewer)."""
    fair_odds: float | None
    """Decimal odds at which a bet to win has expectation zero: 1 / win."""
    edge: float | None
    """Expected profit per unit staked to win at the card's odds: win x odds - 1. None without odds."""
    known: bool
    """False where the model had never seen the horse run."""


@dataclass(frozen=True, slots=True)
class CardPrediction:
    """The ranked answer to a card, runners in the order of the card."""

    runners: tuple[RunnerPrediction, ...]
    ensemble: str
    """market where every starter had odds, otherwise form."""
    places: int
    """How many positions count as placed in a field of this size."""
    notes: tuple[str, ...] = ()
    """What the reader should know about this answer, such as odds that were missing or a course never seen."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature adds to the score of one runner."""

    feature: str
    value: float | None
    """The feature's own value; None where it is missing."""
    contribution: float
    """Relative to the race: above 0 where it speaks for this runner more than for the field on average."""


@dataclass(frozen=True, slots=True)
class RunnerExplanation:
    """Why a runner has its score: base, contributions and others add up to it."""

    base: float
    """What every runner of the race has in common."""
    contributions: tuple[Contribution, ...]
    """The largest first."""
    others: float = 0.0
    """The sum of those that are not listed."""


@dataclass(frozen=True, slots=True)
class CardExplanation:
    """The answer to a card, and why: one explanation per runner, in its order; None for a withdrawn one."""

    prediction: CardPrediction
    runners: tuple[RunnerExplanation | None, ...]
