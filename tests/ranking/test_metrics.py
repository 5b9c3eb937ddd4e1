from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score
from sklearn.metrics import log_loss as sklearn_log_loss

from oracle.errors import BadInput
from oracle.ranking import metrics
from oracle.ranking.outcome import ANY_RESULT, counted, gains, placed, relevance, winners
from oracle.ranking.races import offsets_of, softmax
from oracle.settings import EvaluationPolicy

POLICY = EvaluationPolicy()


@st.composite
def race(draw, smallest=2, largest=9):
    """Scores with many ties, and positions with dead heats and non-finishers (at least two finish)."""
    n = draw(st.integers(smallest, largest))
    score = draw(st.lists(st.sampled_from([-1.5, 0.0, 0.25, 3.0, 7.5]), min_size=n, max_size=n))
    order = draw(st.permutations(range(1, n + 1)))
    finishers = draw(st.integers(2, n))
    joined = draw(st.sets(st.integers(2, n)))
    label = {1: 1}
    for place in range(2, n + 1):
        label[place] = label[place - 1] if place in joined else place
    return np.array(score), np.array([float(label[p]) if p <= finishers else np.nan for p in order])


def one(value):
    assert value.shape == (1,)
    return float(value[0])


def all_orders(score):
    """Every strict order that agrees with the scores, as a list of runner indices from first to last."""
    groups = [np.flatnonzero(score == s).tolist() for s in sorted(set(score.tolist()), reverse=True)]
    for parts in itertools.product(*(itertools.permutations(g) for g in groups)):
        yield [runner for part in parts for runner in part]


@given(race(), st.integers(1, 10))
def test_ndcg_equals_scikit_learn_with_ties(drawn, k):
    score, position = drawn
    gain = gains(position, offsets_of([score.size]), ANY_RESULT)
    ours = one(metrics.ndcg(score, gain, offsets_of([score.size]), k))
    assert ours == pytest.approx(ndcg_score([gain], [score], k=k), abs=1e-12)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=30), st.lists(st.integers(0, 5), min_size=30, max_size=30))
def test_ndcg_equals_scikit_learn_on_any_gain(gain, score):
    gain = np.array(gain)
    score = np.array(score[: gain.size], dtype=float)
    ours = one(metrics.ndcg(score, gain, offsets_of([gain.size]), 3))
    if gain.max() > 1e-300:
        assert ours == pytest.approx(ndcg_score([gain], [score], k=3), abs=1e-12)
    elif gain.max() == 0:
        assert np.isnan(ours)


@given(race(largest=6))
def test_every_ranking_metric_is_the_mean_over_all_orders_of_the_tied_runners(drawn):
    score, position = drawn
    offsets = offsets_of([score.size])
    gain, won, hit = (f(position, offsets, ANY_RESULT) for f in (gains, winners, placed))
    strict = [-np.argsort(order).astype(float) for order in all_orders(score)]
    for metric, target in (
        (lambda s, t, o: metrics.ndcg(s, t, o, 3), gain),
        (metrics.mrr, won),
        (metrics.average_precision, hit),
        (metrics.top1, won),
    ):
        mean = np.mean([one(metric(s, target, offsets)) for s in strict])
        assert one(metric(score, target, offsets)) == pytest.approx(mean, abs=1e-12)


@given(race(smallest=3))
def test_average_precision_equals_scikit_learn_where_nothing_ties(drawn):
    _, position = drawn
    score = np.random.default_rng(position.size).permutation(position.size).astype(float)
    hit = placed(position, offsets_of([position.size]), ANY_RESULT)
    ours = one(metrics.average_precision(score, hit, offsets_of([position.size])))
    assert ours == pytest.approx(average_precision_score(hit, score), abs=1e-12)


@given(race(), st.randoms())
def test_the_order_of_the_rows_is_of_no_consequence(drawn, chance):
    score, position = drawn
    offsets = offsets_of([score.size])
    rows = list(range(score.size))
    chance.shuffle(rows)
    for name in ("mrr", "top1", "log_loss", "brier"):
        values = softmax(score, offsets) if name in ("log_loss", "brier") else score
        metric = getattr(metrics, name)
        there = metric(values, winners(position, offsets, ANY_RESULT), offsets)
        back = metric(values[rows], winners(position[rows], offsets, ANY_RESULT), offsets)
        assert one(there) == pytest.approx(one(back), abs=1e-12)


def test_a_constant_model_scores_like_a_random_one_although_rows_lie_in_finishing_order():
    n, races = 12, 20_000
    offsets = offsets_of(np.full(races, n))
    position = np.tile(np.arange(1.0, n + 1), races)
    gain = gains(position, offsets, POLICY)
    constant = metrics.ndcg(np.zeros(position.size), gain, offsets, 3)
    random = metrics.ndcg(np.random.default_rng(5).random(position.size), gain, offsets, 3)
    assert np.ptp(constant) == 0
    assert constant[0] == pytest.approx(random.mean(), abs=4 * random.std() / np.sqrt(races))


def test_dead_heats_share_the_gain_of_the_places_they_fill():
    offsets = offsets_of([5])
    assert gains([1, 1, 3, 4, 5], offsets, POLICY).tolist() == [5, 5, 1, 0, 0]
    assert gains([1, 2, 3, 3, 5], offsets, POLICY).tolist() == [7, 3, 0.5, 0.5, 0]
    assert gains([1, 1, 1, 4, 5], offsets, POLICY) == pytest.approx([11 / 3] * 3 + [0, 0])
    assert gains([1, 1, 2, 3, 4], offsets, POLICY).tolist() == [5, 5, 1, 0, 0], "whatever the source calls the third"
    assert placed([1, 2, 3, 3, 5], offsets, POLICY).tolist() == [1, 1, 1, 1, 0]
    assert winners([1, 1, 3, np.nan, 4], offsets, POLICY).tolist() == [0.5, 0.5, 0, 0, 0]


def test_relevance_is_three_two_one_and_nothing():
    position = [4, 1, np.nan, 2, 3]
    assert relevance(position, offsets_of([5])).tolist() == [0, 3, 0, 2, 1]
    assert relevance([1, 1, 3], offsets_of([3])) == pytest.approx([np.log2(6), np.log2(6), 1])


def test_a_dead_heat_for_first_counts_the_best_ranked_winner():
    offsets, position = offsets_of([4]), [1, 4, 1, 3]
    won = winners(position, offsets, POLICY)
    assert one(metrics.mrr([1, 4, 3, 2], won, offsets)) == 0.5
    assert one(metrics.top1([1, 2, 4, 3], won, offsets)) == 1.0
    prob = np.array([0.2, 0.3, 0.4, 0.1])
    assert one(metrics.log_loss(prob, won, offsets)) == pytest.approx(-(np.log(0.2) + np.log(0.4)) / 2)
    assert one(metrics.brier(prob, won, offsets)) == pytest.approx(0.3**2 + 0.3**2 + 0.1**2 + 0.1**2)


def test_races_without_a_result_or_with_too_few_finishers_do_not_count():
    nan = np.nan
    sizes = [5, 3, 4, 0, 5]
    position = [1, 2, 3, 4, nan] + [1, 2, 3] + [nan] * 4 + [1, 2, 3, nan, nan]
    offsets = offsets_of(sizes)
    assert counted(position, offsets, POLICY).tolist() == [True, False, False, False, False]
    score = np.arange(17.0)
    won = winners(position, offsets, POLICY)
    for values in (
        metrics.ndcg(score, gains(position, offsets, POLICY), offsets, 3),
        metrics.mrr(score, won, offsets),
        metrics.top1(score, won, offsets),
        metrics.average_precision(score, placed(position, offsets, POLICY), offsets),
        metrics.log_loss(softmax(score, offsets), won, offsets),
        metrics.brier(softmax(score, offsets), won, offsets),
    ):
        assert np.isnan(values).tolist() == [False, True, True, True, True]


def test_a_runner_without_a_score_makes_its_race_unknown():
    offsets, position = offsets_of([4, 4]), [1, 2, 3, 4] * 2
    score = np.array([1.0, 2, 3, np.nan, 4, 3, 2, 1])
    won = winners(position, offsets, POLICY)
    for values in (
        metrics.ndcg(score, gains(position, offsets, POLICY), offsets, 3),
        metrics.mrr(score, won, offsets),
        metrics.top1(score, won, offsets),
        metrics.average_precision(score, placed(position, offsets, POLICY), offsets),
        metrics.brier(score, won, offsets),
    ):
        assert np.isnan(values).tolist() == [True, False]


def test_log_loss_equals_scikit_learn_and_a_certain_loser_that_won_costs_a_finite_amount():
    offsets, position = offsets_of([4, 4, 4]), [2, 1, 3, 4, 1, 2, 3, 4, 4, 3, 2, 1]
    prob = np.array([0.1, 0.2, 0.3, 0.4, 0, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25])
    ours = metrics.log_loss(prob, winners(position, offsets, POLICY), offsets)
    assert ours.mean() == pytest.approx(sklearn_log_loss([1, 0, 3], prob.reshape(3, 4), labels=[0, 1, 2, 3]))
    assert ours[1] == pytest.approx(36.04, abs=0.01)


def test_pseudo_r2_is_zero_for_the_uniform_model_and_one_for_the_all_knowing():
    offsets, position = offsets_of([4, 6]), [2, 1, 3, 4, 1, 2, 3, 4, 6, 5]
    won = winners(position, offsets, POLICY)
    assert metrics.pseudo_r2(np.repeat([1 / 4, 1 / 6], [4, 6]), won, offsets) == pytest.approx(0, abs=1e-15)
    assert metrics.pseudo_r2(won, won, offsets) == pytest.approx(1)
    assert np.isnan(metrics.pseudo_r2(won * np.nan, won, offsets))


def test_calibration_error_is_small_for_true_probabilities_and_large_for_boasted_ones():
    rng = np.random.default_rng(11)
    offsets = offsets_of(np.full(5000, 8))
    strength = rng.normal(size=40_000)
    time = -(strength + rng.gumbel(size=40_000))
    position = np.argsort(np.argsort(time.reshape(-1, 8), axis=1), axis=1).ravel() + 1.0
    won = winners(position, offsets, POLICY)
    assert metrics.ece(softmax(strength, offsets), won, offsets, 20) < 0.01
    assert metrics.ece(softmax(3 * strength, offsets), won, offsets, 20) > 0.05


def test_equal_probabilities_share_one_bin_whatever_the_order_of_the_rows():
    offsets = offsets_of([4] * 50)
    position = np.tile([1.0, 2, 3, 4], 50)
    won = winners(position, offsets, POLICY)
    assert metrics.ece(np.full(200, 0.25), won, offsets, 20) == 0
    prob = np.tile([0.4, 0.2, 0.2, 0.2], 50)
    runners, forecast, rate = metrics.reliability(prob, won, offsets, 20)
    assert runners.tolist() == [150, 50]
    assert forecast == pytest.approx([0.2, 0.4])
    assert rate.tolist() == [0, 1]


def test_misfitting_arrays_are_refused_with_the_reason():
    with pytest.raises(BadInput, match="offsets"):
        metrics.ndcg([1, 2, 3], [1, 0, 0], np.array([0, 2]), 3)
    with pytest.raises(BadInput, match="one value for each runner"):
        metrics.mrr([1, 2, 3], [1, 0], np.array([0, 2]))
    with pytest.raises(BadInput, match="at least one rank"):
        metrics.ndcg([1, 2], [1, 0], np.array([0, 2]), 0)


def test_read_only_arrays_as_arrow_hands_them_out_are_welcome():
    score = np.arange(4.0)
    score.flags.writeable = False
    offsets = offsets_of([4])
    assert one(metrics.ndcg(score, gains([4, 3, 2, 1], offsets, POLICY), offsets, 3)) == 1.0
