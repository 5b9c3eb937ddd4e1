"""The finishing order as stages: who won, who was best of the rest, who was best of those left.

The Plackett-Luce likelihood of the first places is a product of softmaxes, one per stage; both the conditional logit
and the race-softmax trees learn from it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from oracle.features.matrix import RaceMatrix
from oracle.ranking.races import Floats, sum_by_race

DECAY = (1.0, 0.6, 0.4)
"""Weight of the first, second and third place: places teach too, but riders ease once beaten."""

Stage = tuple[npt.NDArray[np.bool_], Floats, Floats]

OUT = -50.0
"""Utility of a runner that is no longer in the running: its probability vanishes and its race stays finite."""


def places(races: RaceMatrix, decay: tuple[float, ...]) -> list[Stage]:
    """Return the stages of the finishing order: who could still take the place, who took it, and its weight.

    Each stage is (bool[N] active, float64[N] outcome that sums to 1 over a race that has the place, float64[N]
    weight, 0 for races without it). Dead-heaters share the outcome.
    """
    left = np.ones(len(races.position), dtype=np.bool_)
    stages = []
    for place, weight in enumerate(decay, start=1):
        here = races.position == place
        tied = sum_by_race(here.astype(np.float64), races.offsets)
        active = np.repeat(tied > 0, races.sizes) & left
        outcome = here / np.repeat(np.maximum(tied, 1.0), races.sizes)
        stages.append((active, outcome, np.where(active, weight, 0.0)))
        left = left & ~here
    return stages
