"""The market: bettors who know much, believe too much in outsiders, and pay the operator.

The pool's opinion of a runner is its true strength seen through noise, mixed with its official rating. Turned into
probabilities it is flattened towards outsiders (the favourite-longshot bias; Griffith 1949, Ali 1977), and the
operator's share is taken before the odds are rounded down as totalisators do.
"""

from __future__ import annotations

import numpy as np

from oracle.data.simulate.courses import Floats
from oracle.data.simulate.entries import LEVEL_KG, Declared
from oracle.data.simulate.policy import WorldPolicy
from oracle.data.simulate.population import Horses, Random
from oracle.data.simulate.strength import softmax

SHORTEST, LONGEST = 1.1, 500.0


def _opinion(
    horses: Horses, declared: Declared, strength: Floats, policy: WorldPolicy, insight: float, rng: Random
) -> Floats:
    seen = strength + policy.market_noise / insight * rng.standard_normal(strength.shape)
    hearsay = policy.market_form / insight
    form = horses.rating[declared.horse] - policy.weight_effect * (declared.weight - LEVEL_KG)
    starts = declared.starts
    form = form + (np.sum((strength - form) * starts, axis=1) / np.sum(starts, axis=1))[:, None]
    return np.asarray(np.where(starts, (1 - hearsay) * seen + hearsay * form, strength))


def odds(
    horses: Horses,
    declared: Declared,
    strength: Floats,
    noise: float,
    policy: WorldPolicy,
    rng: Random,
    insight: float = 1.0,
) -> Floats:
    """Return decimal odds at the off, stake included; NaN for those that do not start.

    Args:
        horses: The population; ratings are read.
        declared: The fields.
        strength: True strength in points.
        noise: Scale of the noise of a run, which bettors know.
        policy: What bettors know, how biased they are, what the operator takes.
        rng: Source of chance.
        insight: Divides what bettors do not know; they do not know that they know it, so the prices stay as wide.
    """
    opinion = _opinion(horses, declared, strength, policy, insight, rng)
    doubt = np.hypot(noise, 0.7 * (1 - policy.market_form) * policy.market_noise)
    share = softmax(policy.longshot_bias * policy.market_confidence * opinion / doubt)
    paid = np.minimum((1 - policy.takeout) / np.maximum(share, 1e-12), LONGEST)
    step = np.where(paid < 10, 0.1, np.where(paid < 20, 0.5, 1.0))
    rounded = np.maximum(np.round(np.floor(paid / step) * step, 1), SHORTEST)
    return np.asarray(np.where(declared.starts, rounded, np.nan))
