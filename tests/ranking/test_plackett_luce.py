from __future__ import annotations

import itertools
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.ranking.plackett_luce import Discount, exacta, place, quinella, trifecta
from oracle.ranking.races import offsets_of

weights = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=6)


def by_hand(prob, m, powers=(1, 1, 1, 1)):
    """Place probabilities and ordered outcomes from every permutation of the first m."""
    prob = np.asarray(prob) / np.sum(prob)
    chance, ordered = np.zeros(prob.size), {}
    for order in itertools.permutations(range(prob.size), m):
        p, gone = 1.0, []
        for runner, power in zip(order, powers, strict=False):
            p *= prob[runner] ** power / np.sum(np.delete(prob, gone) ** power)
            gone.append(runner)
        chance[list(order)] += p
        ordered[order] = p
    return chance, ordered


@given(weights, st.integers(1, 4))
def test_place_probabilities_equal_the_sum_over_all_permutations(strength, m):
    m = min(m, len(strength))
    ours = place(strength, offsets_of([len(strength)]), m)
    assert ours == pytest.approx(by_hand(strength, m)[0], abs=1e-10)


@given(st.lists(st.floats(1e-6, 1.0), min_size=3, max_size=6))
def test_exotic_probabilities_equal_the_permutations_and_sum_to_one(strength):
    first_two, first_three = by_hand(strength, 2)[1], by_hand(strength, 3)[1]
    for ours, ordered in ((exacta(strength), first_two), (trifecta(strength), first_three)):
        assert [ours[order] for order in ordered] == pytest.approx(list(ordered.values()), abs=1e-12)
    assert quinella(strength)[0, 1] == pytest.approx(first_two[0, 1] + first_two[1, 0])
    for total in (exacta(strength).sum(), trifecta(strength).sum(), np.triu(quinella(strength)).sum()):
        assert total == pytest.approx(1, abs=1e-9)


@given(
    st.lists(st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-150, 1.0)), min_size=2, max_size=40),
    st.integers(1, 4),
)
def test_places_add_up_also_with_certainties_and_impossibilities(strength, m):
    if not any(strength):
        return
    ours = place(strength, offsets_of([len(strength)]), m)
    assert ours.sum() == pytest.approx(min(m, np.count_nonzero(strength)), abs=1e-9)
    assert ours.min() >= 0
    assert ours.max() <= 1 + 1e-12
    assert np.all(ours[np.array(strength) == 0] == 0)


def test_a_certain_winner_leaves_the_other_places_empty():
    assert place([1, 0, 0], offsets_of([3]), 3).tolist() == [1, 0, 0]
    assert place([1 - 1e-16, 7.5e-17, 2.5e-17], offsets_of([3]), 2) == pytest.approx([1, 0.75, 0.25])


def test_each_race_has_its_own_number_of_places_and_a_gap_stays_in_its_race():
    prob = np.array([0.5, 0.3, 0.2, np.nan, 1.0, 0.25, 0.25, 0.25, 0.25])
    ours = place(prob, offsets_of([3, 2, 4]), [1, 2, 3])
    assert ours[:3].tolist() == [0.5, 0.3, 0.2]
    assert np.isnan(ours[3:5]).all()
    assert ours[5:] == pytest.approx([0.75] * 4)


def test_more_places_never_make_a_place_less_likely_and_favourites_lead():
    prob = np.sort(np.random.default_rng(2).dirichlet(np.full(14, 0.7)))
    rows = np.array([place(prob, offsets_of([14]), m) for m in (1, 2, 3, 4)])
    assert np.all(np.diff(rows, axis=0) > 0)
    assert np.all(np.diff(rows, axis=1) > 0)


def test_three_places_of_forty_runners_take_under_a_millisecond():
    prob, offsets = np.random.default_rng(4).dirichlet(np.ones(40)), offsets_of([40])
    place(prob, offsets, 3)
    begin = process_time()
    for _ in range(50):
        place(prob, offsets, 3)
    assert (process_time() - begin) / 50 < 0.001


def test_an_impossible_question_is_refused():
    with pytest.raises(BadInput, match="places"):
        place([0.5, 0.5], offsets_of([2]), 5)
    with pytest.raises(BadInput, match="negative"):
        place([1.5, -0.5], offsets_of([2]), 1)


@given(weights, st.integers(1, 4))
def test_a_discount_fills_each_later_place_by_its_own_power(strength, m):
    m, discount = min(m, len(strength)), Discount(0.8, 0.65, 0.5)
    chance, ordered = by_hand(strength, m, (1, 0.8, 0.65, 0.5))
    assert place(strength, offsets_of([len(strength)]), m, discount) == pytest.approx(chance, abs=1e-10)
    for size, exotic in ((2, exacta), (3, trifecta)):
        if m == size:
            ours = exotic(strength, discount)
            assert [ours[order] for order in ordered] == pytest.approx(list(ordered.values()), abs=1e-12)


def test_a_discount_gives_favourites_fewer_places_and_the_field_as_many():
    prob, offsets = np.array([0.5, 0.2, 0.15, 0.1, 0.05]), offsets_of([5])
    plain, discounted = place(prob, offsets, 3), place(prob, offsets, 3, Discount(0.8, 0.7, 0.6))
    assert discounted[0] < plain[0]
    assert discounted[-1] > plain[-1]
    assert discounted.sum() == pytest.approx(3, abs=1e-12)
    for wrong in (0.0, 1.5, float("nan")):
        with pytest.raises(BadInput, match="power"):
            Discount(second=wrong)
