"""Who takes part: horses with careers, and the jockeys and trainers they are entrusted to.

The state is one array per trait, with one place per horse in training. Whoever retires is replaced in the same place by
a newcomer with a new number, so the state never grows however many races are run. The arrays are changed in place by
the day loop, which alone holds them; whatever the functions here return is a fresh array.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from oracle.data.simulate.courses import CIRCUITS, COURSES, DISTANCES, SURFACES, Floats, Ints
from oracle.data.simulate.policy import WorldPolicy

Random = np.random.Generator

SIRES = 96
GEARS: tuple[str | None, ...] = (None, "B", "V", "TT")
ENTIRE, GELDING, FEMALE = range(3)
RATED_AFTER = 3
"""Runs after which the handicapper publishes a rating."""
AGES = (0.27, 0.30, 0.20, 0.12, 0.06, 0.03, 0.02)
"""Shares of the horses that are two, three, ... eight years old when the world begins."""
LEAVE = np.array([0.0, 0.0, 0.008, 0.02, 0.03, 0.045, 0.07, 0.12, 0.2, 0.3])
"""Chance of retirement in a month, by age; twice that for a horse rated twelve points below the mean."""
_WIDTHS = {"surface": len(SURFACES), "course": len(COURSES)}
_WHOLE = (
    "number",
    "born",
    "sex",
    "sire",
    "gear",
    "circuit",
    "trainer",
    "runs",
    "wins",
    "drift_day",
    "last_run",
    "ready",
)


@dataclass(slots=True)
class Horses:
    """All horses in training, one place each. Days count from the world's first date, strengths are points."""

    number: Ints
    born: Ints
    """Year of birth: every horse turns a year older on 1 January."""
    sex: Ints
    sire: Ints
    gear: Ints
    circuit: Ints
    trainer: Ints
    runs: Ints
    wins: Ints
    drift_day: Ints
    """Day up to which `drift` has been carried."""
    last_run: Ints
    """Day of the last run; -1000 before the first."""
    ready: Ints
    """First day on which the trainer would run it again."""
    talent: Floats
    peak: Floats
    rise: Floats
    drift: Floats
    log_distance: Floats
    """Logarithm of the distance it likes best, metres."""
    going: Floats
    """Points per step of wetter going."""
    hand: Floats
    style: Floats
    """Running style, -1 held up at the rear to 1 leading."""
    body: Floats
    """Own weight, kilograms."""
    rating: Floats
    """The handicapper's opinion, published once the horse has run three times."""
    surface: Floats
    course: Floats

    @classmethod
    def places(cls, size: int) -> Horses:
        """Return empty places, to be filled by `newcomers`."""
        made: dict[str, Any] = {
            f.name: np.zeros((size, _WIDTHS[f.name]))
            if f.name in _WIDTHS
            else np.zeros(size, dtype=np.int64 if f.name in _WHOLE else np.float64)
            for f in fields(cls)
        }
        return cls(**made)


def newcomers(
    horses: Horses,
    at: Ints,
    first_number: int,
    born: Ints,
    ready: Ints,
    trainers: int,
    policy: WorldPolicy,
    rng: Random,
) -> None:
    """Put newly drawn, unraced horses at the places `at`.

    Args:
        horses: The state, changed in place.
        at: Places to fill.
        first_number: Number of the first of them; the others follow.
        born: Year of birth of each.
        ready: First day on which each may run.
        trainers: Trainers per circuit.
        policy: Spreads of all traits.
        rng: Source of chance.
    """
    n = len(at)
    circuit = rng.integers(CIRCUITS, size=n)
    sire = rng.integers(SIRES, size=n)
    normal = rng.standard_normal((8, n))
    sire_talent = policy.sire_sd * np.sin(sire * 12.9898)  # a stallion's worth is a fixed trait of its number
    horses.number[at] = first_number + np.arange(n)
    horses.born[at], horses.ready[at] = born, ready
    horses.sex[at] = np.searchsorted([0.25, 0.6], rng.random(n))
    horses.sire[at] = sire
    horses.gear[at] = np.maximum(rng.integers(-12, len(GEARS), size=n), 0)
    horses.circuit[at] = circuit
    horses.trainer[at] = circuit * trainers + rng.integers(trainers, size=n)
    horses.runs[at] = horses.wins[at] = 0
    horses.drift_day[at], horses.last_run[at] = ready, -1000
    horses.talent[at] = policy.talent_sd * normal[0] + sire_talent
    horses.peak[at] = policy.peak_age + policy.peak_age_sd * normal[1]
    horses.rise[at] = policy.improvement * np.exp(0.3 * normal[2])
    horses.drift[at] = policy.form_sd * normal[3]
    horses.log_distance[at] = np.log(rng.choice(DISTANCES, size=n)) + 0.08 * normal[4]
    horses.going[at] = policy.going_effect * normal[5]
    horses.hand[at] = policy.hand_sd * normal[6]
    horses.style[at] = rng.uniform(-1, 1, size=n)
    horses.body[at] = policy.body_weight_kg + 25 * normal[7] - 20 * (horses.sex[at] == FEMALE)
    horses.surface[at] = policy.surface_sd * rng.standard_normal((n, len(SURFACES)))
    horses.course[at] = policy.course_sd * rng.standard_normal((n, len(COURSES)))
    horses.rating[at] = policy.mean_rating - 7.0


def ability(horses: Horses, at: Ints, year: int, share_of_year: float, policy: WorldPolicy) -> Floats:
    """Return the ability of the horses at the places `at`, points: talent on its career curve plus present form."""
    beyond = year + share_of_year - horses.born[at] - horses.peak[at]
    below = np.where(beyond < 0, horses.rise[at], policy.decline) * np.minimum(beyond * beyond, 12.0)
    female = policy.sex_effect * (horses.sex[at] == FEMALE)
    return np.asarray(policy.mean_rating + 4.0 + horses.talent[at] + horses.drift[at] - below - female)


def carry_form(horses: Horses, at: Ints, day: int, policy: WorldPolicy, rng: Random) -> None:
    """Let the form of the horses at `at` wander to today, exactly as an Ornstein-Uhlenbeck process does."""
    kept = np.exp(-np.maximum(day - horses.drift_day[at], 0) / policy.form_days)
    shaken = policy.form_sd * np.sqrt(1 - kept * kept)
    horses.drift[at] = kept * horses.drift[at] + shaken * rng.standard_normal(len(at))
    horses.drift_day[at] = day


def retiring(horses: Horses, year: int, policy: WorldPolicy, rng: Random) -> Ints:
    """Return the places of the horses that leave this month: the old, and sooner those that are no good."""
    chance = LEAVE[np.minimum(year - horses.born, len(LEAVE) - 1)]
    chance = np.where(horses.rating < policy.mean_rating - 12, 2 * chance, chance)
    return np.flatnonzero(rng.random(len(chance)) < chance)


def recentre(horses: Horses, policy: WorldPolicy) -> None:
    """Move all ratings a little towards the level the handicapper keeps, against inflation."""
    rated = horses.runs >= RATED_AFTER
    if rated.any():
        horses.rating += 0.2 * (policy.mean_rating - horses.rating[rated].mean())


@dataclass(slots=True)
class People:
    """Jockeys or trainers: a number and a standardised skill for each place; places stand by circuit."""

    number: Ints
    skill: Floats
    next_number: int

    @classmethod
    def drawn(cls, per_circuit: int, rng: Random) -> People:
        """Return newly drawn people, `per_circuit` for each circuit."""
        n = per_circuit * CIRCUITS
        return cls(np.arange(n), rng.standard_normal(n), n)

    def month_passes(self, rng: Random) -> Ints:
        """Let skill wander slowly and one in 240 hand over to a newcomer; return the places that changed hands."""
        n = len(self.skill)
        self.skill = 0.985 * self.skill + np.sqrt(1 - 0.985**2) * rng.standard_normal(n)
        leaving = np.flatnonzero(rng.random(n) < 1 / 240)
        self.number[leaving] = self.next_number + np.arange(len(leaving))
        self.next_number += len(leaving)
        self.skill[leaving] = rng.standard_normal(len(leaving))
        return leaving
