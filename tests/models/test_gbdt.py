"""The trees' own losses: gradients against finite differences, ties, and targets that are never NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from oracle.features.matrix import RaceMatrix
from oracle.models.gbdt import TreePolicy, Trees
from oracle.models.losses import LOSSES, race_softmax
from oracle.models.places import DECAY
from oracle.models.stopping import CHECKPOINTS
from oracle.progress import silent
from tests.models.world import made

POLICY = TreePolicy(trees=16, min_runners_in_leaf=5, feature_share=1.0)
NO_DATA: Any = None
"""The objective is handed LightGBM's data set and has no use for it."""


def some_races(seed: int, races: int = 5) -> RaceMatrix:
    chance = np.random.default_rng(seed)
    sizes = chance.integers(2, 7, races)
    position = np.concatenate([chance.integers(1, n + 1, n).astype(float) for n in sizes])
    position[chance.random(len(position)) < 0.15] = np.nan
    return made(chance.standard_normal((len(position), 4)), sizes, position)


def loss(races: RaceMatrix, score: np.ndarray) -> float:
    """Return the weighted Plackett-Luce loss of the first places, written race by race from its definition."""
    total = 0.0
    for a, b in zip(races.offsets[:-1], races.offsets[1:], strict=True):
        strength, position = np.exp(score[a:b]), races.position[a:b]
        for place, weight in enumerate(DECAY, start=1):
            here = position == place
            if here.any():
                total -= weight * np.log(strength[here] / strength[~(position < place)].sum()).mean()
    return total


@given(st.integers(0, 10_000))
def test_the_gradient_of_the_race_softmax_is_that_of_finite_differences(seed):
    races = some_races(seed)
    score = np.random.default_rng(seed + 1).standard_normal(len(races.position))
    gradient, hessian = race_softmax(races)(score, NO_DATA)
    np.testing.assert_allclose(gradient, approx_fprime(score, lambda s: loss(races, s), 1e-7), atol=1e-5)
    assert (hessian > 0).all()


@given(st.integers(0, 10_000), st.floats(-40, 40))
def test_gradients_within_a_race_cancel_and_a_constant_changes_none(seed, constant):
    races = some_races(seed)
    score = np.zeros(len(races.position))
    gradient, _ = race_softmax(races)(score, NO_DATA)
    shifted, _ = race_softmax(races)(score + constant, NO_DATA)
    np.testing.assert_allclose(np.add.reduceat(gradient, races.offsets[:-1]), 0.0, atol=1e-9)
    np.testing.assert_allclose(shifted, gradient, atol=1e-4)


def test_runners_that_share_a_place_and_a_score_share_the_gradient():
    gradient, hessian = race_softmax(made(np.zeros(4), [4], [1, 1, 3, np.nan]))(np.zeros(4), NO_DATA)
    assert gradient[0] == gradient[1] < 0 < gradient[3]
    assert hessian[0] == hessian[1]


@pytest.mark.parametrize("family", LOSSES)
def test_targets_are_numbers_whatever_the_result_was(family: str):
    races = made(np.zeros(9), [3, 3, 3], [1, 1, np.nan, np.nan, np.nan, np.nan, 2, 1, 3])
    label, _, objective, _ = LOSSES[family](races)
    assert np.isfinite(label).all()
    if objective is not None:
        assert all(np.isfinite(part).all() for part in objective(np.zeros(9), NO_DATA))


@pytest.mark.parametrize("family", LOSSES)
def test_constant_and_missing_features_are_passed_over(family: str):
    races = some_races(3, races=60)
    blank = races.values.copy()
    blank[:, 1], blank[:, 2] = 1.0, np.nan
    blank[::7, 3] = np.nan
    fitted = Trees(family, POLICY).fit(made(blank, races.sizes, races.position), None, 7, 1, silent)
    assert np.isfinite(fitted.score(made(blank, races.sizes, races.position))).all()
    assert fitted.importance()["f1"] == fitted.importance()["f2"] == 0.0


@pytest.mark.parametrize("family", LOSSES)
def test_the_number_of_trees_is_the_one_with_the_lowest_loss_on_validation(family: str):
    fitted = Trees(family, POLICY).fit(some_races(1, 80), some_races(2, 40), 7, 1, silent)
    assert len(fitted.curve.steps) == CHECKPOINTS
    assert len(fitted.forest) == fitted.curve.steps[int(np.argmin(fitted.curve.loss))]
    assert fitted.settled().policy.trees == len(fitted.forest)


def test_another_seed_grows_another_forest():
    races = some_races(1, 80)
    score = [Trees("win", POLICY).fit(races, None, seed, 1, silent).score(races) for seed in (1, 2)]
    assert not np.array_equal(*score)
