"""How good a model was on a set of races: one row of numbers, with slices and the uncertainty of a difference.

Built from values that add: `Mean` of one block plus `Mean` of another is the `Mean` of both. A set of races that
cannot be measured gives `NoResult` with its reason, never zeros.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.errors import BadInput
from oracle.ranking import metrics
from oracle.ranking.outcome import counted, gains, placed, winners
from oracle.ranking.races import Bools, Floats, Ints, as_floats, as_offsets, offsets_of, sum_by_race
from oracle.settings import EvaluationPolicy


@dataclass(frozen=True, slots=True)
class Mean:
    """Count, mean and squared deviations of a sample. `a + b` is that of both samples; `Mean()` is the zero of it."""

    n: int = 0
    mean: float = math.nan
    deviations: float = 0.0
    """Sum of squared deviations from the mean: merging them loses no digits, sums of squares do (Chan et al., 1983)."""

    @classmethod
    def of(cls, values: ArrayLike) -> Mean:
        """Return the mean of the values that are not NaN."""
        known = as_floats(values)
        known = known[~np.isnan(known)]
        if not known.size:
            return cls()
        mean = float(known.mean())
        return cls(known.size, mean, float(((known - mean) ** 2).sum()))

    @property
    def variance(self) -> float:
        """Unbiased variance of the sample; NaN below two values."""
        return self.deviations / (self.n - 1) if self.n > 1 else math.nan

    @property
    def standard_error(self) -> float:
        """Standard error of the mean, the values taken as independent; NaN below two values."""
        return math.sqrt(self.variance / self.n) if self.n > 1 else math.nan

    def __add__(self, other: Mean) -> Mean:
        if not self.n or not other.n:
            return self if self.n else other
        n, gap = self.n + other.n, other.mean - self.mean
        return Mean(
            n,
            self.mean + gap * other.n / n,
            self.deviations + other.deviations + gap**2 * self.n * other.n / n,
        )


@dataclass(frozen=True, slots=True)
class NoResult:
    """Nothing could be measured, and why."""

    reason: str
    races: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Report:
    """The numbers of docs/metrics.md over one set of races. Probability metrics are None for a model without any."""

    races: int
    """Races measured."""
    unscored: int
    """Races that counted but in which a runner had no score or probability: they are not in the numbers."""
    ndcg_at_3: float
    ndcg_at_5: float
    mrr: float
    map: float
    top1: float
    log_loss: float | None = None
    brier: float | None = None
    pseudo_r2: float | None = None
    ece: float | None = None
    ndcg_at_3_error: float | None = None
    """Standard error of `ndcg_at_3`; None for a single race."""

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name, ready for JSON."""
        return asdict(self)


def evaluate(
    score: ArrayLike,
    prob: ArrayLike | None,
    position: ArrayLike,
    offsets: Ints,
    policy: EvaluationPolicy,
    where: ArrayLike | None = None,
) -> Report | NoResult:
    """Return the report on the races that count.

    To compare models on the same races, pass the same `where` to each (races in which each of them has a score).

    Args:
        score: float64[N], higher is better; compared within the race only.
        prob: float64[N], win probabilities, or None for a model that only ranks.
        position: float64[N], official position, NaN for who did not finish.
        offsets: int64[R + 1].
        policy: Which races count, what is relevant, how many calibration bins.
        where: bool[R], the races to look at; all by default.
    """
    score, position = as_floats(score), as_floats(position)
    offsets = as_offsets(offsets, position.size)
    counts = counted(position, offsets, policy)
    if where is not None:
        counts &= np.asarray(where, dtype=bool)
    if not counts.any():
        return NoResult(f"no race with at least {policy.min_finishers} finishers", counts.size)
    measured = counts & scored(score, offsets)
    if prob is not None:
        measured &= scored(prob, offsets)
    if not measured.any():
        return NoResult("no race in which every runner has a score", int(counts.sum()))
    rows = np.repeat(measured, np.diff(offsets))
    position, inside = position[rows], offsets_of(np.diff(offsets)[measured])
    numbers = _rank_numbers(score[rows], position, inside, policy)
    if prob is not None:
        numbers |= _chance_numbers(as_floats(prob)[rows], winners(position, inside, policy), inside, policy)
    return Report(races=int(measured.sum()), unscored=int(counts.sum() - measured.sum()), **numbers)


def scored(values: ArrayLike, offsets: Ints) -> Bools:
    """Return bool[R]: True where every runner of the race has a value."""
    return np.asarray(sum_by_race(np.isnan(as_floats(values)), offsets) == 0)


def _rank_numbers(score: Floats, position: Floats, offsets: Ints, policy: EvaluationPolicy) -> dict[str, Any]:
    gain, won = gains(position, offsets, policy), winners(position, offsets, policy)
    first_three = Mean.of(metrics.ndcg(score, gain, offsets, 3))
    return {
        "ndcg_at_3": first_three.mean,
        "ndcg_at_5": Mean.of(metrics.ndcg(score, gain, offsets, 5)).mean,
        "mrr": Mean.of(metrics.mrr(score, won, offsets)).mean,
        "map": Mean.of(metrics.average_precision(score, placed(position, offsets, policy), offsets)).mean,
        "top1": Mean.of(metrics.top1(score, won, offsets)).mean,
        "ndcg_at_3_error": first_three.standard_error if first_three.n > 1 else None,
    }


def _chance_numbers(prob: ArrayLike, won: Floats, offsets: Ints, policy: EvaluationPolicy) -> dict[str, float]:
    return {
        "log_loss": Mean.of(metrics.log_loss(prob, won, offsets)).mean,
        "brier": Mean.of(metrics.brier(prob, won, offsets)).mean,
        "pseudo_r2": metrics.pseudo_r2(prob, won, offsets),
        "ece": metrics.ece(prob, won, offsets, policy.calibration_bins),
    }


def evaluate_slices(
    score: ArrayLike,
    prob: ArrayLike | None,
    position: ArrayLike,
    offsets: Ints,
    policy: EvaluationPolicy,
    label: ArrayLike,
) -> Mapping[Hashable, Report | NoResult]:
    """Return one report for each value of a label of the races, such as course, class or field size, in sorted order.

    Args:
        score: As in `evaluate`.
        prob: As in `evaluate`.
        position: As in `evaluate`.
        offsets: As in `evaluate`.
        policy: As in `evaluate`.
        label: One value for each race; all of one kind that sorts.
    """
    values = np.asarray(label)
    return {
        value: evaluate(score, prob, position, offsets, policy, where=values == value)
        for value in np.unique(values).tolist()
    }


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference a - b over races, with its interval."""

    races: int
    meetings: int
    mean: float
    low: float
    high: float
    standard_error: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def paired_difference(
    a: ArrayLike, b: ArrayLike, meeting: ArrayLike, seed: int, policy: EvaluationPolicy | None = None
) -> Difference | NoResult:
    """Return the mean of a - b over the races both have, with a percentile bootstrap interval over whole meetings.

    Races of one meeting share the ground, the weather and the jockeys' day, so they are drawn together; drawing races
    would give intervals that are too short.

    Args:
        a: float64[R], a metric of the first score set, race by race.
        b: float64[R], the same metric of the second one on the same races.
        meeting: One label for each race, such as date and course.
        seed: Of the resampling; the same seed gives the same interval.
        policy: Number of resamples and confidence.
    """
    policy = policy or EvaluationPolicy()
    gap = as_floats(a) - as_floats(b)
    labels = np.asarray(meeting)
    if labels.shape[:1] != gap.shape:
        raise BadInput("one meeting label for each race is needed", value=f"{labels.shape}", allowed=f"{gap.shape}")
    known = ~np.isnan(gap)
    names, which = np.unique(labels[known], return_inverse=True)
    if names.size < 2:
        return NoResult("fewer than two meetings: nothing to resample", int(known.sum()))
    total, races = as_floats(np.bincount(which, gap[known])), as_floats(np.bincount(which))
    means = resampled_ratio(total, races, policy.resamples, np.random.default_rng(seed))
    tail = (1.0 - policy.confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    centre = float(total.sum() / races.sum())
    return Difference(int(known.sum()), names.size, centre, float(low), float(high), float(means.std(ddof=1)))


def pseudo_r2_gain(
    prob: ArrayLike,
    other: ArrayLike,
    position: ArrayLike,
    offsets: Ints,
    meeting: ArrayLike,
    seed: int,
    policy: EvaluationPolicy,
) -> Difference | NoResult:
    """Return the pseudo-R2 of some win probabilities less that of others on the races both have, with its interval.

    Race by race it is the log-loss saved over the mean log field size, so that its mean over the races is the
    difference of the two pseudo-R2 exactly and whole meetings can be drawn.

    Args:
        prob: float64[N], win probabilities.
        other: float64[N], those they are compared with.
        position: float64[N], official position, NaN for who did not finish.
        offsets: int64[R + 1].
        meeting: One label for each race.
        seed: Of the resampling.
        policy: Which races count, resamples, confidence.
    """
    won = winners(position, offsets, policy)
    saved = metrics.log_loss(other, won, offsets) - metrics.log_loss(prob, won, offsets)
    known = ~np.isnan(saved)
    if not known.any():
        return NoResult("no race has both probabilities and a result", int(known.size))
    share = saved[known] / float(np.log(np.diff(offsets)[known]).mean())
    return paired_difference(share, np.zeros(share.size), np.asarray(meeting)[known], seed, policy)


def resampled_ratio(total: Floats, races: Floats, resamples: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Return sum of totals over sum of races (or of stakes) in each resample of the meetings.

    Drawn in blocks so that memory stays bounded.
    """
    block = max(1, 2**21 // total.size)
    means = []
    for begin in range(0, resamples, block):
        drawn = chance.integers(0, total.size, size=(min(block, resamples - begin), total.size))
        means.append(total[drawn].sum(axis=1) / races[drawn].sum(axis=1))
    return np.concatenate(means)
