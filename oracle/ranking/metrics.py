"""How good a ranking and its probabilities were, race by race.

Each metric returns float64[R] with NaN where the race does not count: no result, too few finishers (the targets of
`oracle.ranking.outcome` are NaN there) or a runner without a score. Ties in the score earn the expected value over all
orders of the tied runners, so that a constant model scores like a random one however the rows lie. The formulas stand
in docs/metrics.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from oracle.compiled import compiled
from oracle.errors import BadInput
from oracle.ranking.outcome import counted, gains, placed, relevance, winners
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets, max_by_race, standing, sum_by_race

__all__ = [
    "SMALLEST_PROBABILITY",
    "average_precision",
    "brier",
    "counted",
    "ece",
    "gains",
    "log_loss",
    "mrr",
    "ndcg",
    "placed",
    "pseudo_r2",
    "relevance",
    "reliability",
    "top1",
    "winners",
]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""A winner that was given no chance at all costs -log of this (36.04), not infinity; scikit-learn does the same."""


def ndcg(score: ArrayLike, gain: ArrayLike, offsets: Ints, k: int) -> Floats:
    """Return the normalised discounted cumulative gain of the first k: 1 for a perfect order, expected over ties.

    The discount of rank r is 1 / log2(r + 1) (Järvelin and Kekäläinen, 2002). Equals
    `sklearn.metrics.ndcg_score(y_true=gain, k=k)`, except that a race in which nobody has a gain is NaN, not 0.
    A tied runner has each of the ranks its group occupies with equal chance, and the sum is linear in the runners, so
    the expected value needs neither a sort nor the permutations.

    Args:
        score: float64[N], higher is better.
        gain: float64[N], not negative, as `gains` returns it.
        offsets: int64[R + 1].
        k: How many ranks count, at least 1.
    """
    if k < 1:
        raise BadInput("NDCG needs at least one rank", value=k, allowed="1, 2, 3, ...")
    score, gain, offsets = _aligned(score, gain, offsets)
    out = np.empty(offsets.size - 1)
    discount = np.concatenate(([0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))))
    _ndcg(score, gain, offsets, discount, out)
    return out


@compiled()
def _ndcg(score: Floats, gain: Floats, offsets: Ints, discount: Floats, out: Floats) -> None:
    k = discount.size - 1
    for race in range(offsets.size - 1):
        begin, end = offsets[race], offsets[race + 1]
        reached = 0.0
        ideal = 0.0
        for i in range(begin, end):
            if np.isnan(score[i]) or np.isnan(gain[i]):
                ideal = np.nan
            if gain[i] > 0.0:
                ahead, level, richer, equal = 0, 0, 0, 0
                for j in range(begin, end):
                    ahead += score[j] > score[i]
                    level += score[j] == score[i]
                    richer += gain[j] > gain[i]
                    equal += gain[j] == gain[i]
                reached += gain[i] * (discount[min(ahead + level, k)] - discount[min(ahead, k)]) / max(level, 1)
                ideal += gain[i] * (discount[min(richer + equal, k)] - discount[min(richer, k)]) / equal
        out[race] = reached / ideal if ideal > 0.0 else np.nan


def mrr(score: ArrayLike, won: ArrayLike, offsets: Ints) -> Floats:
    """Return one over the rank of the winner (of the best-ranked one in a dead heat), expected over ties.

    Args:
        score: float64[N], higher is better.
        won: float64[N] as `winners` returns it.
        offsets: int64[R + 1].
    """
    score, won, offsets = _aligned(score, won, offsets)
    ahead, level = standing(score, offsets)
    best = np.repeat(max_by_race(np.where(won > 0, score, -np.inf), offsets), np.diff(offsets))
    first = (won > 0) & (score == best)
    alike = sum_by_race(first, offsets)
    weight = first / np.repeat(np.maximum(alike, 1), np.diff(offsets))
    above, tied = sum_by_race(weight * ahead, offsets), sum_by_race(weight * level, offsets)
    return _where_known(_expected_reciprocal(above, tied, alike), score, won, offsets)


def _expected_reciprocal(above: Floats, tied: Floats, alike: Floats) -> Floats:
    """Return E[1 / (above + M)], M the first place of `alike` winners shuffled among `tied` runners."""
    tied = np.maximum(tied, 1.0)
    chance = alike / tied
    out = np.zeros_like(tied)
    for place in range(1, int(tied.max(initial=0.0)) + 1):
        out += chance / (above + place)
        left = tied - place
        chance = chance * np.maximum(left - alike + 1.0, 0.0) / np.maximum(left, 1.0)
    return out


def average_precision(score: ArrayLike, placed: ArrayLike, offsets: Ints) -> Floats:
    """Return the average precision at the ranks of the placed runners, exactly expected over ties; its mean is MAP.

    Take e tied runners, r of them placed, below a others, h of them placed. A placed one of the e stands j-th among
    them with chance 1/e, and then (j - 1)(r - 1)/(e - 1) of the other placed ones are expected before it: the sum over
    j has a closed form in harmonic numbers.

    Args:
        score: float64[N], higher is better.
        placed: float64[N] of 0 and 1, as `placed` returns it.
        offsets: int64[R + 1].
    """
    score, placed, offsets = _aligned(score, placed, offsets)
    ahead, level = standing(score, offsets)
    hits, mates = standing(np.where(placed > 0, score, np.nan), offsets)
    level = np.maximum(level, 1)
    harmonic = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, np.diff(offsets).max(initial=0) + 1))))
    span = harmonic[ahead + level] - harmonic[ahead]
    pull = (mates - 1) / np.maximum(level - 1, 1)
    precision = ((hits + 1) * span + pull * (level - (ahead + 1) * span)) / level
    hit = placed > 0
    total = sum_by_race(np.where(hit, precision, 0.0), offsets)
    return _where_known(total / np.maximum(sum_by_race(hit, offsets), 1.0), score, placed, offsets)


def top1(score: ArrayLike, won: ArrayLike, offsets: Ints) -> Floats:
    """Return the chance that the top-ranked runner won; 1 too where it dead-heated, expected over ties for the top."""
    score, won, offsets = _aligned(score, won, offsets)
    ahead, level = standing(score, offsets)
    hit = np.where((won > 0) & (ahead == 0), 1.0 / np.maximum(level, 1), 0.0)
    return _where_known(sum_by_race(hit, offsets), score, won, offsets)


def log_loss(prob: ArrayLike, won: ArrayLike, offsets: Ints) -> Floats:
    """Return -log of the winner's probability (natural logarithm); in a dead heat the mean over the winners.

    Args:
        prob: float64[N], win probabilities that sum to 1 in each race.
        won: float64[N] as `winners` returns it.
        offsets: int64[R + 1].
    """
    prob, won, offsets = _aligned(prob, won, offsets)
    surprise = -np.log(np.maximum(prob, SMALLEST_PROBABILITY))
    return _where_known(sum_by_race(np.where(won > 0, won * surprise, 0.0), offsets), prob, won, offsets)


def brier(prob: ArrayLike, won: ArrayLike, offsets: Ints) -> Floats:
    """Return the squared distance of the probabilities from the result, summed over the race: 0 to 2 (Brier, 1950)."""
    prob, won, offsets = _aligned(prob, won, offsets)
    return _where_known(sum_by_race((prob - won) ** 2, offsets), prob, won, offsets)


def pseudo_r2(prob: ArrayLike, won: ArrayLike, offsets: Ints) -> float:
    """Return McFadden's 1 - sum log p(winner) / sum log(1/n) over all races that count; NaN where none does.

    0 is a model that gives each of n runners 1/n, 1 one that knows every winner; Benter (1994) reports it for racing.
    """
    loss = log_loss(prob, won, offsets)
    counts = ~np.isnan(loss)
    uniform = np.log(np.diff(offsets)[counts]).sum()
    return float(1.0 - loss[counts].sum() / uniform) if uniform > 0 else float("nan")


def reliability(prob: ArrayLike, won: ArrayLike, offsets: Ints, bins: int) -> tuple[Floats, Floats, Floats]:
    """Return (runners, mean probability, wins per runner) of each bin of about equal count, lowest probability first.

    Equal probabilities always fall into one bin, the one that holds their middle, so that the order of the rows does
    not matter; bins that get nobody are dropped. Runners of races that do not count are left out.
    """
    prob, won, offsets = _aligned(prob, won, offsets)
    known = np.repeat(~np.isnan(sum_by_race(prob + won, offsets)), np.diff(offsets))
    value, which, count = np.unique(prob[known], return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2.0
    bin_of = np.minimum((middle * bins / max(which.size, 1)).astype(np.int64), bins - 1)
    runners = np.bincount(bin_of, count, bins).astype(np.float64)
    forecast = np.bincount(bin_of, value * count, bins)
    wins = np.bincount(bin_of, np.bincount(which, won[known], value.size), bins)
    held = runners > 0
    return runners[held], forecast[held] / runners[held], wins[held] / runners[held]


def ece(prob: ArrayLike, won: ArrayLike, offsets: Ints, bins: int) -> float:
    """Return the expected calibration error: |mean probability - wins per runner|, weighted by the bins' runners.

    0 is perfect, and a model without any error shows about 0.8 sqrt(p (1 - p) bins / runners) by chance. NaN where no
    race counts.
    """
    runners, forecast, rate = reliability(prob, won, offsets, bins)
    if not runners.size:
        return float("nan")
    return float(np.average(np.abs(forecast - rate), weights=runners))


def _aligned(values: ArrayLike, target: ArrayLike, offsets: ArrayLike) -> tuple[Floats, Floats, Ints]:
    values, target = as_floats(values), as_floats(target)
    if values.shape != target.shape:
        raise BadInput(
            "scores and targets must have one value for each runner", value=f"{values.shape}, {target.shape}"
        )
    return values, target, as_offsets(offsets, values.size)


def _where_known(per_race: Floats, values: Floats, target: Floats, offsets: Ints) -> Floats:
    """Blank the races that hold a NaN, and those without any target: they have no answer."""
    unknown = sum_by_race(np.isnan(values) | np.isnan(target), offsets) > 0
    return np.where(unknown | (sum_by_race(target, offsets) == 0), np.nan, per_race)
