"""Members combined within the race: their scores made comparable, weighted and added.

What is weighed of a member is the aggregation. Pooling log-probabilities with weights of greatest likelihood on
held-out dates is a conditional logit over the members (Benter 1994, who pooled a model with the market so). Its
exponent is fitted along with the weights, so the pooled probabilities are calibrated on those dates by construction;
the other aggregations are calibrated by one factor, `Blend.scale`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from oracle.errors import BadInput
from oracle.features.matrix import RaceMatrix
from oracle.models.conditional_logit import LogitPolicy, fit_utility
from oracle.models.ranker import scale_of
from oracle.ranking.calibration import FLATTEST
from oracle.ranking.races import Floats, max_by_race, softmax, standing, sum_by_race

LOG_LINEAR = "log_linear"
"""The log-probability of the member's softmax; weights not negative (logarithmic opinion pool)."""
STANDARDISED = "standardised"
"""The score, centred and scaled to unit deviation within its race: members count alike however far apart they see the
runners. A member that tells nobody apart says nothing."""
RANK = "rank"
"""The rank alone: 1 for the first, -1 for the last of any field, evenly between, ties sharing the middle of theirs
(Borda). Blind to margins, so no member can shout."""
STACKING = "stacking"
"""The log-probability as in `LOG_LINEAR`, but a plain conditional logit over the members (Benter 1994; Wolpert 1992):
always of greatest likelihood, and a weight may be negative, for instance of a form model whose opinion the market
beside it holds already and overrates."""
AGGREGATIONS = (LOG_LINEAR, STANDARDISED, RANK, STACKING)
ON_LOG_PROBABILITY = (LOG_LINEAR, STACKING)
"""Aggregations whose weights carry the exponent: they need no scale."""

RIDGE = 1.0
"""A light pull of the weights towards zero: alike members share the weight instead of fighting over it."""
SMALLEST_DEVIATION = 1e-9
"""Deviation, against the largest score of the race, below which a member told nobody apart."""


@dataclass(frozen=True, slots=True)
class Blend:
    """Weight per member, what of the members is weighed, and the factor that calibrates the sum.

    A member whose weight is 0 is not asked.
    """

    weights: Mapping[str, float]
    aggregation: str = LOG_LINEAR
    scale: float = 1.0

    def __post_init__(self) -> None:
        known(self.aggregation)
        if not 0.0 < self.scale < math.inf:
            raise BadInput("the scale of a blend is a positive number", value=self.scale)
        if not all(math.isfinite(w) for w in self.weights.values()):
            raise BadInput("the weights of a blend are finite", value=dict(self.weights))

    @property
    def used(self) -> dict[str, float]:
        """The members that have a weight."""
        return {name: weight for name, weight in self.weights.items() if weight != 0}

    def utility(self, scores: Mapping[str, Floats], races: RaceMatrix) -> Floats:
        """Return float64[N], whose softmax is the answer; NaN in a race where a member has NaN."""
        pooled = np.zeros(len(races.position))
        for name, weight in self.used.items():
            pooled = pooled + weight * transformed(self.aggregation, scores[name], races)
        return pooled if self.scale == 1.0 else self.scale * pooled

    def probability(self, scores: Mapping[str, Floats], races: RaceMatrix) -> Floats:
        """Return float64[N], win probabilities that sum to 1 in each race."""
        return softmax(self.utility(scores, races), races.offsets)

    def calibrated(self, scores: Mapping[str, Floats], races: RaceMatrix) -> Blend:
        """Return the blend of the same order whose probabilities are likeliest on these held-out races.

        The factor goes into the weights where they are weights of log-probabilities, and into the scale elsewhere.
        """
        factor = scale_of(self.utility(scores, races), races)
        if self.aggregation in ON_LOG_PROBABILITY:
            return Blend({n: w * factor for n, w in self.weights.items()}, self.aggregation, self.scale)
        return Blend(self.weights, self.aggregation, self.scale * factor)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values from which `from_dict` makes the same blend again."""
        return {"weights": dict(self.weights), "aggregation": self.aggregation, "scale": self.scale}


def from_dict(values: Mapping[str, Any]) -> Blend:
    """Return the blend that `as_dict` described.

    Raises:
        KeyError: weights, aggregation or scale are missing: another version of this program wrote it.
        BadInput: the aggregation is unknown, or a number impossible.
    """
    return Blend({n: float(w) for n, w in values["weights"].items()}, values["aggregation"], float(values["scale"]))


def reweighed(pooled: Blend, weights: Mapping[str, float]) -> Blend:
    """Return the blend with other weights; whoever of its members is not named has none.

    Raises:
        BadInput: a member it does not pool, a weight that is not a finite number, or no weight but zeros.
    """
    for name, weight in weights.items():
        if name not in pooled.weights:
            raise BadInput("the blend has no such member", value=name, allowed=pooled.weights)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise BadInput(f"the weight of {name} is not a finite number", value=weight, allowed="such as 0.5")
    if not any(weights.values()):
        raise BadInput("a blend needs a weight that is not 0", value=dict(weights), allowed=pooled.weights)
    return Blend({name: float(weights.get(name, 0.0)) for name in pooled.weights}, pooled.aggregation, pooled.scale)


def known(aggregation: str) -> str:
    """Return the aggregation.

    Raises:
        BadInput: there is no such one.
    """
    if aggregation not in AGGREGATIONS:
        raise BadInput("no such aggregation of members", value=aggregation, allowed=AGGREGATIONS)
    return aggregation


def transformed(aggregation: str, score: Floats, races: RaceMatrix) -> Floats:
    """Return float64[N], what a blend weighs of a member: comparable between races; NaN in a race that has a NaN.

    Raises:
        BadInput: there is no such aggregation.
    """
    if known(aggregation) == STANDARDISED:
        return _standardised(score, races)
    if aggregation == RANK:
        return _ranked(score, races)
    return log_probability(score, races)


def log_probability(score: Floats, races: RaceMatrix) -> Floats:
    """Return float64[N], the log of the softmax of a score within its race."""
    top = np.maximum.reduceat(score, races.offsets[:-1])
    shifted = score - np.repeat(top, races.sizes)
    return np.asarray(shifted - np.repeat(np.log(sum_by_race(np.exp(shifted), races.offsets)), races.sizes))


def _standardised(score: Floats, races: RaceMatrix) -> Floats:
    centred = score - np.repeat(sum_by_race(score, races.offsets) / races.sizes, races.sizes)
    deviation = np.sqrt(sum_by_race(centred**2, races.offsets) / races.sizes)
    largest = max_by_race(np.abs(score), races.offsets)
    told_apart = ~(deviation <= SMALLEST_DEVIATION * largest)  # so that NaN stays NaN
    return np.asarray(centred * np.repeat(told_apart / np.where(told_apart, deviation, 1.0), races.sizes))


def _ranked(score: Floats, races: RaceMatrix) -> Floats:
    ahead, level = standing(score, races.offsets)
    field = np.repeat(races.sizes, races.sizes)
    rank = (field - level - 2 * ahead) / np.maximum(field - 1, 1)
    unknown = sum_by_race(np.isnan(score), races.offsets) > 0
    return np.where(np.repeat(unknown, races.sizes), np.nan, rank)


def fit(scores: Mapping[str, Floats], races: RaceMatrix, names: Sequence[str], aggregation: str = LOG_LINEAR) -> Blend:
    """Return the blend under which the winners of these held-out races are likeliest.

    The likelihood is concave in the weights whatever is weighed, so this is the exact answer and not a search. Weights
    are not negative except in stacking. Where they do not carry the exponent they sum to 1, and the scale carries it.

    Args:
        scores: float64[N] per member on the races. Races in which a member has a NaN are left out.
        races: Races the members have not learned from.
        names: The members to pool.
        aggregation: What of the members is weighed.
    """
    table = np.column_stack([transformed(aggregation, scores[n], races) for n in names])
    whole = sum_by_race(np.isnan(table).any(axis=1).astype(np.float64), races.offsets) == 0
    rows = np.repeat(whole, races.sizes)
    start = np.full(len(names), 1.0 / len(names))
    least = None if aggregation == STACKING else 0.0
    weights = fit_utility(table[rows], races.take(whole), RIDGE, LogitPolicy(decay=(1.0,)), start, least=least)
    total = 1.0 if aggregation in ON_LOG_PROBABILITY else float(weights.sum())
    if not total > 0.0:  # nobody knows anything: the flattest answer that keeps an order
        return even(names, aggregation, FLATTEST)
    return Blend({n: float(w / total) for n, w in zip(names, weights, strict=True)}, aggregation, total)


def even(names: Sequence[str], aggregation: str = LOG_LINEAR, scale: float = 1.0) -> Blend:
    """Return equal weights that sum to 1: where held-out races are too few to tell members apart, this is the estimate.

    >>> even(["a", "b"]).weights
    {'a': 0.5, 'b': 0.5}
    """
    return Blend({name: 1.0 / len(names) for name in names}, aggregation, scale)


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


def top_agreement(scores: Mapping[str, Floats], races: RaceMatrix) -> float:
    """Return the share of races in which all members pick the same runner; NaN for a single member.

    A member with several runners at the top picks one of them by lot, so it counts for its chance to pick like the
    others. Races that a member did not score are left out.
    """
    if len(scores) < 2:
        return float("nan")
    together = np.ones(len(races.position))
    for score in scores.values():
        top = (score == np.repeat(max_by_race(score, races.offsets), races.sizes)).astype(np.float64)
        together *= top / np.repeat(np.maximum(sum_by_race(top, races.offsets), 1.0), races.sizes)
    unknown = sum_by_race(np.isnan(np.column_stack(list(scores.values()))).any(axis=1), races.offsets) > 0
    if unknown.all():
        return float("nan")
    return float(sum_by_race(together, races.offsets)[~unknown].mean())


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
