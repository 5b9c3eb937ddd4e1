"""Kelly stakes of one race are those of greatest expected log growth, found here the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from oracle.ranking.races import offsets_of
from oracle.staking import kelly

races = st.integers(2, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0.01, 1.0), min_size=n, max_size=n), st.lists(st.floats(1.05, 40.0), min_size=n, max_size=n)
    )
)


def growth(stake, prob, odds):
    """Expected log of the bankroll after the race."""
    left = 1.0 - np.sum(stake) + np.asarray(stake) * odds
    rest = 1.0 - np.sum(prob)
    outside = rest * np.log(max(1.0 - np.sum(stake), 1e-300)) if rest > 1e-12 else 0.0
    return float(np.sum(prob * np.log(np.maximum(left, 1e-300)))) + outside


def of(prob, odds, **least):
    prob, odds = np.array(prob), np.array(odds)
    return kelly.stakes(prob, odds, offsets_of([prob.size]), **least)


@given(races)
def test_no_other_stakes_grow_faster(race):
    prob, odds = np.array(race[0]) / np.sum(race[0]), np.array(race[1])
    ours = of(prob, odds)
    best = minimize(
        lambda f: -growth(f, prob, odds),
        np.full(prob.size, 0.02),
        bounds=[(0, 1)] * prob.size,
        constraints={"type": "ineq", "fun": lambda f: 1.0 - 1e-9 - np.sum(f)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert growth(ours, prob, odds) >= -best.fun - 1e-7
    assert ours.min() >= 0
    assert ours.sum() <= 1 + 1e-12


@given(races, st.integers(0, 2**32 - 1))
def test_no_small_change_of_the_stakes_helps(race, seed):
    prob, odds = np.array(race[0]) / np.sum(race[0]), np.array(race[1])
    if np.sum(1 / odds) < 1.02:
        return
    ours, chance = of(prob, odds), np.random.default_rng(seed)
    for _ in range(20):
        other = np.maximum(ours + 1e-3 * chance.normal(size=prob.size), 0)
        assert growth(other, prob, odds) <= growth(ours, prob, odds) + 1e-12


def test_a_single_bet_is_the_formula_that_everybody_knows():
    p, o = 0.3, 4.0
    assert of([p, 0.7], [o, 1.02])[0] == pytest.approx((p * o - 1) / (o - 1))
    assert of([p, 0.7], [o, np.nan])[0] == pytest.approx((p * o - 1) / (o - 1))


@given(races)
def test_odds_that_keep_more_than_they_give_are_left_alone(race):
    prob = np.array(race[0]) / np.sum(race[0])
    assert not of(prob, 0.83 / prob).any()


def test_staking_each_good_bet_as_if_it_were_alone_grows_slower():
    prob, odds = np.array([0.4, 0.35, 0.25]), np.array([3.0, 3.5, 2.0])
    alone = np.array([(p * o - 1) / (o - 1) for p, o in zip(prob[:2], odds[:2], strict=True)] + [0.0])
    assert growth(of(prob, odds), prob, odds) > growth(alone, prob, odds) + 1e-3


def test_a_book_that_pays_more_than_it_takes_is_bought_whole():
    assert of([0.5, 0.3, 0.2], [2.5, 4.0, 6.0]) == pytest.approx([0.5, 0.3, 0.2])


def test_a_least_edge_leaves_the_hedges_out():
    hedged, plain = of([0.5, 0.3, 0.2], [2.4, 3.0, 4.0]), of([0.5, 0.3, 0.2], [2.4, 3.0, 4.0], min_edge=0.0)
    assert hedged[1] > 0
    assert plain[1] == 0
    assert plain[0] == pytest.approx((0.5 * 2.4 - 1) / 1.4)


def test_each_race_is_its_own_and_what_is_not_known_is_not_backed():
    prob = np.array([0.5, 0.5, np.nan, np.nan, 0.6, 0.4])
    odds = np.array([2.4, 1.5, 9.0, 9.0, 2.0, np.inf])
    stake = kelly.stakes(prob, odds, offsets_of([2, 2, 2]))
    assert stake == pytest.approx([*of([0.5, 0.5], [2.4, 1.5]), 0, 0, *of([0.6, 0.4], [2.0, np.nan])])
