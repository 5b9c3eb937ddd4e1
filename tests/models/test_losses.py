"""The targets of the losses that are not a likelihood: grades, and the finish as a normal score."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from oracle.errors import BadInput
from oracle.models import families
from oracle.models.families import FAMILIES
from oracle.models.gbdt import Trees
from oracle.models.losses import LOSSES, finish
from oracle.models.ranker import validation_loss
from oracle.progress import silent
from tests.models.test_contract import fitted, periods
from tests.models.test_gbdt import POLICY, some_races
from tests.models.world import made


def finishes(position: list[float]) -> np.ndarray:
    return finish(made(np.zeros(len(position)), [len(position)], position))


@given(st.permutations(list(range(1, 9))))
def test_the_finish_is_the_normal_score_of_the_place_in_the_field(order):
    np.testing.assert_allclose(finishes(order), norm.ppf((np.array(order) - 0.5) / 8))
    assert finishes(order).sum() == pytest.approx(0.0, abs=1e-12)


def test_dead_heaters_get_the_mean_of_their_places_and_those_who_did_not_finish_that_of_the_places_left():
    nan = np.nan
    np.testing.assert_allclose(finishes([1, 1, 3]), norm.ppf([1 / 3, 1 / 3, 2.5 / 3]))
    np.testing.assert_allclose(finishes([2, 1, nan, nan]), norm.ppf([1.5 / 4, 0.5 / 4, 3 / 4, 3 / 4]))
    np.testing.assert_allclose(finishes([nan, nan, nan]), 0.0, atol=1e-12)


def test_a_field_of_one_place_more_or_less_is_on_one_scale():
    assert finishes([1, 2, 3, 4, 5])[2] == finishes(list(range(1, 8)))[3] == 0.0


def test_both_winners_of_a_dead_heat_have_the_grade_of_a_winner():
    grades, sizes, objective, own = LOSSES["rank_xendcg"](made(np.zeros(5), [5], [1, 1, 3, np.nan, 4]))
    assert grades.tolist() == [3, 3, 1, 0, 0]
    assert (sizes.tolist(), objective, own["objective"]) == ([5], None, "rank_xendcg")


def test_the_chance_in_rank_xendcg_comes_from_the_seed():
    races = some_races(1, 80)
    one, same, other = (
        Trees("rank_xendcg", POLICY).fit(races, None, seed, threads, silent).score(races)
        for seed, threads in ((7, 1), (7, 2), (8, 1))
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_the_weights_of_the_places_are_a_hyperparameter_of_the_race_softmax_alone():
    races = some_races(1, 80)
    ranker = families.ranker("race_softmax", {"trees": 8, "min_runners_in_leaf": 5, "decay": [1, 0, 0]})
    winner = ranker.fit(races, None, 7, 1, silent)
    assert winner.hyperparameters()["decay"] == "1.0/0.0/0.0"
    shipped = ranker.tuned({"decay": (1.0, 0.6, 0.4)}).fit(races, None, 7, 1, silent)
    assert (winner.score(races) != shipped.score(races)).any()
    again = families.restore("race_softmax", winner.dump())
    assert again.settled() == winner.settled()
    for other in ("lambdarank", "rank_xendcg", "win", "expected_finish", "market_trees"):
        with pytest.raises(BadInput, match="decay"):
            families.ranker(other, {"decay": (1.0, 0.5)})


def test_a_forest_saved_before_its_places_could_be_weighed_has_the_weights_of_then():
    files = dict(fitted("race_softmax").dump())
    facts = json.loads(files["facts.json"])
    del facts["policy"]["decay"]
    old = families.restore("race_softmax", files | {"facts.json": json.dumps(facts).encode()})
    assert dict(old.dump()) == files


@pytest.mark.parametrize("family", ["lambdarank", "win", "race_softmax", "rank_xendcg", "xgboost"])
def test_the_training_loss_falls_while_a_forest_learns(family: str):
    pytest.importorskip(FAMILIES[family].extra or "lightgbm")
    curve = fitted(family).curve
    assert curve.training[-1] < curve.training[0] < np.log(periods().train.sizes).mean()


def test_the_training_loss_is_that_of_the_scores_on_the_training_races():
    for family in ("win", "race_softmax"):
        ranker, train = fitted(family), periods().train
        kept = ranker.curve.steps.index(int(ranker.hyperparameters()["trees"]))
        assert ranker.curve.training[kept] == pytest.approx(validation_loss(ranker.score(train), train), rel=1e-9)
