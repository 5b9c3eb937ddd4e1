"""The truth: how strong each starter is at the off, and with what probability it wins.

A run is strength plus Gumbel noise, and the better run finishes in front. The order of finish is then a Plackett-Luce
draw, so the probability of winning is known exactly: the softmax of the strengths over the scale of the noise (Luce
1959; Yellott 1977). Everything that matters enters here and nowhere else.
"""

from __future__ import annotations

import numpy as np

from oracle.data.simulate.courses import COURSES, DISTANCES, GOING_VALUES, HAND_OF, SURFACE_OF, Floats
from oracle.data.simulate.entries import LEVEL_KG, Declared
from oracle.data.simulate.policy import WorldPolicy
from oracle.data.simulate.population import Horses, People, Random, ability

ABSENT = -1e6
"""Strength and performance of an empty place: loses to everybody and stays finite."""


def draw_biases(rng: Random) -> Floats:
    """Return the standardised draw bias of each course (rows) and distance: sharper in sprints, decided for good."""
    return np.asarray(rng.standard_normal((len(COURSES), len(DISTANCES))) * np.sqrt(1400 / DISTANCES))


def _draw(declared: Declared, biases: Floats) -> Floats:
    races = declared.races
    bias = biases[races.course, np.searchsorted(DISTANCES, races.distance)]
    stalls = np.count_nonzero(declared.present, axis=1)
    outside = (declared.draw - 1) / (stalls[:, None] - 1) - 0.5
    return np.asarray(bias[:, None] * outside * (stalls[:, None] / 10))


def _fitness(days_off: Floats) -> Floats:
    """Return the share of the fitness effect that is lost after so many days off."""
    return np.asarray(np.clip((days_off - 45) / 135, 0, 1) + 0.7 * (days_off < 8))


def _pace(style: Floats, starts: Floats) -> Floats:
    """Return who gains (1) and loses (-1) by the pace: leaders where few of the field want to lead."""
    leaders = np.sum(starts * np.maximum(style, 0) ** 2, axis=1, keepdims=True)
    expected = np.sum(starts, axis=1, keepdims=True) / 6
    return np.asarray(style * np.tanh(expected - leaders))


def true_strengths(
    horses: Horses,
    jockeys: People,
    trainers: People,
    biases: Floats,
    declared: Declared,
    when: tuple[int, int, float],
    policy: WorldPolicy,
) -> Floats:
    """Return the strength of every place in points; `ABSENT` for those that do not start.

    Args:
        horses: The population, form carried to today.
        jockeys: Their skill.
        trainers: Their skill.
        biases: Draw bias by course and distance.
        declared: The fields.
        when: Day since the first date, calendar year, share of the year gone.
        policy: The effects in force today.
    """
    day, year, share = when
    races, at = declared.races, declared.horse
    mine = ability(horses, at, year, share, policy)
    off_distance = (np.log(races.distance)[:, None] - horses.log_distance[at]) / 0.25
    mine -= policy.distance_effect * np.minimum(off_distance**2, 4.0)
    mine += horses.going[at] * (GOING_VALUES[races.going][:, None] - 3)
    mine += horses.surface[at, SURFACE_OF[races.course][:, None]] + horses.course[at, races.course[:, None]]
    mine += horses.hand[at] * (2 * HAND_OF[races.course][:, None] - 1)
    mine += policy.jockey_effect * jockeys.skill[declared.jockey]
    mine += policy.trainer_effect * trainers.skill[horses.trainer[at]]
    mine += policy.draw_effect * _draw(declared, biases)
    mine -= policy.weight_effect * (declared.weight - LEVEL_KG)
    mine -= policy.fitness_effect * _fitness((day - horses.last_run[at]).astype(np.float64))
    mine += policy.pace_effect * _pace(horses.style[at], declared.starts.astype(np.float64))
    return np.asarray(np.where(declared.starts, mine, ABSENT))


def softmax(utility: Floats) -> Floats:
    """Return probabilities that sum to 1 in each row."""
    mass = np.exp(utility - utility.max(axis=1, keepdims=True))
    return np.asarray(mass / mass.sum(axis=1, keepdims=True))
