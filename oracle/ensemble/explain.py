"""Why a runner has its score: what each feature adds to it, through the members and the blend.

Each member's contributions add up to its score (`FittedRanker.contributions`). The blend weighs the members' scores
after making them comparable within the race, and the contributions go the same way: what an aggregation multiplies
them by is found from its own result, and what it adds is the same for every runner and belongs to the base. Ranks are
the exception. They follow the score but are not proportional to it, so the share that is goes to the features and the
difference stands under a name of its own (`RANKING`).

All contributions are relative to the race, since only what tells a runner from its rivals decides a race.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from oracle.ensemble.blend import RANK, Blend, transformed
from oracle.features import registry
from oracle.features.matrix import RaceMatrix
from oracle.models.contributions import ODDS, Contributions, adding_up
from oracle.models.ranker import FittedRanker
from oracle.race import Contribution, RunnerExplanation
from oracle.ranking.races import Floats, sum_by_race

RANKING = "ranking"
"""What turning scores into ranks adds beyond any feature."""

NEGLIGIBLE = 1e-12
"""Contributions below are rounding: a feature that is alike for the whole field. The base takes them."""


def contributions(
    blend: Blend, members: Mapping[str, FittedRanker], scores: Mapping[str, Floats], races: RaceMatrix
) -> Contributions:
    """Return what each feature adds to the blend's utility; with the base they add up to it exactly.

    Args:
        blend: The blend that answers these races.
        members: Its members.
        scores: float64[N] per member on the races.
        races: The races.
    """
    total = Contributions((), np.zeros((len(races.position), 0)), np.zeros(len(races.position)))
    for name, weight in blend.used.items():
        own = members[name].contributions(races).within(races.offsets)
        total = total + _through(blend.aggregation, own, scores[name], races).times(weight * blend.scale)
    return adding_up(total.names, total.values, blend.utility(scores, races))


def _through(aggregation: str, own: Contributions, score: Floats, races: RaceMatrix) -> Contributions:
    """Return the contributions as they are once an aggregation has made the score comparable within the race."""
    centred, target = (_centred(s, races) for s in (score, transformed(aggregation, score, races)))
    spread = sum_by_race(centred * centred, races.offsets)
    slope = np.divide(
        sum_by_race(centred * target, races.offsets), spread, out=np.zeros_like(spread), where=spread > 0.0
    )
    followed = own.times(np.repeat(slope, races.sizes))
    if aggregation == RANK:
        rest = target - followed.values.sum(axis=1)
        followed = followed + Contributions((RANKING,), rest[:, None], np.zeros_like(rest))
    return followed


def _centred(score: Floats, races: RaceMatrix) -> Floats:
    return np.asarray(score - np.repeat(sum_by_race(score, races.offsets) / races.sizes, races.sizes))


def of_runners(found: Contributions, races: RaceMatrix, odds: Floats) -> list[RunnerExplanation]:
    """Return the explanation of each runner, its largest contributions first.

    Args:
        found: What `contributions` returned for the races.
        races: The races, whose values are shown beside the contributions.
        odds: float64[N], the decimal odds on the cards; NaN where there are none.
    """
    values = np.full(found.values.shape, np.nan, dtype=np.float32)
    column = {name: i for i, name in enumerate(races.names)}
    for i, name in enumerate(found.names):
        if name in column:
            values[:, i] = races.values[:, column[name]]
        elif name == ODDS:
            values[:, i] = odds
    order = np.argsort(-np.abs(found.values), axis=1, kind="stable")
    score = found.total
    return [
        _of_runner(found.names, order[row], found.values[row], values[row], float(score[row]))
        for row in range(len(score))
    ]


def _of_runner(
    names: Sequence[str], order: Sequence[int], adds: Floats, values: Sequence[np.float32], score: float
) -> RunnerExplanation:
    if np.isnan(score):
        return RunnerExplanation(score, ())  # nothing explains a score that is not there
    told = tuple(Contribution(names[i], _shown(values[i]), float(adds[i])) for i in order if abs(adds[i]) > NEGLIGIBLE)
    return RunnerExplanation(score - sum(c.contribution for c in told), told)


def _shown(value: np.float32) -> float | None:
    # By its shortest form, so that the 57.1 of a card is not 57.099998 here.
    return None if np.isnan(value) else float(str(value))


def shortened(explanation: RunnerExplanation, top: int) -> RunnerExplanation:
    """Return the explanation with its largest contributions only; the others are summed up.

    >>> parts = tuple(Contribution(f, None, c) for f, c in (("a", 0.5), ("b", -0.25), ("c", 0.125)))
    >>> shortened(RunnerExplanation(1.0, parts), 1).others
    -0.125
    """
    kept, left = explanation.contributions[:top], explanation.contributions[top:]
    return RunnerExplanation(explanation.base, kept, explanation.others + sum(c.contribution for c in left))


def meanings() -> dict[str, str]:
    """Return what each name that can contribute means."""
    return {
        **{f.name: f.meaning for f in registry.features("market")},
        ODDS: "Decimal odds of the card, by the market's win probability without the overround.",
        RANKING: "What turning scores into ranks adds beyond any feature.",
    }
