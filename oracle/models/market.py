"""The market as a model: its odds with the overround removed and the favourite-longshot bias fitted.

The best public predictor of a race, and the one every other member has to add something to. Two of it: the yardstick
takes the margin out as the matrix does, by the same share of every price unless told otherwise; the one that
corrections build on takes it out by a power of the race's own (Vovk and Zhdanov 2009), so that the larger the book's
margin, the more of it is taken from longshots. On most books that is the likelier of the two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from oracle.errors import UntrustedPackage
from oracle.features.matrix import RaceMatrix
from oracle.models.contributions import ODDS, Contributions, adding_up
from oracle.models.hyperparameters import Hyperparameters, changed
from oracle.models.ranker import NOTHING_WATCHED, Curve, Files, FittedRanker
from oracle.progress import Progress
from oracle.ranking.market import fit_favourite_longshot
from oracle.ranking.races import Floats

FAMILY = "market"
BY_POWER = "market_power"
FLOOR = 1e-5


@dataclass(frozen=True, slots=True)
class FittedMarket:
    """The market's log-probability, stretched by a fitted exponent."""

    exponent: float
    """Above 1 where longshots are overbet: the probability is proportional to the odds' own to this power."""
    family: str = FAMILY
    """`market`, or `market_power`."""
    features: tuple[str, ...] = ()
    curve: Curve = NOTHING_WATCHED

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N] utilities; NaN for races in which a starter lacks odds."""
        return self.exponent * np.log(np.maximum(_probability(self.family, races), FLOOR))

    def contributions(self, races: RaceMatrix) -> Contributions:
        """Return the odds as the only contribution."""
        score = self.score(races)
        return adding_up((ODDS,), score[:, None], score)

    def importance(self) -> dict[str, float]:
        """Return nothing: it reads odds only."""
        return {}

    def settled(self) -> Market:
        """Return the ranker; it has nothing to choose."""
        return Market(self.family)

    def hyperparameters(self) -> dict[str, float | str]:
        """Return the exponent."""
        return {"exponent": self.exponent}

    def dump(self) -> Files:
        """Return the exponent."""
        return {"facts.json": json.dumps({"exponent": self.exponent}).encode()}


@dataclass(frozen=True, slots=True)
class Market:
    """The family; it has no hyperparameters."""

    family: str = FAMILY

    def tuned(self, hyperparameters: Hyperparameters) -> Market:
        """Return the ranker; any hyperparameter is refused."""
        changed(NONE, hyperparameters)
        return self

    def fit(
        self,
        train: RaceMatrix,
        validation: RaceMatrix | None,  # noqa: ARG002 - one number, fitted on all of training
        seed: int,  # noqa: ARG002
        threads: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        base: FittedRanker | None = None,  # noqa: ARG002
    ) -> FittedMarket:
        """Return the market with its exponent fitted on the training races that have odds."""
        probability = _probability(self.family, train)
        return FittedMarket(fit_favourite_longshot(probability, train.position, train.offsets).exponent, self.family)


@dataclass(frozen=True, slots=True)
class _NoHyperparameters:
    """What a family without any has to tune."""


NONE = _NoHyperparameters()


def _probability(family: str, races: RaceMatrix) -> Floats:
    """Return float64[N], win probabilities without the margin; NaN where the matrix has no market."""
    if family == FAMILY:
        return races.market
    return races.market_by_power


def restore(family: str, files: Files) -> FittedMarket:
    """Return the market that `dump` described.

    Raises:
        UntrustedPackage: the file is missing or malformed.
    """
    try:
        return FittedMarket(float(json.loads(files["facts.json"])["exponent"]), family)
    except (KeyError, TypeError, ValueError) as error:
        raise UntrustedPackage(f"the market cannot be restored: {error}") from error
