"""The race itself: who finishes where, by how far, in what time, and what the handicapper makes of it.

The order of finish decides nothing that the strengths and their noise have not decided. Only beaten horses are pulled
up, and only a photograph's width makes a dead heat, so the probabilities of `strength` stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.data.simulate.courses import GOING_VALUES, SECONDS_PER_LENGTH, Floats, Ints, par_time, points_per_length
from oracle.data.simulate.entries import KG_PER_POINT, Declared, Flags
from oracle.data.simulate.policy import WorldPolicy
from oracle.data.simulate.population import Horses, Random
from oracle.data.simulate.strength import ABSENT


@dataclass(slots=True)
class Outcome:
    """What is published after the day's races: tables of races by places, of meaning where `finished`."""

    finished: Flags
    pulled_up: Flags
    position: Ints
    dead_heat: Flags
    lengths: Floats
    time: Floats
    last_split: Floats
    first_call: Ints
    last_call: Ints
    speed: Floats
    """Speed figure on the scale of ratings, from the time against an honest time for distance and going."""
    performance: Floats
    """The handicapper's rating of the run."""


def _ranks(value: Floats) -> Ints:
    """Return 1 for the largest of each row, and so on."""
    ranks = np.empty(value.shape, dtype=np.int64)
    order = np.argsort(-value, axis=1, kind="stable")
    np.put_along_axis(ranks, order, np.arange(1, value.shape[1] + 1)[None, :], axis=1)
    return ranks


def _pulled_up(run: Floats, starts: Flags, rate: float, rng: Random) -> Flags:
    """Return who gives up: only horses in the rear third of the field, so that it decides no race."""
    rear = _ranks(run) > np.ceil(np.count_nonzero(starts, axis=1) * 2 / 3)[:, None]
    return np.asarray(rear & starts & (rng.random(run.shape) < 3 * rate))


def _placings(run: Floats, per_length: Floats, width: float) -> tuple[Ints, Flags, Floats]:
    """Return position, dead heat and lengths behind the winner; runs closer than `width` lengths share a position."""
    order = np.argsort(-run, axis=1, kind="stable")
    in_order = np.take_along_axis(run, order, axis=1)
    lengths = (in_order[:, :1] - in_order) / per_length[:, None]
    tied = np.zeros(run.shape, dtype=np.bool_)
    tied[:, 1:] = np.diff(lengths, axis=1) < width
    first = np.maximum.accumulate(np.where(tied, 0, np.arange(run.shape[1])), axis=1)
    shared = tied.copy()
    shared[:, :-1] |= tied[:, 1:]
    position, dead_heat, behind = np.empty_like(first), np.empty_like(shared), np.empty_like(lengths)
    np.put_along_axis(position, order, first + 1, axis=1)
    np.put_along_axis(dead_heat, order, shared, axis=1)
    np.put_along_axis(behind, order, np.take_along_axis(lengths, first, axis=1), axis=1)
    return position, dead_heat, behind


def _performance(horses: Horses, declared: Declared, lengths: Floats, finished: Flags, per_length: Floats) -> Floats:
    """Return the handicapper's figures: margins and weights in points, level set by the field's own ratings."""
    margin = np.minimum(lengths, 20.0) * per_length[:, None]
    merit = declared.weight / KG_PER_POINT - margin
    gap = np.where(finished, horses.rating[declared.horse] - merit, 0.0)
    level = gap.sum(axis=1) / np.maximum(np.count_nonzero(finished, axis=1), 1)
    return np.asarray(merit + level[:, None])


def run_races(
    horses: Horses, declared: Declared, strength: Floats, noise: float, policy: WorldPolicy, rng: Random
) -> Outcome:
    """Run the day's races.

    Args:
        horses: The population; styles and ratings are read.
        declared: The fields.
        strength: True strengths in points, `ABSENT` where nobody starts.
        noise: Scale of the Gumbel noise of a run, points.
        policy: Rates of pulled-up horses, width of a dead heat, mean rating.
        rng: Source of chance.
    """
    races, starts, shape = declared.races, declared.starts, strength.shape
    per_length = points_per_length(races.distance)
    run = np.where(starts, strength - noise * np.log(rng.standard_exponential(shape)), ABSENT)
    pulled_up = _pulled_up(run, starts, policy.pulled_up_rate, rng)
    finished = starts & ~pulled_up
    run = np.where(finished, run, ABSENT)
    position, dead_heat, lengths = _placings(run, per_length, policy.dead_heat_lengths)

    best = run.max(axis=1, keepdims=True)
    behind = np.maximum(run - best, -60.0)
    early = horses.style[declared.horse] + 0.4 * rng.standard_normal(shape) + 0.02 * behind
    early = np.where(starts, early, ABSENT)
    per_second = (SECONDS_PER_LENGTH / per_length)[:, None]
    late = np.where(starts, early + 0.12 * behind, ABSENT)
    par = par_time(races.course, races.distance, GOING_VALUES[races.going])[:, None]
    dawdled = rng.standard_exponential((len(races), 1)) * 0.3 * races.distance[:, None] / 1600
    winner = par * (1 + races.variant[:, None]) + dawdled - (best - policy.mean_rating) * per_second
    time = winner + lengths * SECONDS_PER_LENGTH
    share = 600 / races.distance[:, None]
    last = time * share * (0.985 + 0.008 * np.clip(early, -2, 2) * (1 - share)) + 0.1 * rng.standard_normal(shape)
    return Outcome(
        finished=finished,
        pulled_up=pulled_up,
        position=position,
        dead_heat=dead_heat & finished,
        lengths=np.round(lengths, 2),
        time=np.round(time, 2),
        last_split=np.round(last, 2),
        first_call=_ranks(early),
        last_call=_ranks(late),
        speed=np.round(policy.mean_rating + (par - time) / per_second),
        performance=_performance(horses, declared, lengths, finished, per_length),
    )


def learn(horses: Horses, declared: Declared, outcome: Outcome, day: int, policy: WorldPolicy, rng: Random) -> None:
    """Enter the results into the careers: ratings move towards the figures, runs and wins count, and horses rest."""
    done = outcome.finished
    at = declared.horse[done]
    step = np.maximum(0.15, 0.6 / (horses.runs[at] + 1))
    horses.rating[at] += step * np.clip(outcome.performance[done] - horses.rating[at], -25, 25)
    horses.wins[at] += outcome.position[done] == 1
    ran = declared.horse[declared.starts]
    horses.runs[ran] += 1
    horses.last_run[ran] = day
    rest = 5 + rng.gamma(3.0, max(policy.rest_days - 5, 0.0) / 3, size=len(ran))
    rest += np.where(rng.random(len(ran)) < policy.break_rate, rng.uniform(60, 150, size=len(ran)), 0.0)
    horses.ready[ran] = day + rest.astype(np.int64)
    horses.ready[declared.horse[declared.present & ~declared.starts]] = day + 7
