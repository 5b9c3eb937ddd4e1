"""What a recipe reaches on the test dates, race by race, so that two recipes compare on the same races. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.ensemble.fit import fit
from oracle.ensemble.recipe import Recipe
from oracle.features.matrix import RaceMatrix
from oracle.ranking import metrics
from oracle.ranking.outcome import counted, winners
from oracle.ranking.races import Floats
from oracle.ranking.report import Difference, NoResult, paired_difference, scored
from oracle.settings import EvaluationPolicy, SplitPolicy
from oracle.tuning.verdict import FORM, MODEL


@dataclass(frozen=True)
class OnTest:
    """A recipe trained as `oracle train` trains it, and judged once on the test dates."""

    report: dict[str, Any]
    losses: Mapping[str, Floats]
    """float64[R] for each answer: log-loss of each test race, NaN where it does not count."""
    meetings: tuple[str, ...]


def on_test(
    races: RaceMatrix, splits: SplitPolicy, evaluation: EvaluationPolicy, seed: int, threads: int, recipe: Recipe
) -> OnTest:
    """Return what a recipe reaches on the test dates of a history."""
    fitted = fit(races, splits, evaluation, seed, threads, recipe=recipe)
    test = races.take(fitted.split.test)
    scores = {name: member.score(test) for name, member in fitted.members.items()}
    counts = counted(test.position, test.offsets, evaluation)
    if fitted.market and scored(test.market, test.offsets).any():
        counts &= scored(test.market, test.offsets)
    won = winners(test.position, test.offsets, evaluation)

    def losses(probability: Floats) -> Floats:
        return np.where(
            counts & scored(probability, test.offsets), metrics.log_loss(probability, won, test.offsets), np.nan
        )

    answers = {FORM: fitted.form} | ({MODEL: fitted.market} if fitted.market else {})
    return OnTest(
        fitted.test.as_dict(),
        {name: losses(pool.probability(scores, test)) for name, pool in answers.items()},
        tuple(str(m) for m in test.meeting),
    )


def differences(
    tuned: OnTest, shipped: OnTest, seed: int, evaluation: EvaluationPolicy
) -> dict[str, Difference | NoResult]:
    """Return the paired difference of log-loss, tuned minus shipped, for each answer."""
    return {
        name: paired_difference(tuned.losses[name], shipped.losses[name], list(tuned.meetings), seed, evaluation)
        for name in shipped.losses
        if name in tuned.losses
    }
