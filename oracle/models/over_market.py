"""What form knows better than the market: a correction learned on top of the market's own probabilities.

The market is taken as given and the inner family learns only what its odds leave unexplained, under strong shrinkage:
final odds hold nearly everything, so a model free to relearn them only adds noise. Two corrections that err
differently, a linear one and shallow trees, are pooled by the ensemble.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from oracle.features.matrix import RaceMatrix
from oracle.models import market
from oracle.models.conditional_logit import ConditionalLogit, LogitPolicy
from oracle.models.contributions import Contributions
from oracle.models.gbdt import TreePolicy, Trees
from oracle.models.hyperparameters import Hyperparameters
from oracle.models.ranker import Curve, Files, FittedRanker, Ranker
from oracle.progress import Progress
from oracle.ranking.races import Floats
from oracle.ranking.report import scored

LOGIT = LogitPolicy(penalties=(8000.0,), decay=(1.0,))
"""A correction of tiny weights: over unit-deviation features the ridge outweighs thousands of races."""

TREES = TreePolicy(
    trees=300, learning_rate=0.01, leaves=7, min_runners_in_leaf=300, feature_share=0.05, runner_share=0.7, l2=300.0
)
"""A short walk away from the market in small steps, each among a handful of features, so that no single one leads."""


@dataclass(frozen=True, slots=True)
class FittedOverMarket:
    """The market and a fitted correction."""

    family: str
    market: market.FittedMarket
    correction: FittedRanker

    @property
    def features(self) -> tuple[str, ...]:
        """The columns the correction reads."""
        return self.correction.features

    @property
    def curve(self) -> Curve:
        """How the correction was fitted."""
        return self.correction.curve

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N] utilities; NaN for races in which a starter lacks odds."""
        return self.market.score(races) + self.correction.score(races)

    def contributions(self, races: RaceMatrix) -> Contributions:
        """Return those of the market and those of the correction."""
        return self.market.contributions(races) + self.correction.contributions(races)

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the correction."""
        return self.correction.importance()

    def settled(self) -> OverMarket:
        """Return the ranker with the correction's choices fixed."""
        return OverMarket(self.family, self.correction.settled())

    def hyperparameters(self) -> dict[str, float | str]:
        """Return those of the correction, and the market's exponent."""
        return {**self.correction.hyperparameters(), **self.market.hyperparameters()}

    def dump(self) -> Files:
        """Return the files of both."""
        parts = {"market": self.market.dump(), "correction": self.correction.dump()}
        return {f"{part}/{name}": data for part, files in parts.items() for name, data in files.items()}


@dataclass(frozen=True, slots=True)
class OverMarket:
    """A family that corrects the market by another one."""

    family: str
    learner: Ranker

    def tuned(self, hyperparameters: Hyperparameters) -> OverMarket:
        """Return the ranker with some hyperparameters of what corrects replaced."""
        return replace(self, learner=self.learner.tuned(hyperparameters))

    def fit(
        self,
        train: RaceMatrix,
        validation: RaceMatrix | None,  # noqa: ARG002
        seed: int,
        threads: int,
        progress: Progress,
        base: FittedRanker | None = None,  # noqa: ARG002 - the market is the base
    ) -> FittedOverMarket:
        """Return the fitted correction; races in which a starter lacks odds teach nothing here.

        Nothing is chosen on the validation races: a thousand of them cannot tell two corrections apart. How far to
        follow a correction is for the ensemble to say, which has more races to ask.
        """
        train = _priced(train)
        fitted = market.Market(market.BY_POWER).fit(train, None, seed, threads, progress)
        return FittedOverMarket(self.family, fitted, self.learner.fit(train, None, seed, threads, progress, fitted))


def _priced(races: RaceMatrix) -> RaceMatrix:
    return races.take(np.asarray(scored(races.market, races.offsets)))


def restoring(inner: Callable[[str, Files], FittedRanker], learner: str) -> Callable[[str, Files], FittedOverMarket]:
    """Return how a correction by another family is restored.

    Args:
        inner: How the other family is restored.
        learner: Its name.
    """

    def restore(family: str, files: Files) -> FittedOverMarket:
        def part(prefix: str) -> Files:
            return {k.removeprefix(prefix): v for k, v in files.items() if k.startswith(prefix)}

        return FittedOverMarket(
            family, market.restore(market.BY_POWER, part("market/")), inner(learner, part("correction/"))
        )

    return restore


def logit() -> OverMarket:
    """Return the linear correction with its shipped hyperparameters."""
    return OverMarket("market_logit", ConditionalLogit(LOGIT))


def trees() -> OverMarket:
    """Return the correction by shallow trees with its shipped hyperparameters."""
    return OverMarket("market_trees", Trees("winner_softmax", TREES))
