"""The finishing order as stages: laws that hold for any result, dead heats and non-finishers included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.models.places import DECAY, places
from oracle.ranking.races import sum_by_race
from tests.models.world import made

FINISHES = st.lists(st.one_of(st.integers(1, 6).map(float), st.just(np.nan)), min_size=1, max_size=6)
RESULTS = st.lists(FINISHES, min_size=1, max_size=5)


def stages_of(results):
    return places(made(np.zeros(sum(map(len, results))), list(map(len, results)), np.concatenate(results)), DECAY)


@given(RESULTS)
def test_each_place_is_shared_out_once_among_those_still_in_the_running(results):
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in results])])
    for place, (active, outcome, weight) in enumerate(stages_of(results), start=1):
        filled = np.array([place in race for race in results])
        np.testing.assert_allclose(sum_by_race(outcome, offsets), filled)
        assert not (outcome > 0)[~active].any()
        assert set(weight[active]) <= {DECAY[place - 1]}
        assert not weight[~active].any()


@given(RESULTS)
def test_whoever_took_a_place_is_out_of_all_later_ones(results):
    gone = np.zeros(sum(map(len, results)), dtype=bool)
    for active, outcome, _ in stages_of(results):
        assert not (active & gone).any()
        gone |= outcome > 0


@given(RESULTS, st.integers(0, 1000))
def test_the_order_of_runners_does_not_matter(results, seed):
    chance = np.random.default_rng(seed)
    orders = [chance.permutation(len(race)) for race in results]
    starts = np.cumsum([0] + [len(race) for race in results[:-1]])
    rows = np.concatenate([start + order for start, order in zip(starts, orders, strict=True)])
    moved = stages_of([np.asarray(race)[order].tolist() for race, order in zip(results, orders, strict=True)])
    for here, there in zip(stages_of(results), moved, strict=True):
        for a, b in zip(here, there, strict=True):
            np.testing.assert_array_equal(a[rows], b)


def test_dead_heaters_share_the_place_and_the_next_one_is_empty():
    (first, shared, _), (second, none, weight), (third, taken, _) = stages_of([[1, 1, 3, np.nan]])
    assert first.tolist() == [True] * 4
    assert shared.tolist() == [0.5, 0.5, 0.0, 0.0]
    assert not second.any()
    assert not none.any()
    assert not weight.any()
    assert third.tolist() == [False, False, True, True]
    assert taken.tolist() == [0.0, 0.0, 1.0, 0.0]


def test_a_race_that_nobody_finished_teaches_nothing():
    assert not any(weight.any() for _, _, weight in stages_of([[np.nan, np.nan]]))


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_only_places_that_were_taken_are_learned_from(finished: int):
    position = [float(i + 1) if i < finished else np.nan for i in range(5)]
    assert [bool(weight.any()) for _, _, weight in stages_of([position])] == [i < finished for i in range(3)]
