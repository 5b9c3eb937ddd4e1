"""The programme of one day: which courses race, when, over what distance and for which class of horse."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from oracle.data.simulate.courses import (
    ALL_WEATHER,
    CIRCUITS,
    CLASS_SHARES,
    COURSES_PER_CIRCUIT,
    DISTANCES_OF,
    JUVENILE_CLASS,
    N_DISTANCES,
    NOVICE_CLASS,
    SURFACE_OF,
    Floats,
    Ints,
    going_codes,
)
from oracle.data.simulate.policy import WorldPolicy
from oracle.data.simulate.population import Random

SMALLEST, LARGEST = 5, 16
"""Fewest and most runners that are declared for a race."""


@dataclass(slots=True)
class Programme:
    """The races of one day in the order of their off times; one array element per race."""

    course: Ints
    number: Ints
    minute: Ints
    """Off time in minutes after midnight UTC."""
    distance: Ints
    race_class: Ints
    going: Ints
    """Index into `GOING_WORDS`."""
    variant: Floats
    """How much slower than honest this course rides today, as a share of the time; nobody knows it beforehand."""
    target: Ints
    """Runners wanted."""

    def __len__(self) -> int:
        return len(self.course)

    def only(self, kept: NDArray[np.bool_]) -> Programme:
        """Return the programme without the races that are not kept."""
        return Programme(*(getattr(self, f.name)[kept] for f in fields(self)))


def new_weather(rain: Floats, rng: Random) -> Floats:
    """Return tomorrow's standardised rain of each circuit: wet and dry spells last about ten days."""
    return np.asarray(0.9 * rain + np.sqrt(1 - 0.81) * rng.standard_normal(len(rain)))


def _courses(meetings: int, winter: bool, rng: Random) -> Ints:
    circuits = rng.permutation(CIRCUITS)[:meetings]
    course = circuits * COURSES_PER_CIRCUIT + rng.integers(COURSES_PER_CIRCUIT, size=meetings)
    indoors = circuits * COURSES_PER_CIRCUIT + COURSES_PER_CIRCUIT - 1
    swap = winter & (SURFACE_OF[indoors] == ALL_WEATHER) & (rng.random(meetings) < 0.5)
    return np.where(swap, indoors, course)


def programme(weekday: int, day_of_year: int, rain: Floats, policy: WorldPolicy, rng: Random) -> Programme:
    """Return the day's races.

    Args:
        weekday: 0 Monday to 6 Sunday.
        day_of_year: 1 to 366.
        rain: Standardised rain of each circuit.
        policy: Meetings by weekday and the wetness of the world.
        rng: Source of chance.
    """
    meetings = min(policy.meetings_by_weekday[weekday], CIRCUITS)
    at = _courses(meetings, winter=day_of_year < 75 or day_of_year > 320, rng=rng)
    races = rng.integers(6, 9, size=meetings)
    first = rng.choice((780, 795, 810, 825, 840, 1020, 1035), size=meetings)
    step = rng.choice((30, 35), size=meetings)
    variant = 0.003 * rng.standard_normal(meetings)
    meeting = np.repeat(np.arange(meetings), races)
    number = np.arange(len(meeting)) - np.repeat(np.cumsum(races) - races, races)
    minute = first[meeting] + step[meeting] * number
    order = np.lexsort((meeting, minute))
    meeting, number, minute = meeting[order], number[order], minute[order]
    course, n = at[meeting], len(meeting)
    race_class = np.searchsorted(CLASS_SHARES, rng.random(n))
    if day_of_year < 105:  # two-year-olds appear in April
        race_class[race_class == JUVENILE_CLASS] = NOVICE_CLASS
    distance = DISTANCES_OF[course, (rng.random(n) * N_DISTANCES[course]).astype(np.int64)]
    going = going_codes(course, rain[course // COURSES_PER_CIRCUIT], day_of_year, policy.wetness)
    target = SMALLEST + rng.binomial(LARGEST - SMALLEST, 0.47, size=n)
    return Programme(course, number + 1, minute, distance, race_class, going, variant[meeting], target)
