"""What there is to be said of a column: how much of its own race's result it knew beyond what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from oracle.features import within
from oracle.leakage.careers import Careers, Closeness, closeness, correlation, innovation
from oracle.leakage.expectation import Expectation
from oracle.ranking.races import Bools, Floats, Ints, softmax, sum_by_race

CLIP = 4.0
FEWEST_MEETINGS = 30
"""Meetings below which errors are taken by race."""
ENOUGH_RUNS = 5.0
"""Runs of mean 0 that a mean over earlier races is shrunk by."""
PROMISING = 0.0015
"""Gain that one step of Newton must promise before the rest are made."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measurements of one column. Every number is 0 (or empty) for a column that has nothing to say."""

    feature: str
    races: int
    gain: float = 0.0
    """Pseudo-R2 that the column alone adds to what was expected."""
    z: float = 0.0
    """Significance of that, errors clustered by meeting."""
    own: float = 0.0
    """Correlation with the surprise of its own race."""
    next: float = 0.0
    """Correlation with the surprise of the horse's next race, for which the market will have seen this one."""
    pairs: int = 0
    """Runs that have a next one."""
    moves: float = 0.0
    """Correlation of its change since the owner's last run with this run's surprise."""
    moved: float = 0.0
    """The same with the surprise of the run before: where an honest column gets its changes from."""
    owner: str = ""
    """Whose career that was measured along."""
    changes: int = 0
    close: Closeness = field(default_factory=Closeness)
    missing: float = 0.0
    """Correlation of its being missing with not finishing."""
    absent: int = 0
    """Rows without a value."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Court:
    """Everything a column is measured against; made once for all columns."""

    expected: Expectation
    careers: Mapping[str, Careers]
    """Along which changes are followed; `horse` at least."""
    groups: Sequence[Careers]
    """Owners for whom a column may be constant."""
    targets: Mapping[str, Floats]
    """Results that a mean may have been taken of."""
    meeting: Ints

    def examine(self, name: str, column: Floats) -> Evidence:
        """Return the evidence on one column, float64[n] over the rows that are judged."""
        e = self.expected
        offsets = e.races.offsets
        gone = np.isnan(column)
        centred = within.centred(column, offsets)
        spread = float(np.sqrt(np.nanmean(centred**2))) if not gone.all() else 0.0
        if not spread > 0.0:
            return Evidence(name, len(e.races), absent=int(gone.sum()), missing=self._missing(gone))
        scaled = np.nan_to_num(np.clip(centred / spread, -CLIP, CLIP))
        gain, z = self._gain(scaled)
        earlier, later, _ = self.careers["horse"].pairs
        here = ~gone
        both = here[earlier]
        told = (0.0, 0.0, 0, "")
        for owner, career in self.careers.items():
            own, before, count = innovation(column, e.surprise, career)
            if abs(own) > abs(told[0]):
                told = (own, before, count, owner)
        return Evidence(
            feature=name,
            races=len(e.races),
            gain=gain,
            z=z,
            own=correlation(scaled[here], e.surprise[here]),
            next=correlation(scaled[earlier][both], e.surprise[later][both]) if both.any() else 0.0,
            pairs=int(both.sum()),
            moves=told[0],
            moved=told[1],
            changes=told[2],
            owner=told[3],
            close=closeness(column, self.targets, self.groups),
            missing=self._missing(gone),
            absent=int(gone.sum()),
        )

    def allowance(self, share: float, most: float) -> float:
        """Return how much more an honest column may add because the expectation itself can be beaten by old results.

        The finishes of earlier races, meaned per horse, jockey and trainer, are honest by the way they are made. What
        they add to the expectation measures how much of the public record it has missed: nothing to speak of against
        the odds of a real market, much in a simulated world whose bettors know little.

        Args:
            share: How many times that may be added.
            most: The most that may be added.
        """
        e = self.expected
        known = 0.0
        for owner, career in self.careers.items():
            if owner != "sire":
                centred = within.centred(career.before(e.finish, ENOUGH_RUNS), e.races.offsets)
                spread = float(np.sqrt(np.mean(centred**2)))
                known += self._gain(centred / spread)[0] if spread > 0.0 else 0.0
        return min(share * known, most)

    def _missing(self, gone: Bools) -> float:
        return correlation(gone.astype(np.float64), (~self.expected.finished).astype(np.float64))

    def _gain(self, scaled: Floats) -> tuple[float, float]:
        """Return the pseudo-R2 the column adds as a second term of a conditional logit, and its significance."""
        e = self.expected
        offsets, sizes = e.races.offsets, e.races.sizes
        base = np.log(np.maximum(e.probability, 1e-300))
        slope, info = _slope(scaled, e.probability, e.won, offsets)
        per_race = sum_by_race((e.won - e.probability) * scaled, offsets)
        groups = self.meeting if self.meeting.max(initial=0) + 1 >= FEWEST_MEETINGS else np.arange(len(e.races))
        error = float(np.sqrt((np.bincount(groups, per_race) ** 2).sum()))
        z = slope / error if error > 0.0 else 0.0
        if info <= 0.0 or 0.5 * slope**2 / info < PROMISING * e.uniform:
            return (0.5 * slope**2 / info / e.uniform if info > 0.0 else 0.0), z
        weight, chance = 0.0, e.probability
        for _ in range(12):
            step = float(np.clip(slope / info, -1.0, 1.0))
            weight += step
            chance = softmax(base + weight * scaled, offsets)
            slope, info = _slope(scaled, chance, e.won, offsets)
            if abs(step) < 1e-4 or info < 1e-9 * len(sizes):
                break
        won = e.won > 0.0
        better = np.log(np.maximum(chance[won], 1e-16)) - base[won]
        return float((e.won[won] * better).sum() / e.uniform), z


def _slope(x: Floats, chance: Floats, won: Floats, offsets: Ints) -> tuple[float, float]:
    sizes = np.diff(offsets)
    weighted = chance * x
    mean = np.repeat(sum_by_race(weighted, offsets), sizes)
    return float(((won - chance) * x).sum()), float((weighted * (x - mean)).sum())
