"""What is weighed of a member: comparable between races, blind to what it should not see, NaN where it is unknown."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, zscore

from oracle.ensemble import blend
from oracle.ensemble.blend import AGGREGATIONS, LOG_LINEAR, ON_LOG_PROBABILITY, RANK, STACKING, STANDARDISED, Blend
from oracle.errors import BadInput
from oracle.models.ranker import scale_of, validation_loss
from oracle.ranking.races import sum_by_race
from tests.ensemble.test_blend import drawn, views
from tests.models.world import made

SIZES = [2, 5, 3, 9, 1]


def fields(seed: int, few: bool = False):
    chance = np.random.default_rng(seed)
    count = sum(SIZES)
    score = chance.integers(0, 3, count).astype(float) if few else chance.standard_normal(count) * 7 + 3
    return made(np.zeros(count), SIZES, np.concatenate([np.arange(1, n + 1) for n in SIZES])), score


def by_race(races, values):
    return [values[a:b] for a, b in zip(races.offsets[:-1], races.offsets[1:], strict=True)]


@given(st.integers(0, 1000))
def test_standardised_scores_are_the_z_scores_of_each_race(seed: int):
    races, score = fields(seed)
    found = blend.transformed(STANDARDISED, score, races)
    for ours, raw in zip(by_race(races, found), by_race(races, score), strict=True):
        np.testing.assert_allclose(ours, zscore(raw) if len(raw) > 1 else [0.0], atol=1e-12)


@given(st.floats(-1e6, 1e6), st.integers(2, 9))
def test_a_member_that_tells_nobody_apart_says_nothing(value: float, runners: int):
    races = made(np.zeros(runners), [runners], np.arange(1, runners + 1))
    for how in (STANDARDISED, RANK):
        assert (blend.transformed(how, np.full(runners, value), races) == 0).all()


@given(st.integers(0, 1000), st.booleans())
def test_ranks_are_mid_ranks_from_minus_one_to_one(seed: int, few: bool):
    races, score = fields(seed, few)
    found = blend.transformed(RANK, score, races)
    for ours, raw in zip(by_race(races, found), by_race(races, score), strict=True):
        wanted = (2 * rankdata(raw) - len(raw) - 1) / max(len(raw) - 1, 1)
        np.testing.assert_allclose(ours, wanted, atol=1e-12)
        assert np.abs(ours).max() <= 1.0


@given(st.integers(0, 1000), st.floats(0.1, 50), st.floats(-100, 100))
def test_how_loud_a_member_is_does_not_matter_once_it_is_standardised_or_ranked(seed, factor, constant):
    races, score = fields(seed)
    for how in (STANDARDISED, RANK):
        loud = blend.transformed(how, factor * score + constant, races)
        np.testing.assert_allclose(loud, blend.transformed(how, score, races), atol=1e-9)


@given(st.integers(0, 1000))
def test_ranks_see_the_order_alone(seed: int):
    races, score = fields(seed)
    np.testing.assert_array_equal(
        blend.transformed(RANK, np.exp(score / 10), races), blend.transformed(RANK, score, races)
    )


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_a_runner_without_a_score_blanks_its_race_and_no_other(how: str):
    races, score = fields(1)
    score[3] = np.nan
    found = np.isnan(blend.transformed(how, score, races))
    assert [part.all() if part.any() else False for part in by_race(races, found)] == [False, True, False, False, False]


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_every_blend_answers_with_probabilities_and_is_calibrated_on_the_races_it_was_fitted_on(how: str):
    races, truth = drawn(1500, 20)
    scores = {"loud": 4 * truth, **views(truth, [1.0], 21)}
    fitted = blend.fit(scores, races, list(scores), how)
    np.testing.assert_allclose(sum_by_race(fitted.probability(scores, races), races.offsets), 1.0, atol=1e-12)
    assert scale_of(fitted.utility(scores, races), races) == pytest.approx(1.0, abs=5e-3)
    assert fitted.aggregation == how
    if how in ON_LOG_PROBABILITY:
        assert fitted.scale == 1.0
    else:
        assert sum(fitted.weights.values()) == pytest.approx(1.0)
        assert fitted.scale > 0.0


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_calibrating_keeps_the_order_and_lowers_the_loss(how: str):
    races, truth = drawn(800, 22)
    scores = {"a": 3 * truth, "b": 0.2 * truth}
    raw = blend.even(["a", "b"], how)
    better = raw.calibrated(scores, races)
    before, after = raw.utility(scores, races), better.utility(scores, races)
    assert validation_loss(after, races) < validation_loss(before, races)
    np.testing.assert_allclose(
        blend.transformed(RANK, after, races), blend.transformed(RANK, before, races), atol=1e-12
    )
    assert scale_of(after, races) == pytest.approx(1.0, abs=1e-4)


def test_stacking_may_take_a_member_away_that_pooling_can_only_leave_out():
    races, truth = drawn(4000, 23)
    bias = np.random.default_rng(24).standard_normal(len(truth))
    scores = {"sees": truth + bias, "bias": bias}
    stacked, pooled = (blend.fit(scores, races, list(scores), how) for how in (STACKING, LOG_LINEAR))
    assert stacked.weights["bias"] < -0.5
    assert pooled.weights["bias"] == 0.0
    assert validation_loss(stacked.utility(scores, races), races) < validation_loss(
        pooled.utility(scores, races), races
    )


def test_members_that_know_nothing_leave_a_flat_answer():
    races, truth = drawn(300, 25)
    for how in (STANDARDISED, RANK):
        fitted = blend.fit({"lies": -truth, "too": -2 * truth}, races, ["lies", "too"], how)
        chances = fitted.probability({"lies": -truth, "too": -2 * truth}, races)
        np.testing.assert_allclose(chances, 1 / 8, atol=1e-3)


def test_a_blend_comes_back_from_its_plain_values():
    told = Blend({"a": 0.25, "b": 0.75}, RANK, 3.5)
    assert blend.from_dict(json.loads(json.dumps(told.as_dict()))) == told


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"aggregation": "median"}, "no such aggregation.*log_linear, standardised, rank, stacking"),
        ({"scale": 0.0}, "positive"),
        ({"scale": float("nan")}, "positive"),
        ({"weights": {"a": float("inf")}}, "finite"),
    ],
)
def test_a_blend_that_cannot_be_is_refused(values, said: str):
    with pytest.raises(BadInput, match=said):
        blend.from_dict({"weights": {"a": 1.0}, "aggregation": LOG_LINEAR, "scale": 1.0} | values)


def test_members_with_the_same_first_choice_agree_at_the_top_whatever_they_say_below():
    races, truth = drawn(200, 26)
    first = truth == np.repeat(np.maximum.reduceat(truth, races.offsets[:-1]), races.sizes)
    assert blend.top_agreement({"a": truth, "b": np.where(first, 10.0, -truth)}, races) == 1.0
    assert blend.top_agreement({"a": truth, "b": -truth}, races) == 0.0


def test_unrelated_members_pick_alike_as_often_as_chance_has_it():
    races, truth = drawn(4000, 27)
    other = np.random.default_rng(28).standard_normal(len(truth))
    assert blend.top_agreement({"a": truth, "b": other}, races) == pytest.approx(1 / 8, abs=0.02)
    assert blend.top_agreement({"a": truth, "b": np.zeros(len(truth))}, races) == pytest.approx(1 / 8)


def test_nobody_to_agree_with_or_nothing_scored_is_unknown():
    races, truth = drawn(10, 29)
    assert np.isnan(blend.top_agreement({"alone": truth}, races))
    assert np.isnan(blend.top_agreement({"a": truth, "b": truth * np.nan}, races))
    partial = truth.copy()
    partial[0] = np.nan
    assert blend.top_agreement({"a": truth, "b": partial}, races) == 1.0
