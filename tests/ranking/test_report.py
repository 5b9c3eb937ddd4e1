from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.ranking import metrics
from oracle.ranking.races import offsets_of, softmax
from oracle.ranking.report import Difference, Mean, NoResult, Report, evaluate, evaluate_slices, paired_difference
from oracle.settings import EvaluationPolicy

POLICY = EvaluationPolicy(resamples=500)
samples = st.lists(st.floats(-100, 100), max_size=20)


@pytest.fixture
def world():
    """A thousand races of ten: (strength, position, offsets)."""
    rng = np.random.default_rng(1)
    strength = rng.normal(size=10_000)
    finish = (strength + rng.gumbel(size=10_000)).reshape(-1, 10)
    return strength, np.argsort(np.argsort(-finish, axis=1), axis=1).ravel() + 1.0, offsets_of(np.full(1000, 10))


@given(samples, samples)
def test_means_of_blocks_add_to_the_mean_of_all(a, b):
    both, whole = Mean.of(a) + Mean.of(b), Mean.of(a + b)
    assert both.n == whole.n
    assert both.mean == pytest.approx(whole.mean, abs=1e-9, nan_ok=True)
    assert both.variance == pytest.approx(whole.variance, abs=1e-7, nan_ok=True)
    assert Mean() + whole == whole + Mean() == whole


def test_a_report_is_frozen_and_plain(world):
    strength, position, offsets = world
    report = evaluate(strength, softmax(strength, offsets), position, offsets, POLICY)
    assert isinstance(report, Report)
    assert report.races == 1000
    assert 0.2 < report.ndcg_at_3 < report.ndcg_at_5 < 1
    assert report.pseudo_r2 > 0.1
    assert json.loads(json.dumps(report.as_dict()))["ndcg_at_3"] == report.ndcg_at_3
    with pytest.raises(FrozenInstanceError):
        report.map = 1.0


def test_a_model_that_only_ranks_has_no_probability_numbers(world):
    strength, position, offsets = world
    report = evaluate(strength, None, position, offsets, POLICY)
    assert (report.log_loss, report.brier, report.pseudo_r2, report.ece) == (None,) * 4


def test_an_all_knowing_model_scores_one(world):
    _, position, offsets = world
    report = evaluate(-position, (position == 1).astype(float), position, offsets, POLICY)
    assert [report.ndcg_at_3, report.ndcg_at_5, report.mrr, report.map, report.top1, report.pseudo_r2] == [1.0] * 6
    assert [report.log_loss, report.brier, report.ece] == [0.0] * 3


def test_what_cannot_be_measured_is_a_reason_and_not_zeros():
    offsets = offsets_of([3, 2])
    none = evaluate(np.zeros(5), None, [1, 2, 3, np.nan, np.nan], offsets, POLICY)
    assert none == NoResult("no race with at least 4 finishers", 2)
    unscored = evaluate([np.nan] * 4, None, [1, 2, 3, 4], offsets_of([4]), POLICY)
    assert isinstance(unscored, NoResult)
    assert "score" in unscored.as_dict()["reason"]
    assert isinstance(evaluate([], None, [], offsets_of([]), POLICY), NoResult)


def test_races_without_a_score_are_counted_and_left_out(world):
    strength, position, offsets = world
    gappy = strength.copy()
    gappy[3] = np.nan
    report = evaluate(gappy, None, position, offsets, POLICY)
    assert (report.races, report.unscored) == (999, 1)
    rest = evaluate(strength, None, position, offsets, POLICY, where=np.arange(1000) > 0)
    assert rest.ndcg_at_3 == report.ndcg_at_3
    assert rest.unscored == 0


def test_slices_report_each_label_and_add_up_to_the_whole(world):
    strength, position, offsets = world
    course = np.where(np.arange(1000) % 3 == 0, "Happy Valley", "Sha Tin")
    slices = evaluate_slices(strength, None, position, offsets, POLICY, course)
    assert list(slices) == ["Happy Valley", "Sha Tin"]
    whole = evaluate(strength, None, position, offsets, POLICY)
    assert sum(s.races * s.ndcg_at_3 for s in slices.values()) / 1000 == pytest.approx(whole.ndcg_at_3)


def test_a_difference_is_repeatable_covers_its_mean_and_is_wider_over_meetings_that_move_together():
    rng = np.random.default_rng(6)
    meeting = np.repeat(np.arange(100), 8)
    gap = 0.02 + np.repeat(rng.normal(0, 0.1, 100), 8) + rng.normal(0, 0.1, 800)
    first, again = (paired_difference(gap, np.zeros(800), meeting, 5, POLICY) for _ in range(2))
    assert isinstance(first, Difference)
    assert first == again
    assert first.low < first.mean < first.high
    assert first.mean == pytest.approx(gap.mean())
    alone = paired_difference(gap, np.zeros(800), np.arange(800), 5, POLICY)
    assert first.standard_error > 2 * alone.standard_error
    assert (first.races, first.meetings) == (800, 100)


def test_a_better_model_is_told_from_a_worse_one(world):
    strength, position, offsets = world
    noisy = strength + np.random.default_rng(2).normal(0, 1.0, strength.size)
    gain = metrics.gains(position, offsets, POLICY)
    good, bad = (metrics.ndcg(s, gain, offsets, 3) for s in (strength, noisy))
    difference = paired_difference(good, bad, np.arange(1000) // 8, 1, POLICY)
    assert difference.low > 0


def test_races_missing_on_one_side_are_left_out_and_a_single_meeting_has_no_interval():
    nan = np.nan
    result = paired_difference([1, nan, 3, 4], [0, 0, nan, 1], ["a", "a", "b", "b"], 1, POLICY)
    assert (result.races, result.mean) == (2, 2.0)
    assert isinstance(paired_difference([1, 2], [0, 0], ["a", "a"], 1, POLICY), NoResult)
    with pytest.raises(BadInput, match="meeting"):
        paired_difference([1, 2], [0, 0], ["a"], 1, POLICY)
