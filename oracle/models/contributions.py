"""What each feature adds to a score: a base and one number per feature that add up to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oracle.ranking.races import Floats, Ints

ODDS = "odds"
"""The name under which the market's odds contribute: they are no column of the matrix."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """Base and contributions of some runners. `a + b` adds them feature by feature."""

    names: tuple[str, ...]
    """The F features."""
    values: Floats
    """float64[N, F]; NaN where the runner has no score."""
    base: Floats
    """float64[N]: the score of a runner about whom nothing is known."""

    @property
    def total(self) -> Floats:
        """float64[N]: what they add up to, the score."""
        return np.asarray(self.base + self.values.sum(axis=1))

    def times(self, factor: float | Floats) -> Contributions:
        """Return the contributions to a score that is this one times a factor, one for all or float64[N]."""
        return Contributions(self.names, (self.values.T * factor).T, self.base * factor)

    def __add__(self, other: Contributions) -> Contributions:
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        column = {name: i for i, name in enumerate(names)}
        values = np.zeros((len(self.base), len(names)))
        for part in (self, other):
            values[:, [column[name] for name in part.names]] += part.values
        return Contributions(names, values, self.base + other.base)

    def within(self, offsets: Ints) -> Contributions:
        """Return them relative to the race: each feature minus its mean over the race, which goes to the base.

        What a feature gives to every runner alike says nothing about who wins.
        """
        sizes = np.diff(offsets)
        mean = np.repeat(np.add.reduceat(self.values, offsets[:-1], axis=0) / sizes[:, None], sizes, axis=0)
        return Contributions(self.names, self.values - mean, self.base + mean.sum(axis=1))


def adding_up(names: tuple[str, ...], values: npt.NDArray[np.floating], score: Floats) -> Contributions:
    """Return contributions whose base takes what the values leave of the score, rounding included."""
    exact = np.asarray(values, dtype=np.float64)
    return Contributions(names, exact, score - exact.sum(axis=1))
