"""Declarations: which horses meet in which race, who rides them, from which stall and under what weight.

Everything of a day is held as tables of races by places, sixteen places wide; `present` says which places are taken.
Entries look only at what a trainer knows in the morning: ratings published so far, distances, days since the last run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.data.simulate.courses import (
    CLASSES,
    COURSES_PER_CIRCUIT,
    HANDICAP,
    HIGH_OF,
    KIND_OF,
    LOW_OF,
    NOVICE,
    OPEN_CLASS,
    SURFACE_OF,
    Floats,
    Ints,
)
from oracle.data.simulate.fixtures import LARGEST, SMALLEST, Programme
from oracle.data.simulate.policy import WorldPolicy
from oracle.data.simulate.population import FEMALE, RATED_AFTER, Horses, Random

Flags = NDArray[np.bool_]
Reals = NDArray[np.float32]

TOP_KG, BOTTOM_KG, LEVEL_KG = 60.5, 50.0, 57.0
KG_PER_POINT = 0.45359237
_WHIM = np.float32(12**0.5)
"""Width of a uniform choice with standard deviation 1: a third of the time that normal numbers would take."""
_JUVENILE_RACE = np.array([c.juvenile for c in CLASSES])


@dataclass(slots=True)
class Declared:
    """The declared field of each race: tables of races by places."""

    races: Programme
    """The races that found a field."""
    present: Flags
    horse: Ints
    """Place of the horse in the population; 0 where nobody is present."""
    jockey: Ints
    draw: Ints
    """Stall from 1."""
    weight: Floats
    """Kilograms, in half kilograms."""
    starts: Flags
    """Present and not withdrawn."""


def _suitability(horses: Horses, pool: Ints, day: int, races: Programme, rng: Random) -> Reals:
    """Return how much each horse of the pool (columns) suits each race (rows), in the eyes of its trainer."""
    circuit = races.course // COURSES_PER_CIRCUIT
    waiting = 0.05 * (day - horses.ready[pool])
    liking = (0.25 * horses.surface[pool].T + waiting).astype(np.float32)
    suits = _WHIM * rng.random((len(races), len(pool)), dtype=np.float32)
    suits += liking[SURFACE_OF[races.course]]
    likes = horses.log_distance[pool].astype(np.float32)
    suits -= np.float32(5) * np.abs(np.log(races.distance).astype(np.float32)[:, None] - likes)
    suits -= np.float32(3) * (circuit.astype(np.int8)[:, None] != horses.circuit[pool].astype(np.int8))
    return suits


def _eligible(horses: Horses, pool: Ints, year: int, races: Programme) -> Flags:
    kind = KIND_OF[races.race_class][:, None]
    rated = horses.runs[pool] >= RATED_AFTER
    rating = np.where(rated, horses.rating[pool], np.where(horses.wins[pool] > 0, 85.0, 0.0))
    banded = (rating >= LOW_OF[races.race_class][:, None]) & (rating <= HIGH_OF[races.race_class][:, None])
    novice = (horses.wins[pool] == 0) | ~rated
    two = year - horses.born[pool] == 2
    of_age = ~_JUVENILE_RACE[races.race_class][:, None] | two
    return np.asarray(np.where(kind == NOVICE, novice & of_age, banded & (rated | (kind != HANDICAP))))


def _fields(against: Reals, races: Programme, rating: Floats) -> Ints:
    """Fill the races in turn with the horses that have least against them; inf keeps a horse out.

    A race that attracts too few is opened to all; where not even then enough horses are left, it is not run. `against`
    is used up: horses chosen for one race are kept out of the others.
    """
    chosen = np.full((len(races), LARGEST), -1, dtype=np.int64)
    free = np.ones(len(rating), dtype=np.bool_)
    for r, wanted in enumerate(races.target.tolist()):
        best = _least(against[r], wanted)
        if len(best) < SMALLEST:
            races.race_class[r] = OPEN_CLASS
            best = _least(np.where(free, np.abs(rating - np.median(rating)), np.inf), wanted)
        if len(best) >= SMALLEST:
            chosen[r, : len(best)] = best
            against[:, best] = np.inf
            free[best] = False
    order = np.argsort(np.where(chosen >= 0, -rating[chosen], np.inf), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def _least(values: Reals | Floats, n: int) -> Ints:
    """Return where the `n` smallest finite values stand, fewer where there are fewer."""
    best = np.argpartition(values, n - 1)[:n] if n < len(values) else np.arange(len(values))
    return np.asarray(best[values[best] < np.inf])


def _riders(
    favourites: Ints, skill: Floats, races: Programme, trainer: Ints, present: Flags, rng: Random, per_circuit: int
) -> Ints:
    """Give each runner a jockey of the circuit, the trainer's favourites and the best first, each once in a race."""
    first = (races.course // COURSES_PER_CIRCUIT * per_circuit)[:, None]
    roster = first + np.arange(per_circuit)
    wish = _WHIM * rng.random((*trainer.shape, per_circuit), dtype=np.float32)
    wish += (0.5 * skill[roster]).astype(np.float32)[:, None, :]
    for bonus, favourite in zip((4.0, 3.0, 2.0), favourites.T, strict=True):
        seat = favourite[trainer] - first
        row, place = np.nonzero((seat >= 0) & (seat < per_circuit))
        wish[row, place, seat[row, place]] += bonus
    rows, jockey = np.arange(len(races)), np.zeros(trainer.shape, dtype=np.int64)
    busy = np.zeros(roster.shape, dtype=np.float32)
    for p in range(LARGEST):
        pick = np.argmax(wish[:, p] + busy, axis=1)
        jockey[:, p] = pick
        busy[rows, pick] -= np.where(present[:, p], np.float32(1e6), np.float32(0))
    return np.asarray(jockey + first)


def _draws(present: Flags, rng: Random) -> Ints:
    lots = np.where(present, rng.random(present.shape), 2.0)
    return np.asarray(np.argsort(np.argsort(lots, axis=1), axis=1) + 1)


def _weights(horses: Horses, horse: Ints, present: Flags, year: int, races: Programme) -> Floats:
    """Handicap weights by rating below the top one; elsewhere level weights with allowances for sex and age."""
    rating = np.where(present, np.round(horses.rating[horse]), -np.inf)
    handicap = TOP_KG - KG_PER_POINT * (rating.max(axis=1, keepdims=True) - rating)
    allowance = 1.5 * (horses.sex[horse] == FEMALE) + 2.0 * (year - horses.born[horse] == 3)
    level = LEVEL_KG - allowance - 1.0 * (year - horses.born[horse] == 2)
    weight = np.where((KIND_OF[races.race_class] == HANDICAP)[:, None], np.maximum(handicap, BOTTOM_KG), level)
    return np.asarray(np.round(2 * weight) / 2)


def _withdrawn(present: Flags, rate: float, rng: Random) -> Flags:
    out = present & (rng.random(present.shape) < rate)
    left = np.count_nonzero(present & ~out, axis=1)
    return np.asarray(out & (left >= SMALLEST - 1)[:, None])


def declare(
    horses: Horses,
    favourites: Ints,
    skill: Floats,
    races: Programme,
    day: int,
    year: int,
    policy: WorldPolicy,
    rng: Random,
) -> Declared:
    """Return the fields of the day. A race too few are eligible for becomes open: `races.race_class` is changed.

    Args:
        horses: The population; only read.
        favourites: Three favourite jockeys of each trainer.
        skill: Standardised skill of each jockey.
        races: The day's programme.
        day: Days since the world's first date.
        year: Calendar year, for ages.
        policy: Rate of withdrawals, jockeys per circuit.
        rng: Source of chance.
    """
    pool = np.flatnonzero(horses.ready <= day)
    suits = _suitability(horses, pool, day, races, rng)
    against = np.where(_eligible(horses, pool, year, races), -suits, np.float32(np.inf))
    chosen = _fields(against, races, horses.rating[pool])
    run = chosen[:, 0] >= 0
    races, chosen = races.only(run), chosen[run]
    present = chosen >= 0
    horse = np.where(present, pool[chosen], 0)
    trainer = horses.trainer[horse]
    jockey = _riders(favourites, skill, races, trainer, present, rng, policy.jockeys_per_circuit)
    weight = _weights(horses, horse, present, year, races)
    starts = present & ~_withdrawn(present, policy.withdrawn_rate, rng)
    return Declared(races, present, horse, jockey, _draws(present, rng), weight, starts)
