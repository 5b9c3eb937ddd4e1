"""Pools weighed as their recipe says, and taken apart again: what each member brings, and how alike members are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oracle.ensemble import blend, weights
from oracle.ensemble.blend import ON_LOG_PROBABILITY, STACKING, Blend, transformed
from oracle.ensemble.recipe import EVEN, FITTED, SHRUNK, Pool
from oracle.ensemble.weights import LOG_LOSS, SearchPolicy
from oracle.features.matrix import RaceMatrix
from oracle.models.conditional_logit import LogitPolicy, fit_utility
from oracle.ranking import metrics
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Floats, softmax, sum_by_race
from oracle.settings import EvaluationPolicy

PRIOR_TRUST = 0.8
"""Sum of the weights of all corrections before any race is seen: corrections overstate a little."""
PRIOR_SPREAD = 0.3
"""Standard deviation of the prior of each correction's weight."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a blend loses without a member, the others weighed anew: above 0 where the member helps."""

    log_loss: float
    """Nats per race by which log-loss rises."""
    ndcg_at_3: float
    """By which NDCG@3 falls."""


@dataclass(frozen=True, slots=True)
class Chemistry:
    """How the members of a pool go together."""

    agreement: float
    """Mean rank correlation of two members within a race; NaN for a single member."""
    top_agreement: float
    """Share of races in which all members pick the same runner; NaN for a single member."""
    contribution: Mapping[str, Contribution]


def weighed(
    pool: Pool, scores: Mapping[str, Floats], races: RaceMatrix, evaluation: EvaluationPolicy, seed: int
) -> Blend:
    """Return the blend of a pool, its weights chosen on these held-out races where the pool leaves them open.

    Args:
        pool: Members, weights, aggregation and objective.
        scores: float64[N] per member.
        races: Races the members have not learned from.
        evaluation: Which races count where weights are searched.
        seed: Seed of the search.
    """
    if pool.weights == SHRUNK:
        return shrunk(pool.members, scores, races)
    if isinstance(pool.weights, str) and pool.weights != EVEN:
        if pool.objective == LOG_LOSS:
            return blend.fit(scores, races, pool.members, pool.aggregation)
        policy = SearchPolicy(pool.aggregation, pool.objective, seed=seed)
        return weights.search(scores, races, pool.members, evaluation, policy).blend
    if isinstance(pool.weights, str):
        given = blend.even(pool.members, pool.aggregation)
    else:
        given = Blend(pool.weights, pool.aggregation)
    # Weights of log-probabilities are taken as they are given; a sum of ranks has no scale until it gets one.
    return given if pool.aggregation in ON_LOG_PROBABILITY else given.calibrated(scores, races)


def shrunk(members: Sequence[str], scores: Mapping[str, Floats], races: RaceMatrix) -> Blend:
    """Return the first member and its corrections, each followed as far as these races and a prior say.

    What a correction says is its log-probability above the first member's. Its weight is the likeliest one given a
    normal prior (`PRIOR_TRUST` shared out among the corrections, each give or take `PRIOR_SPREAD`); the first member
    has the rest of 1, which is negative where corrections were too timid. With few races the prior answers, with many
    the likelihood, and a correction that does not carry over to later dates is turned down instead of shipped.

    Args:
        members: What is corrected, then its corrections.
        scores: float64[N] per member, out of fold. Races in which one of them has a NaN are left out.
        races: The races.
    """
    base, *corrections = members
    trust = np.full(len(corrections), PRIOR_TRUST / len(corrections))
    table = np.column_stack([transformed(STACKING, scores[n], races) for n in members])
    whole = sum_by_race(np.isnan(table).any(axis=1).astype(np.float64), races.offsets) == 0
    if whole.any():
        rows = np.repeat(whole, races.sizes)
        says = np.ascontiguousarray(table[rows, 1:] - table[rows, :1])
        offset = table[rows, 0] + says @ trust
        start = np.zeros(len(corrections))
        policy = LogitPolicy(decay=(1.0,))
        trust = trust + fit_utility(says, races.take(whole), PRIOR_SPREAD**-2, policy, start, offset=offset)
    weights = dict(zip(corrections, trust.tolist(), strict=True))
    return Blend({base: 1.0 - float(trust.sum()), **weights}, STACKING)


def chemistry(
    pool: Pool,
    pooled: Blend,
    scores: Mapping[str, Floats],
    races: RaceMatrix,
    evaluation: EvaluationPolicy,
    seed: int,
) -> Chemistry:
    """Return how the members of a pool go together on held-out races; the arguments are those of `contribution`."""
    members = {name: scores[name] for name in pool.members}
    return Chemistry(
        blend.agreement(members, races),
        blend.top_agreement(members, races),
        contribution(pool, pooled, members, races, evaluation, seed),
    )


def contribution(
    pool: Pool,
    pooled: Blend,
    scores: Mapping[str, Floats],
    races: RaceMatrix,
    evaluation: EvaluationPolicy,
    seed: int,
) -> Mapping[str, Contribution]:
    """Return for each member what the blend loses when it is left out.

    Weights that were given are shared out anew among the rest, in their proportions. The only member of a pool leaves
    nobody behind, who gives every runner the same chance. Measured where all members have a score, on the races that
    the weights were chosen on, so a fitted weight looks as good as it can.

    Args:
        pool: How the rest is weighed anew.
        pooled: Its blend, as `weighed` returned it.
        scores: float64[N] per member.
        races: The races it was weighed on.
        evaluation: Which races count.
        seed: Seed of a search.
    """
    scores = {name: scores[name] for name in pool.members}
    loss, ndcg = _measured(pooled, scores, races, evaluation)
    found = {}
    for name in pool.members:
        rest = weighed(_without(pool, name), scores, races, evaluation, seed) if len(pool.members) > 1 else Blend({})
        loss_without, ndcg_without = _measured(rest, scores, races, evaluation)
        found[name] = Contribution(loss_without - loss, ndcg - ndcg_without)
    return found


def _without(pool: Pool, name: str) -> Pool:
    members = tuple(m for m in pool.members if m != name)
    if pool.weights == SHRUNK and (len(members) < 2 or name == pool.members[0]):
        return Pool(members, FITTED)  # without what they correct, corrections are opinions like any other
    if isinstance(pool.weights, str):
        return replace(pool, members=members)
    rest = sum(pool.weights[m] for m in members)
    share = sum(pool.weights.values()) / rest if rest > 0 else 1.0
    return replace(pool, members=members, weights={m: pool.weights[m] * share for m in members})


def _measured(
    pooled: Blend, scores: Mapping[str, Floats], races: RaceMatrix, evaluation: EvaluationPolicy
) -> tuple[float, float]:
    """Return mean log-loss and mean NDCG@3, NaN where no race counts."""
    # Adding nobody's share of every member blanks the races that one of them has not scored.
    utility = pooled.utility(scores, races) + 0.0 * np.sum(list(scores.values()), axis=0)
    position, offsets = races.position, races.offsets
    loss = metrics.log_loss(softmax(utility, offsets), winners(position, offsets, evaluation), offsets)
    ndcg = metrics.ndcg(utility, gains(position, offsets, evaluation), offsets, 3)
    return _mean(loss), _mean(ndcg)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
