"""The places of the simulated world: courses, their distances and honest times, their going, and the classes of race.

Four circuits of three courses. Horses, jockeys and trainers belong to a circuit, and a circuit races at one place a
day, so nobody rides at two courses at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.race import GOINGS, Surface

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SURFACES: tuple[str, ...] = (Surface.TURF.value, Surface.DIRT.value, Surface.ALL_WEATHER.value)
TURF, DIRT, ALL_WEATHER = range(3)
HANDS: tuple[str, ...] = ("left-handed", "right-handed")
CIRCUITS = 4
COURSES_PER_CIRCUIT = 3


@dataclass(frozen=True, slots=True)
class Course:
    """One racecourse; courses stand in the order of their circuits, three each."""

    name: str
    code: str
    surface: int
    hand: int
    pace: float
    """Metres per second by which its races are faster than usual."""
    distances: tuple[int, ...]


_TURF = (1000, 1200, 1400, 1600, 1800, 2000, 2400, 2800)
_SHORT = (1000, 1200, 1400, 1600, 1800, 2000)

COURSES: tuple[Course, ...] = (
    Course("Ashdown Vale", "ASH", TURF, 0, 0.10, _TURF),
    Course("Merrow Hill", "MER", TURF, 1, -0.15, (1200, 1400, 1600, 2000, 2400)),
    Course("Calder Sands", "CAL", ALL_WEATHER, 0, 0.05, _SHORT),
    Course("Thornbury Park", "THO", TURF, 1, 0.05, _TURF),
    Course("Larkwater", "LAR", TURF, 0, -0.05, (1000, 1200, 1600, 1800, 2400)),
    Course("Port Selwyn", "POR", ALL_WEATHER, 0, 0.15, (1000, 1200, 1400, 1600, 2000, 2400)),
    Course("Fallow Ridge", "FAL", TURF, 0, 0.00, (1000, 1200, 1400, 1600, 2000)),
    Course("Redmile", "RED", DIRT, 0, 0.10, _SHORT),
    Course("Ironbridge Flats", "IRO", DIRT, 1, -0.10, (1200, 1400, 1600, 1800)),
    Course("Saint Orrin", "STO", TURF, 1, -0.10, _TURF),
    Course("Westerley", "WES", TURF, 1, 0.00, (1000, 1200, 1400, 1800, 2000, 2400)),
    Course("Grantham Moor", "GRA", ALL_WEATHER, 1, 0.00, _SHORT),
)

SURFACE_OF: Ints = np.array([c.surface for c in COURSES])
HAND_OF: Ints = np.array([c.hand for c in COURSES])
PACE_OF: Floats = np.array([c.pace for c in COURSES])
DISTANCES: Ints = np.unique([d for c in COURSES for d in c.distances])
N_DISTANCES: Ints = np.array([len(c.distances) for c in COURSES])
DISTANCES_OF: Ints = np.array([c.distances + (0,) * (len(_TURF) - len(c.distances)) for c in COURSES])

NOVICE, HANDICAP, STAKES, OPEN = range(4)
KINDS: tuple[str, ...] = ("Novice Stakes", "Handicap", "Conditions Stakes", "Open Stakes")


@dataclass(frozen=True, slots=True)
class RaceClass:
    """A class of race: its kind, its band of official ratings, its prize and how often it is run."""

    name: str
    kind: int
    low: float
    high: float
    prize: float
    share: float
    juvenile: bool = False


_ALL = (-1e9, 1e9)
CLASSES: tuple[RaceClass, ...] = (
    RaceClass("Class 1", STAKES, 81.0, 1e9, 60.0, 0.025),
    RaceClass("Class 2", HANDICAP, 76.0, 1e9, 25.0, 0.07),
    RaceClass("Class 3", HANDICAP, 69.0, 81.0, 14.0, 0.14),
    RaceClass("Class 4", HANDICAP, 61.0, 74.0, 9.0, 0.22),
    RaceClass("Class 5", HANDICAP, 53.0, 66.0, 6.0, 0.21),
    RaceClass("Class 6", HANDICAP, -1e9, 58.0, 4.0, 0.145),
    RaceClass("Novice", NOVICE, *_ALL, 7.0, 0.11),
    RaceClass("Juvenile", NOVICE, *_ALL, 8.0, 0.08, juvenile=True),
    RaceClass("Open", OPEN, *_ALL, 5.0, 0.0),
)
NOVICE_CLASS, JUVENILE_CLASS, OPEN_CLASS = 6, 7, 8
KIND_OF: Ints = np.array([c.kind for c in CLASSES])
LOW_OF: Floats = np.array([c.low for c in CLASSES])
HIGH_OF: Floats = np.array([c.high for c in CLASSES])
PRIZE_OF: Floats = np.array([c.prize for c in CLASSES])
CLASS_SHARES: Floats = np.cumsum([c.share for c in CLASSES]) / np.sum([c.share for c in CLASSES])

GOING_WORDS: tuple[str, ...] = tuple(GOINGS)
GOING_VALUES: Floats = np.array(list(GOINGS.values()))
_WORDS_OF = {
    TURF: ("firm", "good_to_firm", "good", "good_to_soft", "soft", "soft_to_heavy", "heavy"),
    DIRT: ("fast", "good", "wet_fast", "slow", "wet_slow"),
    ALL_WEATHER: ("standard", "standard_to_slow", "slow"),
}
_CODES_OF = {s: np.array([GOING_WORDS.index(w) for w in words]) for s, words in _WORDS_OF.items()}
_LIMITS_OF = {s: (GOING_VALUES[c][1:] + GOING_VALUES[c][:-1]) / 2 for s, c in _CODES_OF.items()}
_DRY_MEAN = np.array([2.9, 1.6, 2.6])
_SPREAD = np.array([1.5, 1.7, 0.8])
_SEASON = np.array([1.0, 0.5, 0.2])


def going_codes(course: Ints, rain: Floats, day_of_year: int, wetness: float) -> Ints:
    """Return the going of each race as an index into `GOING_WORDS`.

    Args:
        course: Course of each race.
        rain: Standardised rain of the last days at each race's circuit.
        day_of_year: 1 to 366; winters are wetter.
        wetness: Factor on the departure from dry ground.
    """
    surface = SURFACE_OF[course]
    winter = np.cos(2 * np.pi * (day_of_year - 15) / 365.25)
    value = _DRY_MEAN[surface] + wetness * (_SPREAD[surface] * rain + _SEASON[surface] * winter)
    out = np.empty(len(course), dtype=np.int64)
    for s, codes in _CODES_OF.items():
        at = surface == s
        out[at] = codes[np.searchsorted(_LIMITS_OF[s], value[at])]
    return out


def par_time(course: Ints, distance: Ints, going: Floats) -> Floats:
    """Return the time of a horse of mean rating, seconds: longer races are slower per metre, and so is wet ground."""
    speed = 17.4 - 1.5 * np.log(distance / 1000) + PACE_OF[course]
    return np.asarray(distance / speed * (1 + 0.006 * (going - 3)))


def points_per_length(distance: Ints) -> Floats:
    """Return how many points one length is worth: about 2.8 at 1000 m and 1.5 at 2400 m, as handicappers reckon."""
    return np.asarray(2.0 * (1600 / distance) ** 0.75)


SECONDS_PER_LENGTH = 0.165
