"""Members pooled within the race: never worse than the best of them, and honest about how alike they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ensemble import blend
from oracle.ensemble.blend import Blend, log_probability
from oracle.features.matrix import RaceMatrix
from oracle.models.ranker import validation_loss
from oracle.ranking.races import softmax, sum_by_race
from tests.models.world import made

RUNNERS = 8


def drawn(races: int, seed: int) -> tuple[RaceMatrix, np.ndarray]:
    """Return races whose winners were drawn from a true utility, and that utility."""
    chance = np.random.default_rng(seed)
    truth = chance.standard_normal(races * RUNNERS)
    noisy = (truth + chance.gumbel(size=len(truth))).reshape(races, RUNNERS)
    position = np.argsort(np.argsort(-noisy, axis=1), axis=1).reshape(-1) + 1
    return made(np.zeros(len(truth)), [RUNNERS] * races, position), truth


def views(truth: np.ndarray, noises: list[float], seed: int) -> dict[str, np.ndarray]:
    """Return members that each see the truth through noise of their own."""
    chance = np.random.default_rng(seed)
    return {f"m{i}": truth + noise * chance.standard_normal(len(truth)) for i, noise in enumerate(noises)}


@settings(max_examples=15)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=4), st.integers(0, 1000))
def test_the_blend_is_at_least_as_likely_as_each_member_on_the_races_it_was_fitted_on(noises, seed):
    races, truth = drawn(150, seed)
    scores = views(truth, noises, seed + 1)
    pooled = blend.fit(scores, races, list(scores))
    assert min(pooled.weights.values()) >= 0.0
    chance = pooled.probability(scores, races)
    np.testing.assert_allclose(sum_by_race(chance, races.offsets), 1.0, atol=1e-12)
    best = min(validation_loss(score, races) for score in scores.values())
    assert validation_loss(pooled.utility(scores, races), races) <= best + 2e-2 / len(races) * len(scores) + 1e-3


def test_members_that_err_differently_are_better_together_on_later_races():
    races, truth = drawn(3000, 1)
    scores = views(truth, [1.0, 1.0, 1.0], 2)
    earlier = np.arange(len(races)) < 1500
    rows = np.repeat(earlier, races.sizes)
    pooled = blend.fit({n: s[rows] for n, s in scores.items()}, races.take(earlier), list(scores))
    later = races.take(~earlier)
    held_out = {n: s[~rows] for n, s in scores.items()}
    best = min(validation_loss(score, later) for score in held_out.values())
    assert validation_loss(pooled.utility(held_out, later), later) < best - 0.05


def test_a_member_that_knows_nothing_or_the_opposite_gets_next_to_no_weight():
    races, truth = drawn(2000, 3)
    chance = np.random.default_rng(4)
    scores = {"sees": truth, "guesses": chance.standard_normal(len(truth)), "lies": -truth + chance.standard_normal()}
    weights = blend.fit(scores, races, list(scores)).weights
    assert weights["sees"] == pytest.approx(1.0, abs=0.1)
    assert weights["guesses"] < 0.1
    assert weights["lies"] < 1e-6


def test_the_exponent_is_fitted_along_so_that_overconfident_members_are_calibrated():
    races, truth = drawn(3000, 5)
    weight = blend.fit({"shouts": 3.0 * truth}, races, ["shouts"]).weights["shouts"]
    assert weight == pytest.approx(1 / 3, rel=0.08)


def test_alike_members_share_the_weight():
    races, truth = drawn(300, 6)
    weights = blend.fit({"a": truth, "b": truth.copy()}, races, ["a", "b"]).weights
    assert weights["a"] == pytest.approx(weights["b"])


def test_races_without_a_score_are_left_out_of_the_fit_and_stay_without_an_answer():
    races, truth = drawn(300, 7)
    scores = views(truth, [0.5, 1.0], 8)
    scores["m1"][3] = np.nan  # one runner of the first race
    first = np.arange(len(races)) == 0
    rows = np.repeat(first, races.sizes)
    rest = blend.fit({n: s[~rows] for n, s in scores.items()}, races.take(~first), list(scores))
    pooled = blend.fit(scores, races, list(scores))
    assert pooled.weights == rest.weights
    utility = pooled.utility(scores, races)
    assert np.isnan(utility[rows]).all()
    assert np.isfinite(utility[~rows]).all()


def test_a_member_without_weight_is_not_asked():
    races, truth = drawn(10, 9)
    only = Blend({"sees": 1.0, "broken": 0.0})
    scores = {"sees": truth, "broken": np.full(len(truth), np.nan)}
    np.testing.assert_allclose(only.probability(scores, races), softmax(truth, races.offsets))


@given(st.integers(1, 12), st.floats(-1e3, 1e3), st.integers(0, 100))
def test_log_probabilities_are_those_of_the_softmax_whatever_is_added_to_a_race(runners, constant, seed):
    score = np.random.default_rng(seed).standard_normal(runners) * 5
    races = made(score, [runners], np.arange(1, runners + 1))
    np.testing.assert_allclose(np.exp(log_probability(score + constant, races)), softmax(score, races.offsets))


def test_identical_members_agree_wholly_unrelated_ones_not_at_all_and_opposed_ones_contradict():
    races, truth = drawn(1500, 10)
    other = np.random.default_rng(11).standard_normal(len(truth))
    assert blend.agreement({"a": truth, "b": 2 * truth + 5, "c": truth}, races) == pytest.approx(1.0)
    assert blend.agreement({"a": truth, "b": other}, races) == pytest.approx(0.0, abs=0.03)
    assert blend.agreement({"a": truth, "b": -truth}, races) == pytest.approx(-1.0)


def test_agreement_is_that_of_rankings_within_the_race():
    races, truth = drawn(200, 12)
    of_race = np.repeat(np.random.default_rng(13).standard_normal(len(races)) * 100, races.sizes)
    assert blend.agreement({"a": truth, "b": np.exp(truth) + of_race}, races) == pytest.approx(1.0)


def test_agreement_leaves_out_races_that_a_member_did_not_score():
    races, truth = drawn(200, 14)
    partial = truth.copy()
    partial[2] = np.nan
    assert blend.agreement({"a": truth, "b": partial}, races) == pytest.approx(1.0)


def test_a_single_member_has_nobody_to_agree_with():
    races, truth = drawn(10, 15)
    assert np.isnan(blend.agreement({"alone": truth}, races))


def test_a_member_that_ranks_nobody_agrees_with_nobody():
    races, truth = drawn(200, 16)
    assert blend.agreement({"a": truth, "b": np.zeros(len(truth))}, races) == pytest.approx(0.0, abs=1e-9)
    assert blend.agreement({"b": np.zeros(len(truth)), "a": truth}, races) == pytest.approx(0.0, abs=1e-9)
