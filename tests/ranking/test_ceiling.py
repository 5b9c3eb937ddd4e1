"""The ceiling of a simulated world is reached by its true strengths, and the market alone tells where it lies."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from oracle.data.simulate import simulate
from oracle.features.races import Races, from_frame
from oracle.ranking import metrics
from oracle.ranking.calibration import fit_discount
from oracle.ranking.ceiling import Hidden, ceiling, estimate, of_strengths, sharpening
from oracle.ranking.market import fit_favourite_longshot, multiplicative
from oracle.ranking.outcome import gains
from oracle.ranking.races import Floats, softmax
from oracle.settings import EvaluationPolicy

POLICY = EvaluationPolicy(min_finishers=2)


@cache
def world() -> tuple[Races, Floats, Floats]:
    """Return races, fitted market probabilities and true strengths."""
    blocks = list(simulate(2500, seed=5))
    races = from_frame(pd.concat([b.runners for b in blocks], ignore_index=True))
    truth = pd.concat([b.truth for b in blocks]).set_index(["race_id", "horse_id"])["true_strength"]
    keys = pd.MultiIndex.from_arrays([races.texts["race_id"], races.texts["horse_id"]])
    market = multiplicative(races.numbers["odds"], races.offsets)
    power = fit_favourite_longshot(market, races.numbers["position"], races.offsets)
    return races, power.apply(market, races.offsets), truth.reindex(keys).to_numpy(dtype=float)


def scored(score: Floats) -> tuple[float, float]:
    races = world()[0]
    reached = metrics.ndcg(score, gains(races.numbers["position"], races.offsets, POLICY), races.offsets, 3)
    return float(np.nanmean(reached)), float(np.nanstd(reached) / np.sqrt(np.isfinite(reached).sum()))


@cache
def hidden() -> Hidden:
    races, market, _ = world()
    return estimate(market, races.numbers["position"], races.offsets, races.codes("horse_id")[0], races.off)


def test_true_strengths_reach_the_ceiling_that_is_computed_from_them() -> None:
    races, _, strength = world()
    reached, error = scored(strength)
    assert abs(reached - of_strengths(strength, races.offsets, POLICY)) < 3.0 * error


def test_the_interval_read_off_the_market_covers_what_true_strengths_reach() -> None:
    races, market, strength = world()
    discount = fit_discount(market, races.numbers["position"], races.offsets)
    top = ceiling(market, races.offsets, hidden(), POLICY, discount=discount)
    assert top.own <= top.low <= top.ceiling <= top.high
    assert top.low < scored(strength)[0] < top.high
    reached, error = scored(market)
    assert abs(reached - top.own) < 3.0 * error
    assert reached - 3.0 * error < top.ceiling


def test_without_a_hidden_part_the_ceiling_is_what_the_strengths_expect_of_themselves() -> None:
    races, market, _ = world()
    top = ceiling(market, races.offsets, Hidden(0.0, 0.0, 0.0), POLICY)
    assert top.own == top.low == top.ceiling == top.high


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_sharpened_strengths_with_their_hidden_part_stay_calibrated(sigma: float) -> None:
    races, market, _ = world()
    log, chance = np.log(market), np.random.default_rng(1)
    factor = sharpening(log, races.offsets, sigma, chance)
    mean = np.mean(
        [softmax(factor * log + sigma * chance.standard_normal(len(log)), races.offsets) for _ in range(20)], axis=0
    )
    assert factor > 1.0
    liked = market > 0.3
    assert mean[liked].sum() == pytest.approx(market[liked].sum(), rel=0.1)


def test_the_same_seed_gives_the_same_ceiling() -> None:
    races, market, _ = world()
    one, two = (ceiling(market, races.offsets, hidden(), POLICY, seed=3) for _ in range(2))
    assert one == two
