"""Laws of the ratings: what is given to one runner is taken from its rivals, and nobody learns from no result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.features.ledger import KNOWN_AFTER
from oracle.features.ratings import Ratings

N = 6


def rate(position, lengths=None, accounts=None, off=None, ratings=None):
    """Return (ratings, reading) after races of N runners; everybody has a horse, a jockey and a trainer of his own."""
    position = np.asarray(position, dtype=np.float64)
    races = len(position) // N
    ratings = Ratings() if ratings is None else ratings
    if accounts is None:
        accounts = np.tile(np.arange(N), (3, races))
    if lengths is None:
        lengths = np.where(np.isnan(position), np.nan, 2.0 * (position - 1))
    for kind in range(3):
        ratings.table[kind] = np.vstack([ratings.table[kind], np.zeros((max(0, N - len(ratings.table[kind])), 3))])
    off = np.arange(races) * 86_400.0 if off is None else np.asarray(off, dtype=np.float64)
    return ratings, ratings.walk(np.arange(races + 1) * N, off, accounts, position, np.asarray(lengths, float))


orders = st.permutations(range(1, N + 1))


@given(orders)
def test_the_parts_of_equal_rivals_sum_to_what_they_summed_to_before(order):
    ratings, _ = rate(order)
    for kind in range(3):
        assert ratings.table[kind][:N, 0].sum() == pytest.approx(0, abs=1e-12)


@given(orders)
def test_the_winner_goes_up_most_and_the_unplaced_go_down(order):
    ratings, _ = rate(order)
    strength = ratings.table[0][:N, 0]
    at = np.argsort(order)
    assert strength.argmax() == at[0]
    assert strength[at[0]] > strength[at[1]] > strength[at[2]] > strength[at[3]]
    assert strength[at[0]] > 0 > strength[at[5]]
    assert strength[at[3]] == strength[at[5]]  # behind the first three riders ease: places are not told apart


@given(st.lists(orders, min_size=1, max_size=4), orders)
def test_the_order_of_the_rows_in_a_race_does_not_matter(races, rows):
    position = np.array(races, dtype=float)
    who = np.array(rows) - 1
    straight, read = rate(position.ravel())
    mixed, mixed_read = rate(position[:, who].ravel(), accounts=np.tile(who, (3, len(races))))
    for kind in range(3):
        np.testing.assert_allclose(straight.table[kind], mixed.table[kind], rtol=1e-9, atol=1e-12)
    again = mixed_read.reshape(len(races), N, 4)
    np.testing.assert_allclose(read.reshape(len(races), N, 4)[:, who], again, rtol=1e-9, atol=1e-12)


def test_a_race_without_a_result_teaches_no_strength_and_no_merit():
    ratings, _ = rate([np.nan] * N)
    assert (ratings.table[0][:, [0, 2]] == 0).all()


def test_who_did_not_finish_loses_to_all_who_were_placed():
    ratings, _ = rate([1, 2, 3, np.nan, 4, 5])
    strength = ratings.table[0][:N, 0]
    assert strength[3] < strength[2]
    assert strength[3] == strength[4]


def test_horses_that_dead_heat_are_rated_alike():
    ratings, _ = rate([1, 1, 3, 4, 5, 6])
    strength = ratings.table[0][:N, 0]
    assert strength[0] == strength[1] > strength[2]
    assert strength.sum() == pytest.approx(0, abs=1e-12)


@given(orders)
def test_merit_orders_newcomers_by_their_lengths_around_zero(order):
    ratings, _ = rate(order)
    merit = ratings.table[0][:N, 2]
    assert merit.sum() == pytest.approx(0, abs=1e-9)
    assert np.argsort(-merit).tolist() == np.argsort(order).tolist()


def test_who_beats_a_strong_field_has_more_merit_than_who_beats_a_weak_one_by_as_much():
    weak, strong = np.arange(6), np.array([0, 6, 7, 8, 9, 10])
    known = Ratings()
    known.table = [np.zeros((12, 3)) for _ in range(3)]
    known.table[0][1:6] = [-1.0, 5.0, -6.0]
    known.table[0][6:11] = [1.0, 5.0, 6.0]

    def merit(field):
        ratings = Ratings(table=[t.copy() for t in known.table])
        rate([1, 2, 3, 4, 5, 6], accounts=np.tile(field, (3, 1)), ratings=ratings)
        return ratings.table[0][0, 2]

    assert merit(strong) > merit(weak)


def test_everybody_is_unrated_until_the_first_result_is_known():
    _, soon = rate([1, 2, 3, 4, 5, 6] * 2, off=[0, KNOWN_AFTER - 1])
    assert (soon[:, :3] == 0).all()
    assert np.isnan(soon[:, 3]).all()
    _, later = rate([1, 2, 3, 4, 5, 6] * 2, off=[0, KNOWN_AFTER])
    assert later[N, 0] > 0
    assert not np.isnan(later[N:, 3]).any()


def test_a_runner_without_jockey_or_trainer_is_rated_by_its_horse_alone():
    accounts = np.tile(np.arange(N), (3, 2))
    accounts[1:, [0, N]] = -1
    _, read = rate([1, 2, 3, 4, 5, 6] * 2, accounts=accounts)
    assert read[N, 0] > 0
    assert (read[N, 1:3] == 0).all()


def test_ratings_go_through_a_dump_unchanged():
    ratings, _ = rate([1, 2, 3, 4, 5, 6])
    for holders in ratings.holders:
        holders.find(np.arange(N), [f"x{i}" for i in range(N)], open_new=True)
    restored = Ratings.restore(ratings.dump())
    for kind in range(3):
        np.testing.assert_array_equal(restored.table[kind], ratings.table[kind][:N])
        assert restored.holders[kind] == ratings.holders[kind]
