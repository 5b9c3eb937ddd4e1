from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput, NotEnoughData
from oracle.ranking import metrics
from oracle.ranking.calibration import (
    IsotonicCalibration,
    PowerCalibration,
    fit_discount,
    fit_isotonic,
    fit_power,
    from_dict,
    reliability_table,
)
from oracle.ranking.outcome import ANY_RESULT, winners
from oracle.ranking.races import offsets_of, softmax, sum_by_race


@pytest.fixture(scope="module")
def world():
    """Eight thousand races run by known strengths: (strength, position, offsets)."""
    rng = np.random.default_rng(8)
    strength = rng.normal(size=80_000)
    finish = (strength + rng.gumbel(size=80_000)).reshape(-1, 10)
    return strength, np.argsort(np.argsort(-finish, axis=1), axis=1).ravel() + 1.0, offsets_of(np.full(8000, 10))


@given(
    st.lists(st.one_of(st.just(0.0), st.floats(1e-12, 1.0)), min_size=2, max_size=30).filter(any),
    st.floats(0.05, 20),
)
def test_calibrated_probabilities_sum_to_one(prob, exponent):
    offsets = offsets_of([len(prob)])
    for calibration in (PowerCalibration(exponent), IsotonicCalibration((0.1, 0.4, 0.8), (0.05, 0.5, 0.9))):
        assert sum_by_race(calibration.apply(prob, offsets), offsets) == pytest.approx([1], abs=1e-12)


def test_power_keeps_the_order_the_zeros_and_the_certainties():
    offsets = offsets_of([4, 2])
    out = PowerCalibration(1.7).apply([0.5, 0.3, 0.2, 0.0, 1.0, 0.0], offsets)
    assert out[0] > out[1] > out[2] > out[3] == 0
    assert out[4:].tolist() == [1, 0]
    assert PowerCalibration().apply([0.5, 0.3, 0.2, 0.0, 1.0, 0.0], offsets) == pytest.approx([0.5, 0.3, 0.2, 0, 1, 0])


def test_a_race_with_a_gap_stays_unknown_and_leaves_its_neighbour_alone():
    offsets = offsets_of([2, 2])
    for calibration in (PowerCalibration(2.0), IsotonicCalibration((0.1, 0.8), (0.1, 0.8))):
        out = calibration.apply([0.5, np.nan, 0.5, 0.5], offsets)
        assert np.isnan(out).tolist() == [True, True, False, False]


@pytest.mark.parametrize("boast", [0.5, 1.0, 2.0])
def test_the_exponent_that_was_applied_is_undone(world, boast):
    strength, position, offsets = world
    fitted = fit_power(softmax(boast * strength, offsets), position, offsets)
    assert fitted.exponent == pytest.approx(1 / boast, rel=0.04)


@pytest.mark.parametrize("fit", [fit_power, fit_isotonic])
def test_calibration_improves_log_loss_and_calibration_error_of_a_boastful_model(world, fit):
    strength, position, offsets = world
    half = offsets[4000]
    earlier, later = offsets_of(np.full(4000, 10)), offsets_of(np.full(4000, 10))
    boasted = softmax(2.0 * strength, offsets)
    calibrated = fit(boasted[:half], position[:half], earlier).apply(boasted[half:], later)
    won = winners(position[half:], later, ANY_RESULT)
    assert metrics.log_loss(calibrated, won, later).mean() < metrics.log_loss(boasted[half:], won, later).mean() - 0.05
    assert metrics.ece(calibrated, won, later, 20) < 0.5 * metrics.ece(boasted[half:], won, later, 20)


def test_nobody_is_left_without_a_chance_by_the_isotonic_curve(world):
    strength, position, offsets = world
    fitted = fit_isotonic(softmax(6 * strength, offsets), position, offsets)
    assert min(fitted.rate) > 0
    assert all(np.diff(fitted.rate) >= 0)


def test_a_calibration_survives_being_written_down(world):
    strength, position, offsets = world
    prob = softmax(strength, offsets)
    for calibration in (fit_power(prob, position, offsets), fit_isotonic(prob, position, offsets)):
        again = from_dict(json.loads(json.dumps(calibration.as_dict())))
        assert again == calibration
        assert np.array_equal(again.apply(prob, offsets), calibration.apply(prob, offsets))
    with pytest.raises(BadInput, match="calibration"):
        from_dict({"kind": "wishful"})


def test_a_model_that_knows_nothing_is_left_alone_and_extremes_end_at_the_range():
    offsets, position = offsets_of([3, 3]), [1, 2, 3, 2, 1, 3]
    assert fit_power(np.full(6, 1 / 3), position, offsets).exponent == 1.0
    assert fit_power([0.5, 0.3, 0.2, 0.3, 0.5, 0.2], position, offsets).exponent == 1000.0
    assert fit_power([0.2, 0.3, 0.5, 0.3, 0.2, 0.5], position, offsets).exponent == 0.001


@pytest.mark.parametrize("fit", [fit_power, fit_isotonic])
def test_fitting_leaves_out_races_without_result_or_probability_and_refuses_when_none_is_left(fit):
    nan, offsets = np.nan, offsets_of([3, 3])
    with pytest.raises(NotEnoughData):
        fit([0.5, 0.3, 0.2, 0.5, nan, 0.5], [nan, nan, nan, 1, 2, 3], offsets)
    fit([0.5, 0.3, 0.2, 0.5, nan, 0.5], [1, 2, 3, 1, 2, 3], offsets)


def test_the_reliability_table_counts_every_runner_once_and_rises(world):
    strength, position, offsets = world
    table = reliability_table(softmax(strength, offsets), position, offsets, 10)
    assert sum(row.runners for row in table) == 80_000
    assert {row.runners for row in table} == {8000}
    assert all(abs(row.forecast - row.rate) < 0.02 for row in table)
    assert np.all(np.diff([row.forecast for row in table]) > 0)


def test_races_run_by_plackett_luce_need_no_discount_and_those_of_normal_times_do(world):
    strength, position, offsets = world
    plain = fit_discount(softmax(strength, offsets), position, offsets)
    assert min(plain.second, plain.third, plain.fourth) > 0.95
    finish = strength + 1.2 * np.random.default_rng(9).normal(size=strength.size)
    normal = np.argsort(np.argsort(-finish.reshape(-1, 10), axis=1), axis=1).ravel() + 1.0
    chance = fit_power(softmax(strength, offsets), normal, offsets).apply(softmax(strength, offsets), offsets)
    found = fit_discount(chance, normal, offsets)
    assert 0.95 > found.second > found.third > found.fourth > 0.5


def test_dead_heats_before_a_place_are_left_out_of_its_discount():
    offsets, prob = offsets_of([6, 6]), [0.4, 0.2, 0.15, 0.1, 0.1, 0.05] * 2
    clear = fit_discount(prob[:6], [3, 2, 1, 4, 5, 6], offsets_of([6]))
    assert fit_discount(prob, [3, 2, 1, 4, 5, 6, 1, 1, 3, 4, 5, 6], offsets).second == pytest.approx(clear.second)
    with pytest.raises(NotEnoughData):
        fit_discount([0.5, 0.5], [1, 2], offsets_of([2]))
