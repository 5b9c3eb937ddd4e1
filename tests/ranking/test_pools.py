from __future__ import annotations

import json
import runpy
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.ranking.exotics import MOST_COMBINATIONS, likeliest, probabilities
from oracle.ranking.outcome import ANY_RESULT, winners
from oracle.ranking.plackett_luce import Discount
from oracle.ranking.pools import LENGTH, Pool, outcome, placed_share
from oracle.ranking.races import offsets_of, sum_by_race

HERE = Path(__file__).parent
ORDERED = [Pool.WIN, Pool.QUINELLA, Pool.EXACTA, Pool.TRIFECTA]
NAN = float("nan")

positions = st.lists(st.one_of(st.integers(1, 5).map(float), st.just(NAN)), min_size=2, max_size=7)
chances = st.lists(
    st.one_of(st.just(0.0), st.just(1.0), st.just(1e-17), st.just(1e-300), st.floats(1e-150, 1.0)),
    min_size=2,
    max_size=8,
).filter(lambda values: max(values) > 1e-100)
discounts = st.sampled_from([Discount(), Discount.henery(), Discount.stern(), Discount(0.3, 0.2, 0.1)])


@pytest.mark.parametrize(
    ("position", "pool", "expected"),
    [
        ([1, 2, 3], Pool.WIN, {(0,): 1}),
        ([1, 1, 3], Pool.WIN, {(0,): 0.5, (1,): 0.5}),
        ([1, 1, 3], Pool.EXACTA, {(0, 1): 0.5, (1, 0): 0.5}),
        ([1, 1, 3], Pool.QUINELLA, {(0, 1): 1}),
        ([1, 2, 2], Pool.EXACTA, {(0, 1): 0.5, (0, 2): 0.5}),
        ([1, 2, 2], Pool.QUINELLA, {(0, 1): 0.5, (0, 2): 0.5}),
        ([1, 2, 2], Pool.TRIFECTA, {(0, 1, 2): 0.5, (0, 2, 1): 0.5}),
        ([1, 2, 3, 3], Pool.TRIFECTA, {(0, 1, 2): 0.5, (0, 1, 3): 0.5}),
        ([1, 1, 1], Pool.QUINELLA, {(0, 1): 1 / 3, (0, 2): 1 / 3, (1, 2): 1 / 3}),
        ([1, 1, 1], Pool.TRIFECTA, {order: 1 / 6 for order in permutations(range(3))}),
        ([NAN, 1, NAN], Pool.WIN, {(1,): 1}),
        ([NAN, 1, NAN], Pool.EXACTA, {}),
        ([NAN, NAN], Pool.WIN, {}),
        ([1, 2, 2, 4], Pool.PLACE, {(0,): 1, (1,): 0.5, (2,): 0.5}),
        ([1, 2, 2, 2], Pool.PLACE, {(0,): 1, (1,): 1 / 3, (2,): 1 / 3, (3,): 1 / 3}),
        ([1, 1, 3], Pool.PLACE, {(0,): 1, (1,): 1}),
    ],
)
def test_a_dead_heat_shares_what_the_places_it_fills_are_worth(position, pool, expected):
    assert outcome(position, pool, places=2) == pytest.approx(expected)


@given(positions, st.sampled_from(ORDERED))
def test_the_outcome_of_a_pool_sums_to_one_or_is_not_there(position, pool):
    shares = outcome(position, pool)
    finished = sum(p == p for p in position)
    assert sum(shares.values()) == (pytest.approx(1, abs=1e-12) if finished >= LENGTH[pool] else 0)
    assert all(position[i] == position[i] for runners in shares for i in runners)


@given(positions, st.integers(1, 4))
def test_place_shares_sum_to_the_places_that_were_filled(position, places):
    share = placed_share(position, offsets_of([len(position)]), places)
    assert share.sum() == pytest.approx(min(places, sum(p == p for p in position)), abs=1e-12)
    assert sum(outcome(position, Pool.PLACE, places).values()) == pytest.approx(share.sum())


@given(positions, positions)
def test_one_place_is_the_win_and_each_race_is_its_own(a, b):
    offsets = offsets_of([len(a), len(b)])
    counts = np.repeat(sum_by_race(~np.isnan(a + b), offsets) >= 2, np.diff(offsets))
    assert placed_share(a + b, offsets, 1)[counts] == pytest.approx(winners(a + b, offsets, ANY_RESULT)[counts])
    both = placed_share(a + b, offsets, [1, 3])
    assert both[len(a) :] == pytest.approx(placed_share(b, offsets_of([len(b)]), 3))


def test_a_pool_pays_at_least_one_place():
    with pytest.raises(BadInput, match="places"):
        outcome([1, 2], Pool.PLACE, 0)


@given(chances, discounts)
def test_all_combinations_of_a_pool_sum_to_one_whatever_the_field(prob, discount):
    for pool in ORDERED:
        total = probabilities(prob, pool, discount).sum()
        assert total == (pytest.approx(1, abs=1e-12) if len(prob) >= LENGTH[pool] else 0)
    for places in (1, 2, 3, 4):
        total = probabilities(prob, Pool.PLACE, discount, places).sum()
        assert total == pytest.approx(min(places, len(prob)), abs=1e-9)


@given(chances, discounts)
def test_pools_agree_with_each_other(prob, discount):
    first_two, pairs = probabilities(prob, Pool.EXACTA, discount), probabilities(prob, Pool.QUINELLA, discount)
    assert pairs == pytest.approx(np.triu(first_two + first_two.T), abs=1e-12)
    assert first_two.sum(axis=1) == pytest.approx(probabilities(prob, Pool.WIN), abs=1e-12)
    if len(prob) > 2:
        assert probabilities(prob, Pool.TRIFECTA, discount).sum(axis=2) == pytest.approx(first_two, abs=1e-12)
    two = probabilities(prob, Pool.PLACE, discount, 2)
    assert two == pytest.approx(first_two.sum(axis=1) + first_two.sum(axis=0), abs=1e-9)


def test_a_certain_winner_leaves_the_places_to_the_others_in_equal_parts():
    assert probabilities([1.0, 0.0, 0.0], Pool.EXACTA)[0] == pytest.approx([0, 0.5, 0.5])
    assert probabilities([1.0, 0.0, 0.0], Pool.TRIFECTA)[0, 1, 2] == pytest.approx(0.5)
    assert probabilities([1 - 1e-16, 7.5e-17, 2.5e-17], Pool.EXACTA)[0] == pytest.approx([0, 0.75, 0.25])


@given(chances, st.integers(1, 30), st.sampled_from(list(Pool)))
def test_the_likeliest_come_first_and_each_combination_once(prob, count, pool):
    found = likeliest(prob, pool, count, places=2)
    assert [c.prob for c in found] == sorted((c.prob for c in found), reverse=True)
    assert len({c.runners for c in found}) == len(found)
    assert all(len(set(c.runners)) == LENGTH[pool] for c in found)
    assert all(c.fair_odds is None or c.fair_odds * c.prob == pytest.approx(1) for c in found)


def test_all_combinations_can_be_asked_for():
    found = likeliest([0.4, 0.3, 0.2, 0.1], Pool.TRIFECTA, MOST_COMBINATIONS)
    assert len(found) == 24
    assert sum(c.prob for c in found) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("prob", [[0.6, 0.4], [1.0, 0.0]])
def test_two_runners_have_two_exactas_one_quinella_and_no_trifecta(prob):
    assert [len(likeliest(prob, pool, 100)) for pool in (Pool.EXACTA, Pool.QUINELLA, Pool.TRIFECTA)] == [2, 1, 0]


@pytest.mark.parametrize("count", [0, -1, MOST_COMBINATIONS + 1])
def test_an_impossible_number_of_combinations_is_refused(count):
    with pytest.raises(BadInput, match=r"1 to 100"):
        likeliest([0.5, 0.5], Pool.WIN, count)


@pytest.mark.parametrize(("times", "named"), [("normal", Discount.henery()), ("gamma", Discount.stern())])
def test_the_named_discounts_are_those_of_simulated_running_times(times, named):
    cases = json.loads((HERE / "golden_discount.json").read_text())["cases"]
    found = np.mean([case["powers"] for case in cases if case["times"] == times], axis=0)
    assert [named.second, named.third, named.fourth] == pytest.approx(found.tolist(), abs=0.03)


def test_the_script_of_the_simulation_still_runs():
    powers = runpy.run_path(str(HERE / "golden_discount.py"))["powers"]
    assert powers("normal", 8, 0.6, 3000, 2) == pytest.approx([0.76, 0.62, 0.55], abs=0.08)
