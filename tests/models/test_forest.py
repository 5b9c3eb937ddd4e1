"""The flattened forest against LightGBM itself: equal bits, whatever the trees and whatever the values."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.check import check
from oracle.data.sources import SOURCES
from oracle.errors import BadInput
from oracle.features.build import history
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.models.forest import Forest, parse
from oracle.models.gbdt import Trees
from oracle.progress import silent
from tests.models.world import quick

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
F = 5
EDGES = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-35, -1e-35, 1.1e-35, 1e-38, 1e-45, 3e38, -3e38, 0.5, -0.5, 1.0, 2.0]
CATEGORIES = [-1.0, -0.5, 0.0, 0.9, 31.0, 32.0, 33.5, 63.0, 64.0, 1e6, 2147483647.0, 2147483648.0, 1e300, -1e300]


def training(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows with missing values, zeros, a column of categories and one that is nearly always 0."""
    chance = np.random.default_rng(seed)
    rows = int(chance.integers(30, 300))
    x = chance.standard_normal((rows, F))
    x[chance.random(x.shape) < 0.2] = np.nan
    x[chance.random(x.shape) < 0.2] = 0.0
    x[:, 3] = chance.integers(0, 70, rows)
    x[:, 4] = np.where(chance.random(rows) < 0.9, 0.0, chance.standard_normal(rows) * 10.0 ** chance.integers(-40, 30))
    return x, np.nansum(x[:, :3], axis=1) + (x[:, 3] % 7 > 3) + 0.1 * chance.standard_normal(rows)


def asked(seed: int, rows: int) -> np.ndarray:
    """Return rows to score: ordinary values, edges of every kind, and categories that no one has seen."""
    chance = np.random.default_rng(seed)
    x = chance.standard_normal((rows, F)) * 10.0 ** chance.integers(-3, 3, (rows, F))
    edge = chance.random(x.shape) < 0.4
    x[edge] = chance.choice(EDGES, int(edge.sum()))
    odd = chance.random(rows) < 0.5
    x[:, 3] = np.where(odd, chance.choice(CATEGORIES, rows), chance.integers(0, 70, rows))
    x[chance.random(rows) < 0.1, 3] = np.nan
    return x


def grown(seed: int, trees: int = 8, **told: Any) -> lgb.Booster:
    x, y = training(seed)
    parameters = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "seed": seed} | told
    parameters |= {"min_data_per_group": 2, "cat_smooth": 1.0, "cat_l2": 1.0}
    if parameters.get("objective") == "binary":
        y = (y > np.median(y)).astype(np.float64)
    data = lgb.Dataset(x, label=y, categorical_feature=[3] if parameters.pop("categories", False) else [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lgb.Booster(model_str=lgb.train(parameters, data, trees).model_to_string())


def assert_equal(booster: lgb.Booster, forest: Forest, values: np.ndarray) -> None:
    theirs = np.asarray(booster.predict(values, raw_score=True, num_threads=1))
    assert forest.score(values).tobytes() == theirs.astype(np.float64).tobytes()


@pytest.fixture(scope="module")
def real_races(real_data: Path) -> RaceMatrix:
    """All races of Hong Kong there are."""
    paths = sorted((real_data / "hkjc").rglob("results_*.csv"), key=lambda path: path.name)
    accepted = [check(batch, NOW).accepted for batch in SOURCES["hkjc"].read(paths)]
    return history(from_frame(pd.concat(accepted, ignore_index=True)), "market")


SHAPES = st.fixed_dictionaries(
    {
        "num_leaves": st.integers(2, 40),
        "objective": st.sampled_from(["regression", "binary", "regression_l1"]),
        "boosting": st.sampled_from(["gbdt", "dart"]),
        "use_missing": st.booleans(),
        "zero_as_missing": st.booleans(),
        "categories": st.booleans(),
        "max_cat_to_onehot": st.sampled_from([1, 4, 100]),
        "boost_from_average": st.booleans(),
        "max_bin": st.sampled_from([3, 16, 255]),
    }
)


@settings(max_examples=150)
@given(st.integers(0, 10_000), SHAPES, st.sampled_from([1, 2, 13, 31, 32, 33, 70]))
def test_every_row_has_the_score_that_lightgbm_gives_it_to_the_last_bit(seed: int, shape: dict[str, Any], rows: int):
    booster = grown(seed, **shape)
    forest = parse(booster.model_to_string())
    values = asked(seed + 1, rows)
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    assert_equal(booster, forest, values)
    assert_equal(booster, forest, narrow)
    assert len(forest) == booster.num_trees()


@given(st.integers(0, 10_000))
def test_values_on_a_threshold_and_beside_it_go_the_same_way(seed: int):
    booster = grown(seed)
    forest = parse(booster.model_to_string())
    told = forest.threshold[np.isfinite(forest.threshold)]
    values = asked(seed, 60)
    values[:, 0] = np.resize(np.concatenate([told, np.nextafter(told, -np.inf), np.nextafter(told, np.inf)]), 60)
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    assert_equal(booster, forest, values)
    assert_equal(booster, forest, narrow)


def test_categories_are_really_met_by_these_tests():
    forest = parse(grown(3, categories=True, max_cat_to_onehot=4).model_to_string())
    assert len(forest.bits) > 50
    assert (forest.categories[:, 0] >= 0).sum() > 10


@pytest.mark.realdata
@pytest.mark.parametrize("family", ["race_softmax", "lambdarank", "win"])
def test_on_real_races_every_runner_has_the_score_that_lightgbm_gives_it(real_races: RaceMatrix, family: str):
    fitted = quick(Trees(family)).fit(real_races, None, 7, 1, silent)
    assert_equal(fitted.booster, fitted.forest, real_races.values)


def test_averaged_and_constant_forests_are_followed_too():
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}
    for booster in (grown(3, **forest), grown(4, min_data_in_leaf=10_000), grown(5, trees=1)):
        assert_equal(booster, parse(booster.model_to_string()), asked(9, 40))


def test_columns_may_stand_anywhere_and_in_any_layout():
    booster = grown(1)
    forest, values = parse(booster.model_to_string()), asked(2, 20)
    wide = np.zeros((20, 9))
    columns = np.array([8, 2, 5, 0, 3])
    wide[:, columns] = values
    expected = np.asarray(booster.predict(values, raw_score=True))
    assert np.array_equal(forest.score(wide, columns), expected)
    assert np.array_equal(forest.score(np.asfortranarray(wide), columns), expected)
    assert np.array_equal(forest.score(wide[::-1], columns), expected[::-1])


def test_no_rows_have_no_scores():
    assert parse(grown(1).model_to_string()).score(np.zeros((0, F))).shape == (0,)


@pytest.mark.parametrize(
    "told",
    [{"linear_tree": True}, {"objective": "multiclass", "num_class": 2}],
)
def test_what_cannot_be_followed_exactly_is_refused(told: dict[str, Any]):
    x, y = training(1)
    data = lgb.Dataset(x, label=(y > 0).astype(float), params={"linear_tree": told.get("linear_tree", False)})
    text = lgb.train({"verbose": -1, "num_threads": 1, **told}, data, 2).model_to_string()
    with pytest.raises(BadInput):
        parse(text)


TEXT = grown(1, num_leaves=6).model_to_string()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tree\n",
        TEXT[: len(TEXT) // 3],
        TEXT.replace("leaf_value=", "leaf_values=", 1),
        TEXT.replace("split_feature=", "split_feature=77 ", 1),
        TEXT.replace("num_leaves=6", "num_leaves=5", 1),
        TEXT.replace("threshold=", "threshold=x", 1),
    ],
)
def test_a_text_that_is_no_forest_is_refused(text: str):
    with pytest.raises(BadInput):
        parse(text)


@given(st.integers(0, 5000))
def test_a_tree_that_leads_back_into_itself_is_refused_and_not_walked_for_ever(seed: int):
    chance = np.random.default_rng(seed)
    line = next(line for line in TEXT.splitlines() if line.startswith("left_child="))
    children = [int(word) for word in line.partition("=")[2].split()]
    children[int(chance.integers(len(children)))] = 0
    spoilt = TEXT.replace(line, "left_child=" + " ".join(map(str, children)), 1)
    with pytest.raises(BadInput):
        parse(spoilt)
