"""Pools weighed as the recipe says, and what each member brings to them."""

from __future__ import annotations

import numpy as np
import pytest

from oracle.ensemble import blend
from oracle.ensemble.blend import AGGREGATIONS, LOG_LINEAR, RANK, STANDARDISED
from oracle.ensemble.pooling import Contribution, chemistry, contribution, weighed
from oracle.ensemble.recipe import EVEN, FITTED, Pool
from oracle.ensemble.weights import NDCG
from oracle.models.ranker import scale_of
from oracle.settings import EvaluationPolicy
from tests.ensemble.test_blend import drawn, views

POLICY = EvaluationPolicy()


def brought(pool: Pool, scores, races):
    return contribution(pool, weighed(pool, scores, races, POLICY, 7), scores, races, POLICY, 7)


def test_a_pool_as_shipped_is_fitted_by_likelihood_to_the_last_bit():
    races, truth = drawn(200, 1)
    scores = views(truth, [0.5, 1.0], 2)
    assert weighed(Pool(("m0", "m1")), scores, races, POLICY, 7) == blend.fit(scores, races, ["m0", "m1"])
    assert weighed(Pool(("m0", "m1"), EVEN), scores, races, POLICY, 7) == blend.even(["m0", "m1"])


@pytest.mark.parametrize("weights", [EVEN, FITTED, {"m0": 0.75, "m1": 0.25}])
@pytest.mark.parametrize("aggregation", [STANDARDISED, RANK])
def test_a_pool_of_scores_without_a_scale_is_given_one(aggregation: str, weights):
    races, truth = drawn(500, 3)
    scores = views(truth, [0.5, 1.0], 4)
    pooled = weighed(Pool(("m0", "m1"), weights, aggregation), scores, races, POLICY, 7)
    assert scale_of(pooled.utility(scores, races), races) == pytest.approx(1.0, abs=1e-2)
    if not isinstance(weights, str):
        assert pooled.weights == weights


def test_weights_that_are_given_are_taken_as_they_are():
    races, truth = drawn(50, 5)
    given = {"m0": 0.9, "m1": 0.4}
    pooled = weighed(Pool(("m0", "m1"), given), views(truth, [0.5, 1.0], 6), races, POLICY, 7)
    assert (pooled.weights, pooled.scale) == (given, 1.0)


def test_a_pool_that_asks_for_ndcg_is_searched_with_the_seed_of_the_training():
    races, truth = drawn(300, 7)
    scores = views(truth, [0.3, 3.0], 8)
    pool = Pool(("m0", "m1"), objective=NDCG)
    found = weighed(pool, scores, races, POLICY, 7)
    assert found == weighed(pool, scores, races, POLICY, 7)
    assert found.weights["m0"] > found.weights["m1"]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_who_sees_brings_more_than_who_guesses(aggregation: str):
    races, truth = drawn(1500, 9)
    scores = {"sees": truth, "guesses": np.random.default_rng(10).standard_normal(len(truth))}
    brings = brought(Pool(("sees", "guesses"), aggregation=aggregation), scores, races)
    assert brings["sees"].log_loss > 0.2
    assert brings["sees"].ndcg_at_3 > 0.2
    assert abs(brings["guesses"].log_loss) < 0.01
    assert abs(brings["guesses"].ndcg_at_3) < 0.01


def test_a_member_that_another_one_repeats_brings_nothing():
    races, truth = drawn(300, 11)
    brings = brought(Pool(("a", "b")), {"a": truth, "b": truth.copy()}, races)
    for member in brings.values():
        assert member.log_loss == pytest.approx(0.0, abs=1e-3)
        assert member.ndcg_at_3 == pytest.approx(0.0, abs=1e-12)


def test_the_only_member_brings_all_there_is_over_a_uniform_race():
    races, truth = drawn(500, 12)
    pooled = blend.fit({"a": truth}, races, ["a"])
    (brings,) = brought(Pool(("a",)), {"a": truth}, races).values()
    won = races.position == 1
    loss = -np.log(pooled.probability({"a": truth}, races)[won]).mean()
    assert brings.log_loss == pytest.approx(np.log(8) - loss)


def test_given_weights_are_shared_out_among_the_rest():
    races, truth = drawn(200, 13)
    scores = views(truth, [0.5, 1.0, 2.0], 14)
    brings = brought(Pool(tuple(scores), {"m0": 0.6, "m1": 0.4, "m2": 0.0}), scores, races)
    assert brings["m2"] == Contribution(0.0, 0.0)
    lonely = brought(Pool(("m0", "m1"), {"m0": 1.0, "m1": 0.0}), scores, races)
    assert lonely["m0"].log_loss > 0.1


def test_all_are_measured_on_the_races_that_all_have_scored():
    races, truth = drawn(200, 15)
    scores = views(truth, [0.5, 1.0], 16)
    rest = np.arange(len(races)) >= 10
    rows = np.repeat(rest, races.sizes)
    whole = brought(Pool(("m0", "m1")), {n: s[rows] for n, s in scores.items()}, races.take(rest))
    scores["m1"][~rows] = np.nan
    partial = brought(Pool(("m0", "m1"), EVEN), scores, races)
    again = brought(Pool(("m0", "m1"), EVEN), {n: s[rows] for n, s in scores.items()}, races.take(rest))
    assert partial == again
    assert whole.keys() == partial.keys()


def test_chemistry_is_agreement_and_contributions_of_the_members_of_the_pool_alone():
    races, truth = drawn(200, 17)
    scores = {"a": truth, "b": 2 * truth, "other": -truth}
    pool = Pool(("a", "b"), EVEN, LOG_LINEAR)
    found = chemistry(pool, weighed(pool, scores, races, POLICY, 7), scores, races, POLICY, 7)
    assert found.agreement == pytest.approx(1.0)
    assert found.top_agreement == 1.0
    assert set(found.contribution) == {"a", "b"}
