"""A recipe is plain data: it comes back from its file, and refuses what cannot be cooked."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from oracle.ensemble import recipe
from oracle.ensemble.recipe import SHIPPED, Member, Pool, Recipe
from oracle.errors import BadInput
from oracle.models.gbdt import Trees


def test_a_recipe_comes_back_from_its_file():
    tried = SHIPPED.with_member("win", {"leaves": 31, "l2": 3.5})
    assert recipe.from_dict(json.loads(json.dumps(tried.as_dict()))) == tried


def test_hyperparameters_replace_the_shipped_ones_and_leave_the_rest():
    ranker = SHIPPED.with_member("win", {"leaves": 31.0}).members["win"].ranker()
    assert isinstance(ranker, Trees)
    assert (ranker.policy.leaves, ranker.policy.trees) == (31, Trees("win").policy.trees)


def test_a_list_from_json_is_a_tuple_to_the_policy():
    ranker = Member("conditional_logit", {"penalties": [10.0, 20.0]}).ranker()
    assert ranker.policy.penalties == (10.0, 20.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("family", "hyperparameters", "said"),
    [
        ("crystal_ball", {}, "no such model family"),
        ("win", {"leafs": 3}, "no such hyperparameter"),
        ("win", {"leaves": 3.5}, "not a whole number"),
        ("win", {"l2": "much"}, "could not convert"),
        ("market", {"exponent": 1.1}, "no such hyperparameter"),
        ("market_logit", {"leaves": 3}, "no such hyperparameter"),
    ],
)
def test_what_a_family_does_not_have_is_refused_by_name(family: str, hyperparameters: dict[str, object], said: str):
    values = SHIPPED.as_dict()
    values["members"]["odd"] = {"family": family, "hyperparameters": hyperparameters}
    with pytest.raises(BadInput, match=said):
        recipe.from_dict(values)


def test_a_form_pool_with_a_member_that_reads_odds_is_refused():
    with pytest.raises(BadInput, match="reads odds"):
        Recipe(SHIPPED.members, Pool(("market_trees",)), SHIPPED.market)


def test_a_pool_without_its_member_is_refused():
    with pytest.raises(BadInput, match="does not have"):
        Recipe({}, Pool(("win",)), SHIPPED.market)


def test_aggregation_and_objective_come_back_from_the_file_and_a_file_without_them_means_the_defaults():
    form = Pool(SHIPPED.form.members, "fitted", "rank", "both")
    tried = replace(SHIPPED, form=form)
    told = json.loads(json.dumps(tried.as_dict()))
    assert recipe.from_dict(told) == tried
    del told["form"]["aggregation"], told["form"]["objective"]
    assert recipe.from_dict(told).form == Pool(SHIPPED.form.members)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aggregation": "median"}, r"no such aggregation.*got 'median'.*log_linear, standardised, rank, stacking"),
        ({"objective": "profit"}, r"no such objective.*got 'profit'.*log_loss, ndcg_at_3, both"),
        ({"aggregation": "stacking", "objective": "ndcg_at_3"}, r"stacking.*got 'ndcg_at_3'.*next: take log_linear"),
        ({"weights": "guessed"}, r"no such way to weigh.*got 'guessed'"),
        ({"weights": {"win": 1.0}}, r"weights and members.*got 'win'"),
    ],
)
def test_a_pool_that_cannot_be_weighed_is_refused(changes: dict[str, object], said: str):
    values = SHIPPED.as_dict()
    values["form"] |= changes
    with pytest.raises(BadInput, match=said):
        recipe.from_dict(values)


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (Pool(("a",)), "fitted by log_loss"),
        (Pool(("a",), "fitted", "rank", "both"), "fitted by both"),
        (Pool(("a",), "even"), "even"),
        (Pool(("a",), {"a": 1.0}), "given"),
    ],
)
def test_a_pool_says_how_its_weights_come_about(pool: Pool, words: str):
    assert pool.weighing == words


def test_a_file_of_another_format_is_refused():
    with pytest.raises(BadInput, match="format"):
        recipe.from_dict({**SHIPPED.as_dict(), "format": 99})
