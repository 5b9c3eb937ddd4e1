"""A search for weights: finds what is there to find, says even where nothing is, and is the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ensemble import blend
from oracle.ensemble.blend import AGGREGATIONS, LOG_LINEAR, ON_LOG_PROBABILITY, RANK, STACKING, STANDARDISED
from oracle.ensemble.weights import BOTH, LOG_LOSS, NDCG, OBJECTIVES, SearchPolicy, search
from oracle.errors import BadInput, NotEnoughData
from oracle.models.ranker import scale_of
from oracle.ranking import metrics
from oracle.ranking.outcome import gains
from oracle.settings import EvaluationPolicy
from tests.ensemble.test_blend import drawn, views

POLICY = EvaluationPolicy()
SEARCHED = (LOG_LINEAR, STANDARDISED, RANK)


def quick(aggregation: str = LOG_LINEAR, objective: str = NDCG, seed: int = 7) -> SearchPolicy:
    return SearchPolicy(aggregation, objective, vectors=400, seed=seed)


def of(score, races):
    return float(metrics.ndcg(score, gains(races.position, races.offsets, POLICY), races.offsets, 3).mean())


def shares(found):
    total = sum(found.weights.values())
    return {name: weight / total for name, weight in found.weights.items()}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("aggregation", SEARCHED)
def test_a_member_that_sees_gets_the_weight_and_one_of_pure_noise_little(aggregation: str, objective: str):
    races, truth = drawn(1500, 1)
    scores = {"sees": truth, "guesses": np.random.default_rng(2).standard_normal(len(truth))}
    found = search(scores, races, list(scores), POLICY, quick(aggregation, objective))
    assert shares(found)["guesses"] < 0.25
    assert found.races == len(races)
    better = found.value < found.even_value if objective == LOG_LOSS else found.value > found.even_value
    assert better


@pytest.mark.parametrize("objective", [NDCG, BOTH])
@pytest.mark.parametrize("aggregation", SEARCHED)
def test_members_that_are_alike_are_weighed_evenly(aggregation: str, objective: str):
    races, truth = drawn(600, 3)
    scores = views(truth, [1.0, 1.0, 1.0], 4)
    found = search(scores, races, list(scores), POLICY, quick(aggregation, objective))
    assert all(share == pytest.approx(1 / 3, abs=0.15) for share in shares(found).values())
    assert found.best_value >= found.value
    assert found.best_value - found.even_value < 3 * found.noise


def test_what_is_returned_is_within_one_standard_error_of_the_best_and_nearer_to_even():
    races, truth = drawn(800, 5)
    scores = views(truth, [0.8, 1.6, 2.4], 6)
    found = search(scores, races, list(scores), POLICY, quick())
    assert found.even_value <= found.value <= found.best_value
    assert found.best_value - found.value <= found.noise
    assert found.evaluated >= 400


@pytest.mark.parametrize("aggregation", SEARCHED)
def test_the_value_is_that_of_the_blend_that_is_returned_and_the_blend_is_calibrated(aggregation: str):
    races, truth = drawn(500, 7)
    scores = views(3 * truth, [0.5, 2.0], 8)
    found = search(scores, races, list(scores), POLICY, quick(aggregation))
    utility = found.blend.utility(scores, races)
    assert of(utility, races) == pytest.approx(found.value, abs=1e-12)
    assert scale_of(utility, races) == pytest.approx(1.0, abs=1e-4)
    assert (found.scale == 1.0) == (aggregation in ON_LOG_PROBABILITY)
    even = blend.even(list(scores), aggregation)
    assert of(even.utility(scores, races), races) == pytest.approx(found.even_value, abs=1e-12)


def test_both_is_ndcg_and_pseudo_r2_of_the_calibrated_blend():
    races, truth = drawn(500, 9)
    scores = views(truth, [0.5, 2.0], 10)
    found = search(scores, races, list(scores), POLICY, quick(objective=BOTH))
    won = (races.position == 1).astype(float)
    r2 = metrics.pseudo_r2(found.blend.probability(scores, races), won, races.offsets)
    assert found.value == pytest.approx(of(found.blend.utility(scores, races), races) + r2, abs=1e-6)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_by_log_loss_the_answer_is_exact(aggregation: str):
    races, truth = drawn(400, 11)
    scores = views(truth, [0.5, 1.0, 2.0], 12)
    found = search(scores, races, list(scores), POLICY, quick(aggregation, LOG_LOSS))
    assert found.blend == blend.fit(scores, races, list(scores), aggregation)
    assert found.evaluated == 0
    won = (races.position == 1).astype(float)
    loss = metrics.log_loss(found.blend.probability(scores, races), won, races.offsets).mean()
    assert found.value == pytest.approx(loss, abs=1e-12)
    assert found.value <= found.even_value


@given(st.permutations(["m0", "m1", "m2"]), st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_members_is_of_no_consequence_and_the_seed_decides_all(order, seed):
    races, truth = drawn(150, 13)
    scores = views(truth, [0.5, 1.0, 2.0], 14)
    policy = SearchPolicy(vectors=200, seed=seed)
    found = search(scores, races, ["m0", "m1", "m2"], POLICY, policy)
    assert search(scores, races, ["m0", "m1", "m2"], POLICY, policy) == found
    turned = search(scores, races, order, POLICY, policy)
    assert dict(turned.weights) == pytest.approx(dict(found.weights), abs=1e-9)


def test_renaming_the_members_renames_the_weights():
    races, truth = drawn(300, 15)
    scores = views(truth, [0.5, 2.0], 16)
    found = search(scores, races, ["m0", "m1"], POLICY, quick())
    renamed = search({"x0": scores["m0"], "x1": scores["m1"]}, races, ["x0", "x1"], POLICY, quick())
    assert list(renamed.weights.values()) == list(found.weights.values())


def test_races_that_a_member_did_not_score_are_left_out():
    races, truth = drawn(300, 17)
    scores = views(truth, [0.5, 2.0], 18)
    scores["m1"][:80] = np.nan
    found = search(scores, races, ["m0", "m1"], POLICY, quick())
    rest = np.arange(len(races)) >= 10
    rows = np.repeat(rest, races.sizes)
    same = search({n: s[rows] for n, s in scores.items()}, races.take(rest), ["m0", "m1"], POLICY, quick())
    assert found.races == 290
    assert found == same


def test_a_single_member_has_all_the_weight():
    races, truth = drawn(100, 19)
    found = search({"alone": truth}, races, ["alone"], POLICY, quick(STANDARDISED))
    assert found.weights == {"alone": 1.0}
    assert found.value == found.even_value == found.best_value


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(BadInput, match=r"no such objective.*got 'profit'.*log_loss, ndcg_at_3, both"):
        SearchPolicy(objective="profit")
    with pytest.raises(BadInput, match="no such aggregation"):
        SearchPolicy(aggregation="median")
    with pytest.raises(BadInput, match="stacking"):
        SearchPolicy(STACKING, NDCG)
    with pytest.raises(BadInput, match="needs vectors"):
        SearchPolicy(vectors=0)
    races, truth = drawn(5, 20)
    with pytest.raises(NotEnoughData):
        search({"a": truth * np.nan}, races, ["a"], POLICY, quick())
