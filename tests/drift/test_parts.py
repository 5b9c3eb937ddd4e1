"""Each part answers drift, no drift or could not measure, and says why: predictions, accuracy, results."""

from __future__ import annotations

import numpy as np
import pytest

from oracle.drift import contrast
from oracle.drift.concept import concept
from oracle.drift.outcome import outcome
from oracle.drift.prediction import prediction
from oracle.drift.racing import RaceSums
from oracle.drift.words import Verdict
from oracle.settings import DriftPolicy
from tests.drift.invented import races

POLICY = DriftPolicy()
BEFORE = RaceSums.of(races(600, seed=21, begin="2023-01-01"))


def later(seed: int = 2, count: int = 600, **changes: float) -> RaceSums:
    return RaceSums.of(races(count, seed, **changes))  # type: ignore[arg-type]


def test_nothing_changed_is_no_drift_everywhere() -> None:
    for part in (prediction, concept, outcome):
        assert part(BEFORE, later(), POLICY).verdict in (Verdict.NO_DRIFT, Verdict.UNMEASURED)
    assert outcome(BEFORE, later(), POLICY).verdict is Verdict.NO_DRIFT


def test_a_model_that_sees_less_than_it_did_decays() -> None:
    said = concept(BEFORE, later(skill=0.0), POLICY)
    assert said.verdict is Verdict.DRIFT
    assert said.found["drop"] > POLICY.ndcg_drop
    assert said.found["market"]["behind_market"]["low"] > 0


def test_a_fall_that_the_market_shares_is_a_hard_card() -> None:
    said = concept(BEFORE, later(spread=0.5), POLICY)
    assert said.found["low"] > 0
    assert said.verdict is Verdict.NO_DRIFT
    assert "a hard card, not decay" in said.cause


def test_without_odds_a_fall_is_told_and_so_is_the_doubt() -> None:
    blind = RaceSums.of(races(600, seed=3, skill=0.0).drop_columns(["odds"]))
    said = concept(BEFORE, blind, POLICY)
    assert said.verdict is Verdict.DRIFT
    assert "no odds" in said.cause


@pytest.mark.parametrize("part", [concept, outcome, prediction])
def test_too_few_races_could_not_be_measured(part: object) -> None:
    for window in (RaceSums.zero(), later(count=5)):
        said = part(BEFORE, window, POLICY)  # type: ignore[operator]
        assert said.verdict is Verdict.UNMEASURED
        assert "needed" in said.cause or "no races" in said.cause


def test_what_the_model_expects_of_itself_needs_no_results() -> None:
    table = races(200, seed=4).drop_columns(["position", "time_s"])
    said = concept(BEFORE, RaceSums.of(table), POLICY)
    assert said.verdict is Verdict.UNMEASURED
    assert said.found["expected"]["races"] == 200
    assert 0.4 < said.found["expected"]["foreseen"] < 0.8
    checked = concept(BEFORE, later(), POLICY).found["expected"]
    assert checked["beyond_reference"]["as_expected"]


def test_a_draw_bias_that_turns_is_an_outcome() -> None:
    said = outcome(later(3, draw=2.0), later(4, draw=-2.0), POLICY)
    assert said.verdict is Verdict.DRIFT
    assert said.found["draw"]["drifted"]
    assert not said.found["times"]["drifted"]
    assert "stalls of the first three" in said.cause


def test_slower_times_over_the_same_courses_are_an_outcome_and_another_mix_of_courses_is_none() -> None:
    said = outcome(BEFORE, later(slower=0.03), POLICY)
    assert said.found["times"]["drifted"]
    assert said.found["times"]["difference"] == pytest.approx(0.03, abs=0.004)
    calm = outcome(BEFORE, RaceSums.of(races(300, seed=9, courses=("York",))), POLICY)
    assert not calm.found["times"]["drifted"]


def test_predictions_that_become_bolder_drift() -> None:
    said = prediction(BEFORE, later(spread=1.8), POLICY)
    assert said.verdict is Verdict.DRIFT
    assert said.found["win"]["drifted"]


def test_races_of_a_day_that_are_alike_do_not_pass_for_many() -> None:
    chance, alarms, naive = np.random.default_rng(1), 0, 0
    for _ in range(200):
        one, two = (10.0 * np.eye(3)[chance.integers(0, 3, 40)] for _ in range(2))
        shift = contrast.distribution(one, two, ("a", "b", "c"))
        assert shift is not None
        alarms += shift.p_value < 0.05
        naive += shift.chi2 * shift.design_effect > 3.0
    assert alarms / 200 <= 0.08
    assert naive / 200 > 0.5


def test_the_interval_of_a_mean_holds_its_confidence_over_meetings() -> None:
    chance, inside = np.random.default_rng(2), 0
    for _ in range(300):
        windows = [(chance.normal(0.0, 1.0, m) * 8 + chance.normal(0, 1, m), np.full(m, 8.0)) for m in (40, 12)]
        change = contrast.mean(windows[0], windows[1], 0.95)
        assert change is not None
        inside += change.low <= 0.0 <= change.high
    assert 0.91 <= inside / 300 <= 0.985
