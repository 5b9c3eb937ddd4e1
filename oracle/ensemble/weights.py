"""The weights of a blend, searched on cached held-out scores: thousands of weight vectors, no member fitted again.

By log-loss there is nothing to search: the likelihood is concave in the weights, and `blend.fit` finds its top. NDCG is
a step function of the weights, so it is tried out: weight vectors drawn evenly over the simplex, then rounds drawn ever
closer around the best one so far.

The best of thousands is partly the luckiest: over a thousand races NDCG@3 differs by 0.005 for no reason. So what is
returned is not the best vector but, of those that are not worse by more than one standard error of the difference on
the same races, the one nearest to even weights (the one-standard-error rule: Breiman et al. 1984; Hastie, Tibshirani
and Friedman 2009, 7.10). Where the races cannot tell the members apart, that is even weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from oracle.ensemble import blend
from oracle.ensemble.blend import LOG_LINEAR, STACKING, Blend, transformed
from oracle.ensemble.packed import Packed, pack
from oracle.errors import BadInput
from oracle.features.matrix import RaceMatrix
from oracle.ranking.calibration import FLATTEST, STEEPEST
from oracle.ranking.races import Floats, Ints
from oracle.settings import EvaluationPolicy

LOG_LOSS = "log_loss"
"""Mean log-loss of the winner; the least is best."""
NDCG = "ndcg_at_3"
"""Mean NDCG@3; the greatest is best."""
BOTH = "both"
"""NDCG@3 + pseudo-R2, each vector's probabilities calibrated by a factor of its own; the greatest is best. Both are
shares of what could be reached, 0 to 1, with standard errors of about the same size (0.007 on 1,500 races), so one is
not drowned by the other. As pseudo-R2 is 1 - log-loss / mean log field size, it is NDCG less about 0.4 log-loss."""
OBJECTIVES = (LOG_LOSS, NDCG, BOTH)

NEWTON_STEPS = 4
"""Steps in which a vector's calibration is found; from the even blend's they leave an error in log-loss below 1e-6."""
TRIED_TOGETHER = 64
"""Vectors whose values race by race are held in memory at a time."""
ON_THE_WAY = 20
"""Vectors tried between the best one and even weights, so that the rule has something to choose from."""


@dataclass(frozen=True, slots=True)
class SearchPolicy:
    """What is searched for, and how hard."""

    aggregation: str = LOG_LINEAR
    objective: str = NDCG
    vectors: int = 4000
    """Weight vectors drawn in all: half of them over the whole simplex, half in rounds around the best."""
    rounds: int = 5
    """Each draws half as far from the best vector as the one before."""
    seed: int = 7

    def __post_init__(self) -> None:
        blend.known(self.aggregation)
        if self.objective not in OBJECTIVES:
            raise BadInput("no such objective of the weights", value=self.objective, allowed=OBJECTIVES)
        if self.aggregation == STACKING and self.objective != LOG_LOSS:
            raise BadInput("stacking has one objective", value=self.objective, allowed=LOG_LOSS)
        if self.vectors < 1 or self.rounds < 0:
            raise BadInput("a search needs vectors", value=f"{self.vectors} vectors, {self.rounds} rounds")


@dataclass(frozen=True, slots=True)
class Found:
    """The weights chosen, and what they were chosen by. Values are those of the objective on the searched races."""

    weights: Mapping[str, float]
    aggregation: str
    scale: float
    objective: str
    value: float
    even_value: float
    """Of even weights."""
    best_value: float
    """Of the best vector seen: above `value` by less than its luck."""
    noise: float
    """Standard error of the difference between the best vector and even weights, by meeting; 0 after an exact fit."""
    evaluated: int
    """Weight vectors measured; 0 after an exact fit."""
    races: int

    @property
    def blend(self) -> Blend:
        """The blend of these weights."""
        return Blend(self.weights, self.aggregation, self.scale)


def search(
    scores: Mapping[str, Floats],
    races: RaceMatrix,
    members: Sequence[str],
    evaluation: EvaluationPolicy,
    policy: SearchPolicy,
) -> Found:
    """Return the weights of some members, chosen by an objective on held-out races; the same seed gives the same.

    Args:
        scores: float64[N] per member. Races in which one of the members has no score are left out.
        races: Races the members have not learned from.
        members: Who is weighed; their order is of no consequence.
        evaluation: Which races count and what the places are worth.
        policy: Aggregation, objective, size and seed of the search.

    Raises:
        NotEnoughData: no race counts, or none is scored by all members.
    """
    packed = pack([transformed(policy.aggregation, scores[m], races) for m in members], races, evaluation)
    inside, rows = races.take(packed.kept), np.repeat(packed.kept, races.sizes)
    of = {m: scores[m][rows] for m in members}
    level = blend.even(members, policy.aggregation).calibrated(of, inside)
    if policy.objective == LOG_LOSS:
        exact = blend.fit(scores, races, members, policy.aggregation)
        value, even_value = (_log_loss(packed, b, members) for b in (exact, level))
        return Found(
            exact.weights, exact.aggregation, exact.scale, LOG_LOSS, value, even_value, value, 0.0, 0, len(packed)
        )
    even = np.full(len(members), 1.0 / len(members))
    measure = _Measure(packed, policy.objective, float(np.log(inside.sizes).mean()), _factor(level))
    tried, values = _drawn(members, measure, policy)
    best = tried[int(np.argmax(values))]
    way = best + np.linspace(0.0, 1.0, ON_THE_WAY + 2)[1:-1, None] * (even - best)
    tried, values = np.concatenate((tried, way)), np.concatenate((values, measure.values(way)))
    chosen, noise = _nearest_even(tried, values, even, measure, inside)
    value, even_value = measure.values(np.stack((chosen, even))).tolist()
    pooled = Blend(dict(zip(members, chosen.tolist(), strict=True)), policy.aggregation).calibrated(of, inside)
    return Found(
        weights=pooled.weights,
        aggregation=pooled.aggregation,
        scale=pooled.scale,
        objective=policy.objective,
        value=value,
        even_value=even_value,
        best_value=float(values.max()),
        noise=noise,
        evaluated=len(tried),
        races=len(packed),
    )


@dataclass(frozen=True, slots=True)
class _Measure:
    """An objective that is searched: of many vectors, or of a few race by race. The greatest is best."""

    packed: Packed
    objective: str
    field: float
    """Mean log field size: the log-loss of knowing nothing."""
    factor: float
    """What calibrates even weights: where the search for a vector's own factor starts."""

    def values(self, vectors: Floats) -> Floats:
        reached = self.packed.ndcg(vectors)
        if self.objective == NDCG:
            return reached
        loss, _, _ = self.packed.log_loss(vectors, self._factors(vectors))
        return reached + 1.0 - loss / self.field

    def by_race(self, vectors: Floats) -> Floats:
        """Return float64[V, races]; its mean over the races is `values`."""
        reached = self.packed.ndcg_by_race(vectors)
        if self.objective == NDCG:
            return reached
        return reached + 1.0 - self.packed.log_loss_by_race(vectors, self._factors(vectors)) / self.field

    def _factors(self, vectors: Floats) -> Floats:
        """Return float64[V], the factor of greatest likelihood of each vector, by Newton's steps of at most twofold."""
        factor = np.full(len(vectors), self.factor)
        for _ in range(NEWTON_STEPS):
            _, slope, curvature = self.packed.log_loss(vectors, factor)
            step = slope / np.maximum(curvature, np.finfo(np.float64).tiny)
            factor = np.clip(np.clip(factor - step, factor / 2.0, factor * 2.0), FLATTEST, STEEPEST)
        return factor


def _drawn(members: Sequence[str], measure: _Measure, policy: SearchPolicy) -> tuple[Floats, Floats]:
    """Return float64[V, M], every vector that was drawn, non-negative and summing to 1, and float64[V], its value.

    Each member alone and all evenly are among them. Draws belong to the names, so the order of the members is of no
    consequence.
    """
    count = len(members)
    column = np.argsort(np.argsort(members))
    chance = np.random.default_rng(policy.seed)
    wide = max(1, policy.vectors // 2)
    tried = np.concatenate((np.eye(count), np.full((1, count), 1.0 / count), chance.dirichlet(np.ones(count), wide)))
    tried = tried[:, column]
    values, reach = measure.values(tried), 1.0
    for _ in range(policy.rounds if count > 1 else 0):
        reach /= 2.0
        near = chance.dirichlet(np.ones(count), max(1, (policy.vectors - wide) // policy.rounds))[:, column]
        near = tried[int(np.argmax(values))] * (1.0 - reach) + reach * near
        tried, values = np.concatenate((tried, near)), np.concatenate((values, measure.values(near)))
    return tried, values


def _nearest_even(
    tried: Floats, values: Floats, even: Floats, measure: _Measure, races: RaceMatrix
) -> tuple[Floats, float]:
    """Return the vector nearest to even that is within one standard error of the best, and the error even weights had.

    The difference to the best is taken race by race, and its error over meetings, whose races share ground and weather.
    """
    _, meeting = np.unique(races.meeting.astype(str), return_inverse=True)
    best = int(np.argmax(values))
    reference = measure.by_race(tried[best][None])[0]
    noise = _standard_error(reference - measure.by_race(even[None])[0], meeting)
    # Two errors of even weights behind, a vector would have to differ from the best twice as much as even weights do.
    near = tried[values >= values[best] - 2.0 * noise]
    near = near[np.argsort(((near - even) ** 2).sum(axis=1), kind="stable")]
    for begin in range(0, len(near), TRIED_TOGETHER):
        vectors = near[begin : begin + TRIED_TOGETHER]
        for vector, short in zip(vectors, reference - measure.by_race(vectors), strict=True):
            if short.mean() <= _standard_error(short, meeting):
                return vector, noise
    return tried[best], noise


def _standard_error(values: Floats, meeting: Ints) -> float:
    """Return the standard error of a mean over races, whole meetings taken as independent."""
    off = np.bincount(meeting, values - values.mean())
    return float(np.sqrt((off**2).sum()) / len(values))


def _factor(level: Blend) -> float:
    """Return what a calibrated blend multiplies weights by that sum to 1."""
    return level.scale * float(sum(level.weights.values()))


def _log_loss(packed: Packed, of: Blend, members: Sequence[str]) -> float:
    loss, _, _ = packed.log_loss([[of.weights[m] for m in members]], [of.scale])
    return float(loss[0])
