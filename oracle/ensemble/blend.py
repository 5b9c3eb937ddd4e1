"""Members pooled within the race: the log-probabilities of the members, weighted and added.

Log-linear pooling with weights of greatest likelihood on held-out dates is a conditional logit over the members
(Benter 1994, who pooled a model with the market so). Its exponent is fitted along with the weights, so the pooled
probabilities are calibrated on those dates by construction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from oracle.errors import BadInput
from oracle.features import within
from oracle.features.matrix import RaceMatrix
from oracle.models.conditional_logit import LogitPolicy, fit_utility
from oracle.ranking.races import Floats, softmax, sum_by_race

METHOD = "log_linear_pooling"

LOG_LINEAR, STACKING, STANDARDISED, RANK = "log_linear", "stacking", "standardised", "rank"
AGGREGATIONS = (LOG_LINEAR, STACKING, STANDARDISED, RANK)
RIDGE = 1.0
"""A light pull of the weights towards zero: alike members share the weight instead of fighting over it."""


@dataclass(frozen=True, slots=True)
class Blend:
    """Weight per member; a member that adds nothing has weight 0."""

    weights: Mapping[str, float]
    aggregation: str = LOG_LINEAR
    """What is weighted and added: log-probabilities, scores of the race made standard, or ranks in it."""
    scale: float = 1.0
    """Factor on the sum."""

    @property
    def used(self) -> dict[str, float]:
        """The members that have a weight."""
        return {name: w for name, w in self.weights.items() if w > 0}

    def utility(self, scores: Mapping[str, Floats], races: RaceMatrix) -> Floats:
        """Return float64[N], the pooled log-probability up to a constant of the race; NaN where a member has NaN."""
        pooled = np.zeros(len(races.position))
        for name, weight in self.used.items():
            pooled = pooled + weight * transformed(self.aggregation, scores[name], races)
        return pooled * self.scale

    def probability(self, scores: Mapping[str, Floats], races: RaceMatrix) -> Floats:
        """Return float64[N], win probabilities that sum to 1 in each race."""
        return softmax(self.utility(scores, races), races.offsets)


def transformed(aggregation: str, score: Floats, races: RaceMatrix) -> Floats:
    """Return float64[N], the score of a member as an aggregation weighs it.

    Raises:
        BadInput: there is no such aggregation.
    """
    if aggregation in (LOG_LINEAR, STACKING):
        return log_probability(score, races)
    if aggregation == RANK:
        return _ranks(score, races)
    if aggregation == STANDARDISED:
        centred = within.centred(score, races.offsets)
        spread = np.sqrt(sum_by_race(centred**2, races.offsets) / races.sizes)
        return np.asarray(centred / np.repeat(np.maximum(spread, 1e-12), races.sizes))
    raise BadInput("no such aggregation", value=aggregation, allowed=AGGREGATIONS)


def log_probability(score: Floats, races: RaceMatrix) -> Floats:
    """Return float64[N], the log of the softmax of a score within its race."""
    top = np.maximum.reduceat(score, races.offsets[:-1])
    shifted = score - np.repeat(top, races.sizes)
    return np.asarray(shifted - np.repeat(np.log(sum_by_race(np.exp(shifted), races.offsets)), races.sizes))


def fit(scores: Mapping[str, Floats], races: RaceMatrix, names: Sequence[str]) -> Blend:
    """Return the weights under which the winners of these held-out races are likeliest; none is negative.

    Args:
        scores: float64[N] per member on the races. Races in which a member has a NaN are left out.
        races: Races the members have not learned from.
        names: The members to pool.
    """
    table = np.column_stack([log_probability(scores[n], races) for n in names])
    whole = sum_by_race(np.isnan(table).any(axis=1).astype(np.float64), races.offsets) == 0
    rows = np.repeat(whole, races.sizes)
    start = np.full(len(names), 1.0 / len(names))
    weights = fit_utility(table[rows], races.take(whole), RIDGE, LogitPolicy(decay=(1.0,)), start, least=0.0)
    return Blend({n: float(w) for n, w in zip(names, weights, strict=True)})


def even(names: Sequence[str]) -> Blend:
    """Return equal weights that sum to 1: where held-out races are too few to tell members apart, this is the estimate.

    >>> even(["a", "b"]).weights
    {'a': 0.5, 'b': 0.5}
    """
    return Blend({name: 1.0 / len(names) for name in names})


def agreement(scores: Mapping[str, Floats], races: RaceMatrix) -> float:
    """Return the mean Spearman correlation of the members' rankings within races, over all pairs of members.

    1 where all members rank alike, about 0 where they have nothing in common; NaN for a single member. Races that a
    member did not score are left out.
    """
    table = np.column_stack(list(scores.values()))
    whole = sum_by_race(np.isnan(table).any(axis=1).astype(np.float64), races.offsets) == 0
    rows, kept = np.repeat(whole, races.sizes), races.take(whole)
    ranks = [_ranks(s[rows], kept) for s in scores.values()]
    pairs = [(a, b) for i, a in enumerate(ranks) for b in ranks[i + 1 :]]
    if not pairs:
        return float("nan")
    return float(np.mean([_correlation(a, b) for a, b in pairs]))


def _ranks(score: Floats, races: RaceMatrix) -> Floats:
    """Return float64[N], centred ranks within the race, scaled so that every race weighs alike."""
    # One sort ranks every race: the race is the leading digit of the value that is ranked.
    within_race = rankdata(score, method="average") / (len(score) + 1.0) + races.race
    rank = rankdata(within_race, method="average") - np.repeat(races.offsets[:-1], races.sizes)
    centred = rank - (np.repeat(races.sizes, races.sizes) + 1.0) / 2.0
    norm = np.sqrt(sum_by_race(centred**2, races.offsets))
    return np.asarray(centred / np.repeat(np.maximum(norm, 1e-12), races.sizes))


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.nansum(a * b) / max(1.0, round(float(np.nansum(a * a)))))
