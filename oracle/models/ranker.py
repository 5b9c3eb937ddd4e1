"""The one protocol that every model family passes: fit on races, score races, be kept and restored.

A fitted ranker's score is a utility: its softmax within the race is the member's win probability. Families whose raw
output has no scale (lambdarank) are given one on the validation races, so that members can be pooled as probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from oracle.features.matrix import RaceMatrix
from oracle.models.contributions import Contributions
from oracle.models.hyperparameters import Hyperparameters
from oracle.progress import Progress
from oracle.ranking.calibration import fit_power
from oracle.ranking.races import Floats, softmax

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Curve:
    """How a fit went: the log-loss per race after so many steps."""

    steps: tuple[int, ...] = ()
    loss: tuple[float, ...] = ()
    """On the validation races."""
    training: tuple[float, ...] = ()
    """On the races it learned from."""


NOTHING_WATCHED = Curve()


class FittedRanker(Protocol):
    """A ranker that has learned."""

    @property
    def family(self) -> str:
        """Name of the family it is restored by."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it reads, by name."""
        ...

    @property
    def curve(self) -> Curve:
        """How the fit went; empty where nothing was watched."""
        ...

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N]: utilities, higher is better, comparable within a race; their softmax is a probability.

        Never NaN for a runner with features; the order of rows and of races does not matter.
        """
        ...

    def contributions(self, races: RaceMatrix) -> Contributions:
        """Return what each feature adds to each score; with the base they add up to `score` within 1e-9.

        A family that reads the market's odds has them as one contribution (`ODDS`).
        """
        ...

    def importance(self) -> dict[str, float]:
        """Return how much each feature carries; shares that sum to 1."""
        ...

    def settled(self) -> Ranker:
        """Return the ranker with everything chosen on validation (steps, scale, penalty) fixed: for a refit."""
        ...

    def hyperparameters(self) -> dict[str, float | str]:
        """Return what a tracking system should record."""
        ...

    def dump(self) -> Files:
        """Return the files from which the family's `restore` makes an equal ranker."""
        ...


class Ranker(Protocol):
    """A family with its hyperparameters, not yet fitted."""

    @property
    def family(self) -> str:
        """Name of the family."""
        ...

    def tuned(self, hyperparameters: Hyperparameters) -> Ranker:
        """Return the ranker with these hyperparameters in place of its own.

        Raises:
            BadInput: it has no such hyperparameter, or the value is of another kind.
        """
        ...

    def fit(
        self,
        train: RaceMatrix,
        validation: RaceMatrix | None,
        seed: int,
        threads: int,
        progress: Progress,
        base: FittedRanker | None = None,
    ) -> FittedRanker:
        """Return the fitted ranker; the same data and seed give the same scores.

        Args:
            train: Races to learn from, each with a result.
            validation: Later races on which to choose steps, scale and penalty; None to keep what is settled.
            seed: Seed of everything random.
            threads: Threads to use. The result does not depend on it.
            progress: Told of each step.
            base: A fitted ranker whose score is the starting point; what is learned is then a correction to it.
        """
        ...


def scale_of(score: Floats, races: RaceMatrix) -> float:
    """Return the factor under which the softmax of the scores is the likeliest on these races (a temperature)."""
    fitted = fit_power(softmax(score, races.offsets), races.position, races.offsets)
    return float(fitted.exponent)


def validation_loss(score: Floats, races: RaceMatrix) -> float:
    """Return the mean negative log-probability of the winners, per race with a winner."""
    won = races.position == 1
    probability = softmax(score, races.offsets)[won]
    return float(-np.log(np.maximum(probability, 1e-12)).mean())
