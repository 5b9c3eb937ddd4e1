"""The conditional logit against what is known of it: its gradient, a closed form, and weights that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from threadpoolctl import threadpool_limits

from oracle.features.matrix import RaceMatrix
from oracle.models import conditional_logit
from oracle.models.conditional_logit import CLIP, ConditionalLogit, LogitPolicy, fit_utility
from oracle.models.places import places
from oracle.progress import silent
from oracle.ranking.races import softmax
from tests.models import world
from tests.models.world import made

WINNER_ONLY = LogitPolicy(decay=(1.0,))


def drawn(weights: np.ndarray, races: int, runners: int, seed: int) -> RaceMatrix:
    """Return races whose orders were drawn from these weights by Plackett-Luce (Gumbel noise)."""
    chance = np.random.default_rng(seed)
    values = chance.standard_normal((races * runners, len(weights)))
    strength = values @ weights + chance.gumbel(size=len(values))
    order = np.argsort(np.argsort(-strength.reshape(races, runners), axis=1), axis=1) + 1
    return made(values, [runners] * races, order.reshape(-1))


def loss(races: RaceMatrix, weights: np.ndarray, penalty: float, policy: LogitPolicy) -> float:
    """Return the penalised negative log-likelihood, written race by race from its definition."""
    total = 0.5 * penalty * float(weights @ weights)
    for a, b in zip(races.offsets[:-1], races.offsets[1:], strict=True):
        strength = np.exp(races.values[a:b].astype(np.float64) @ weights)
        position = races.position[a:b]
        for place, share in enumerate(policy.decay, start=1):
            here = position == place
            if here.any():
                left = ~(position < place)
                total -= share * np.log(strength[here] / strength[left].sum()).mean()
    return total


@settings(max_examples=15)
@given(
    st.lists(st.integers(2, 5), min_size=1, max_size=4),
    st.integers(0, 10_000),
    st.sampled_from([(1.0,), (1.0, 0.6, 0.4)]),
)
def test_the_fit_stands_where_the_likelihood_of_the_definition_is_level(sizes, seed, decay):
    chance = np.random.default_rng(seed)
    position = np.concatenate([chance.integers(1, n + 1, n).astype(float) for n in sizes])
    position[chance.random(len(position)) < 0.2] = np.nan
    races = made(chance.standard_normal((sum(sizes), 3)), sizes, position)
    policy = LogitPolicy(decay=decay, iterations=500)
    found = fit_utility(races.values.astype(np.float64), races, 0.5, policy, np.zeros(3))
    slope = approx_fprime(found, lambda w: loss(races, w, 0.5, policy), 1e-6)
    np.testing.assert_allclose(slope, 0.0, atol=2e-3)


@given(st.integers(0, 10_000))
def test_the_analytic_gradient_is_that_of_finite_differences(seed):
    chance = np.random.default_rng(seed)
    sizes = chance.integers(2, 6, 4)
    races = made(
        chance.standard_normal((sizes.sum(), 3)), sizes, np.concatenate([1 + chance.permutation(n) for n in sizes])
    )
    weights, seen = chance.standard_normal(3), {}

    def spy(function, start, **_options):
        seen["loss"] = function
        return type("Solution", (), {"x": start})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditional_logit, "minimize", spy)
        fit_utility(races.values.astype(np.float64), races, 2.0, LogitPolicy(), np.zeros(3))
    value, gradient = seen["loss"](weights)
    assert value == pytest.approx(loss(races, weights, 2.0, LogitPolicy()))
    np.testing.assert_allclose(gradient, approx_fprime(weights, lambda w: seen["loss"](w)[0], 1e-7), atol=1e-4)


@pytest.mark.parametrize("wins", [55, 80, 99])
def test_two_horses_that_differ_by_one_have_the_log_odds_of_their_wins_as_weight(wins: int):
    position = np.concatenate([[1, 2]] * wins + [[2, 1]] * (100 - wins))
    races = made(np.tile([[1.0], [0.0]], (100, 1)), [2] * 100, position)
    weight = fit_utility(races.values.astype(np.float64), races, 0.0, WINNER_ONLY, np.zeros(1))
    assert weight[0] == pytest.approx(np.log(wins / (100 - wins)), abs=1e-3)


def test_planted_weights_are_recovered_from_their_races():
    planted = np.array([1.0, -0.5, 0.0])
    fitted = ConditionalLogit(LogitPolicy(penalties=(1.0,))).fit(drawn(planted, 3000, 6, 1), None, 0, 1, silent)
    np.testing.assert_allclose(fitted.weights / fitted.deviation, planted, atol=0.08)


def test_the_penalty_that_suits_the_later_races_best_is_kept():
    noise = np.concatenate([[1.0], np.zeros(30)])
    policy = LogitPolicy(penalties=(0.1, 100.0, 1e6), iterations=50)
    fitted = ConditionalLogit(policy).fit(drawn(noise, 60, 6, 1), drawn(noise, 200, 6, 2), 0, 1, silent)
    assert fitted.penalty == sorted(policy.penalties, reverse=True)[int(np.argmin(fitted.curve.loss))]
    assert fitted.settled().policy.penalties == (fitted.penalty,)
    assert fitted.settled().scale == fitted.scale


def test_a_constant_of_the_race_and_a_missing_value_say_nothing():
    races = drawn(np.array([1.0, 0.5]), 200, 5, 3)
    fitted = ConditionalLogit().fit(races, races, 0, 1, silent)
    shifted = races.values.copy()
    shifted[:5] += 100.0
    shifted[5, 0] = np.nan
    moved = made(shifted, races.sizes, races.position)
    np.testing.assert_allclose(fitted.score(moved)[:5], fitted.score(races)[:5], atol=1e-4)
    assert np.isfinite(fitted.score(moved)).all()


def test_a_feature_that_never_differs_within_a_race_gets_no_weight():
    races = drawn(np.array([1.0, 0.0]), 200, 5, 3)
    flat = races.values.copy()
    flat[:, 1] = np.repeat(np.arange(200.0), 5)
    fitted = ConditionalLogit().fit(made(flat, races.sizes, races.position), None, 0, 1, silent)
    assert fitted.weights[1] == 0.0


def test_one_absurd_value_does_not_decide_a_race():
    races = drawn(np.array([1.0]), 200, 5, 3)
    fitted = ConditionalLogit().fit(races, races, 0, 1, silent)
    absurd = races.values.copy()
    absurd[0, 0] = 1e6
    score = fitted.score(made(absurd, races.sizes, races.position))
    assert abs(score).max() <= CLIP * np.abs(fitted.weights).sum() * fitted.scale + 1e-9


def test_the_bound_holds_every_weight_at_or_above_it():
    races = drawn(np.array([-1.0, 1.0]), 200, 5, 3)
    found = fit_utility(races.values.astype(np.float64), races, 0.0, WINNER_ONLY, np.ones(2), least=0.0)
    assert found[0] == 0.0
    assert found[1] > 0.5


def test_an_offset_is_given_and_not_learned_again():
    races = drawn(np.array([1.0, 0.5]), 2000, 5, 4)
    table = races.values.astype(np.float64)
    rest = fit_utility(table, races, 0.0, WINNER_ONLY, np.zeros(2), offset=table[:, 0])
    np.testing.assert_allclose(rest, [0.0, 0.5], atol=0.1)


def test_chances_of_a_race_are_the_softmax_of_its_utilities():
    races = drawn(np.array([1.0]), 50, 4, 5)
    fitted = ConditionalLogit().fit(races, races, 0, 1, silent)
    chance = softmax(fitted.score(races), races.offsets)
    stages = places(races, (1.0,))
    assert -np.log(chance[stages[0][1] == 1]).mean() < np.log(4)


def test_the_weights_are_the_same_to_the_last_bit_however_many_cores_the_machine_has():
    races = world.history()
    found = []
    for cores in (1, 2):
        with threadpool_limits(cores):
            fitted = ConditionalLogit(LogitPolicy(penalties=(30.0,))).fit(races, None, 0, cores, silent)
            found.append((fitted.weights, fitted.score(races)))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
