from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.ranking.calibration import UNCHANGED, IsotonicCalibration, PowerCalibration, from_dict
from oracle.ranking.choice import KINDS, choose, reliability
from oracle.ranking.races import offsets_of, softmax, sum_by_race
from oracle.settings import CalibrationPolicy, EvaluationPolicy

AUTO = CalibrationPolicy()
RUNNERS = 9


def world(races, seed=1, bend=lambda log: log):
    """Races run by true strengths, and the probabilities a model says of them: the true ones, bent."""
    chance = np.random.default_rng(seed)
    offsets = offsets_of(np.full(races, RUNNERS))
    strength = 1.2 * chance.normal(size=races * RUNNERS)
    finish = (strength + chance.gumbel(size=strength.size)).reshape(-1, RUNNERS)
    position = np.argsort(np.argsort(-finish, axis=1), axis=1).ravel() + 1.0
    said = softmax(bend(np.log(softmax(strength, offsets))), offsets)
    return said, position, offsets, np.arange(races) // 8


def test_a_model_that_is_calibrated_is_left_alone():
    taken = [choose(*world(800, seed), AUTO).method for seed in range(12)]
    assert taken.count("none") >= 8


@pytest.mark.parametrize("exponent", [0.7, 1.5])
def test_a_model_that_is_too_flat_or_too_sharp_gets_a_power(exponent):
    found = choose(*world(1500, bend=lambda log: log * exponent), AUTO)
    assert found.method == "power"
    assert found.calibration.exponent == pytest.approx(1 / exponent, abs=0.08)
    assert found.judged["power"].excess <= found.judged["power"].error
    assert found.judged["none"].excess > found.judged["none"].error


def test_a_model_that_is_bent_as_no_power_bends_gets_a_curve():
    found = choose(*world(6000, bend=lambda log: np.maximum(log, np.log(0.06)) * 1.5), AUTO)
    assert found.method == "isotonic"
    assert found.races == 6000


@pytest.mark.parametrize(
    ("method", "kind"), [("none", type(UNCHANGED)), ("power", PowerCalibration), ("isotonic", IsotonicCalibration)]
)
def test_a_method_that_is_asked_for_is_taken_without_a_contest(method, kind):
    found = choose(*world(300), CalibrationPolicy(method=method))
    assert isinstance(found.calibration, kind)
    assert (found.method, found.judged) == (method, {})


def test_no_race_is_judged_under_what_was_fitted_on_its_own_day():
    """Scrambling the results of a block changes nothing of what the block itself would be calibrated by."""
    seen = []

    def spy(prob, position, offsets):
        seen.append(len(offsets) - 1)
        return UNCHANGED

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "power", spy)
        patch.setitem(KINDS, "isotonic", spy)
        choose(*world(400), AUTO)
    assert set(seen) == {320}


@pytest.mark.parametrize("races", [1, 8])
def test_one_day_is_too_little_to_compare_on(races):
    found = choose(*world(races), AUTO)
    assert (found.method, found.races) == ("none", 0)
    assert "too few days" in found.reason


def test_races_without_probabilities_are_left_out():
    said, position, offsets, day = world(400)
    said[: 100 * RUNNERS] = np.nan
    assert choose(said, position, offsets, day, AUTO).races == 300
    nothing = choose(np.full_like(said, np.nan), position, offsets, day, AUTO)
    assert nothing.method == "none"
    assert "nothing to compare" in nothing.reason


@given(st.lists(st.floats(1e-12, 1.0), min_size=2, max_size=12), st.sampled_from(["none", "power", "isotonic"]))
def test_every_calibration_sums_to_one_and_a_power_keeps_the_order(strength, method):
    fitted = choose(*WORLD, CalibrationPolicy(method=method)).calibration
    offsets = offsets_of([len(strength)])
    prob = np.array(strength) / np.sum(strength)
    ours = from_dict(fitted.as_dict()).apply(prob, offsets)
    assert sum_by_race(ours, offsets) == pytest.approx([1], abs=1e-12)
    order = np.argsort(prob, kind="stable")
    assert np.all(np.diff(ours[order]) >= -1e-15)
    if method == "none":
        assert ours.tolist() == prob.tolist()


WORLD = world(200)


def test_reliability_shows_what_the_calibration_mended():
    said, position, offsets, day = world(3000, bend=lambda log: 1.5 * log)
    mended = choose(said, position, offsets, day, AUTO).calibration.apply(said, offsets)
    found = reliability(said, mended, position, offsets, EvaluationPolicy())
    assert found.ece < found.ece_before / 2
    assert found.races == 3000
    assert sum(b.runners for b in found.after) == 3000 * RUNNERS
    told = found.as_dict()
    assert told["after"][0].keys() == {"runners", "forecast", "rate"}
