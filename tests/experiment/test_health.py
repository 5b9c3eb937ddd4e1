from __future__ import annotations

import json

import numpy as np
import pytest

from oracle.experiment.health import calibration, failures, guardrails, latency, sample_ratio, sample_ratio_once
from oracle.experiment.observed import ArmSeen, SharePeriod
from oracle.settings import GuardrailPolicy
from tests.experiment import golden
from tests.experiment.seen import arm, observed, paired

POLICY = GuardrailPolicy()


def test_units_in_the_shares_asked_for_are_fine():
    assert sample_ratio([SharePeriod((0.1,), (9000, 1000))], 0.001).state == "fine"


def test_units_that_are_lost_on_one_side_are_a_mismatch():
    found = sample_ratio([SharePeriod((0.1,), (9000, 800))], 0.001)
    assert found.state == "breach"
    assert "800 where 980 were due" in found.cause
    assert (sample_ratio_once([SharePeriod((0.1,), (9000, 800))]) or 1.0) < 0.001


def test_a_ramp_is_no_mismatch_because_each_share_is_held_against_its_own_units():
    periods = [SharePeriod((0.1,), (900, 100)), SharePeriod((0.5,), (500, 500))]
    assert sample_ratio(periods, 0.001).state == "fine"
    assert sample_ratio([SharePeriod((0.1,), (1400, 600))], 0.001).state == "breach"


def test_several_challengers_are_held_against_their_own_shares():
    assert sample_ratio([SharePeriod((0.1, 0.2), (700, 100, 200))], 0.001).state == "fine"
    assert sample_ratio([SharePeriod((0.1, 0.2), (700, 200, 100))], 0.001).state == "breach"


def test_a_unit_in_an_arm_without_a_share_is_a_mismatch_at_once():
    assert sample_ratio([SharePeriod((0.0,), (100, 1))], 0.001).state == "breach"


def test_nobody_assigned_is_not_enough_evidence():
    assert sample_ratio([], 0.001).state == "not enough evidence"
    assert sample_ratio_once([]) is None


def test_the_evidence_is_the_product_of_what_each_unit_was_predicted_with():
    found = sample_ratio([SharePeriod((0.1,), (900, 140))], 0.001)
    told = json.loads(golden.FILE.read_text("utf-8"))
    assert found.value == pytest.approx(told["share_p"], rel=1e-6)


def test_a_control_with_few_requests_makes_no_slow_challenger():
    chance = np.random.default_rng(8)
    breaches = 0
    for _ in range(300):
        few, many = (ArmSeen(n, 0, chance.lognormal(1.0, 1.5, n)) for n in (100, 3000))
        strict = POLICY.model_copy(update={"max_p95_ratio": 1.0, "p95_slack_ms": 0.0})
        breaches += latency(observed(paired([]), control=few, treatment=many), strict).state == "breach"
    assert breaches <= 1


def test_looking_at_the_ratio_all_day_cries_wolf_in_fewer_than_one_test_of_a_hundred():
    chance = np.random.default_rng(4)
    alarms = 0
    for _ in range(200):
        treated = np.cumsum(chance.random(3000) < 0.1)
        looks = (SharePeriod((0.1,), (n - int(treated[n - 1]), int(treated[n - 1]))) for n in range(50, 3001, 50))
        alarms += any(sample_ratio([look], 0.01).state == "breach" for look in looks)
    assert alarms / 200 <= 0.01


def test_a_challenger_that_fails_slows_or_is_badly_calibrated_breaches():
    harmless = observed(paired(np.zeros(400)))
    assert [f.state for f in guardrails(harmless, POLICY, 1900)] == ["fine", "fine", "fine"]
    assert failures(observed(paired([]), treatment=arm(1000, failures=60)), POLICY).state == "breach"
    assert latency(observed(paired([]), treatment=arm(1000, slower=5.0)), POLICY).state == "breach"
    assert calibration(paired(np.zeros(400), worse=0.1), POLICY, 400).state == "breach"


def test_too_few_predictions_or_races_are_not_enough_evidence_and_never_fine():
    few = observed(paired(np.zeros(10)), treatment=arm(50))
    assert {f.state for f in guardrails(few, POLICY, 1900)} == {"not enough evidence"}
