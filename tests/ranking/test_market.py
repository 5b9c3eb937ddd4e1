from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
import shin as peer
from hypothesis import given
from hypothesis import strategies as st

from oracle.ranking import market
from oracle.ranking.races import offsets_of, sum_by_race
from oracle.settings import MarketPolicy

methods = pytest.mark.parametrize("method", [market.multiplicative, market.power, market.shin])
books = st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=20)


@methods
@given(book=books, other=books)
def test_probabilities_of_any_book_sum_to_one_and_keep_the_order_of_the_odds(method, book, other):
    offsets = offsets_of([len(book), len(other)])
    prob = method(book + other, offsets)
    assert sum_by_race(prob, offsets) == pytest.approx([1, 1], abs=1e-12)
    assert np.all(np.diff(prob[: len(book)][np.argsort(book, kind="stable")]) <= 1e-15)


@methods
def test_a_fair_book_is_left_as_it_is(method):
    odds = np.array([2.0, 4.0, 8.0, 8.0])
    assert method(odds, offsets_of([4])) == pytest.approx(1 / odds, abs=1e-12)


@methods
def test_a_race_in_which_a_starter_has_no_usable_odds_has_no_market(method):
    offsets = offsets_of([2, 2, 2, 2])
    prob = method([2, 2, 3, np.nan, 3, 0.5, np.inf, 2], offsets)
    assert np.isnan(prob).tolist() == [False, False] + [True] * 6


def test_overround_is_what_the_book_holds_over_one():
    assert market.overround([1.9, 1.9, 4, 4, np.nan], offsets_of([2, 3]))[0] == pytest.approx(2 / 1.9 - 1)
    assert np.isnan(market.overround([1.9, 1.9, 4, 4, np.nan], offsets_of([2, 3]))[1])


def test_power_and_shin_take_more_from_longshots_than_from_favourites():
    odds, offsets = [1.5, 4.0, 8.0, 34.0, 101.0], offsets_of([5])
    plain = market.multiplicative(odds, offsets)
    for method in (market.power, market.shin):
        ratio = method(odds, offsets) / plain
        assert np.all(np.diff(ratio) < 0)


def test_power_finds_the_exponent_that_makes_the_book_fair():
    fair = np.array([0.5, 0.3, 0.15, 0.05])
    assert market.power(1 / fair**0.8, offsets_of([4])) == pytest.approx(fair, abs=1e-12)


def test_shin_recovers_the_probabilities_its_own_model_priced():
    fair, z = np.array([0.5, 0.3, 0.15, 0.05]), 0.03
    price = np.sqrt(z * fair + (1 - z) * fair**2)
    booked = price * price.sum()
    assert market.shin(1 / booked, offsets_of([4])) == pytest.approx(fair, abs=1e-10)


def test_odds_of_one_leave_the_others_a_chance():
    prob = market.power([1.0, 10.0, 34.0, 100.0], offsets_of([4]))
    assert np.all(prob > 1e-9)


def test_the_favourite_longshot_exponent_is_found_again():
    rng = np.random.default_rng(3)
    offsets = offsets_of(np.full(6000, 9))
    strength = rng.normal(size=54_000)
    finish = strength + rng.gumbel(size=54_000)
    position = np.argsort(np.argsort(-finish.reshape(-1, 9), axis=1), axis=1).ravel() + 1.0
    odds = 1 / np.exp(0.8 * strength)
    odds *= 0.8 * np.repeat(sum_by_race(1 / odds, offsets), 9)
    odds = np.maximum(odds, 1.01)
    fitted = market.fit_favourite_longshot(market.multiplicative(odds, offsets), position, offsets)
    assert fitted.exponent == pytest.approx(1 / 0.8, abs=0.04)


def test_places_paid_follow_the_number_of_starters():
    assert [market.places(n) for n in (1, 2, 4, 5, 7, 8, 16, 40)] == [1, 1, 1, 2, 2, 3, 3, 3]
    assert market.BRITISH_IRISH.places(np.array([4, 5, 8])).tolist() == [1, 2, 3]
    terms = market.PlaceTerms(steps=((1, 1), (4, 2), (7, 3)), source="a pool of our own")
    assert [market.places(n, terms) for n in (3, 4, 6, 7)] == [1, 2, 2, 3]


@given(st.lists(st.floats(1.05, 500.0), min_size=3, max_size=16))
def test_shin_is_that_of_the_library_of_this_name(book):
    """Within what its fixed-point iteration leaves open, on books with a margin on which it converges."""
    if not 1.01 < sum(1 / o for o in book) < 1.6:
        return
    theirs = peer.calculate_implied_probabilities(book, full_output=True)
    if theirs.delta > 1e-11:
        return  # it gave up before it had converged
    assert market.shin(book, offsets_of([len(book)])) == pytest.approx(theirs.implied_probabilities, abs=1e-9)


def test_the_setting_names_every_way_there_is():
    words = get_args(MarketPolicy.model_fields["overround"].annotation)
    assert set(words) == set(market.REMOVALS)
    assert MarketPolicy().overround == market.MULTIPLICATIVE


@methods
def test_a_race_is_priced_alike_alone_and_beside_others_to_the_last_bit(method):
    rng = np.random.default_rng(5)
    sizes = rng.integers(2, 16, 400)
    offsets = offsets_of(sizes)
    odds = np.round(1.0 + rng.lognormal(2.0, 1.0, offsets[-1]), 1)
    together = method(odds, offsets)
    alone = np.concatenate([method(odds[a:b], offsets_of([b - a])) for a, b in pairwise(offsets)])
    np.testing.assert_array_equal(together, alone)
