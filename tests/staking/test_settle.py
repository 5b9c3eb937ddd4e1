from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.ranking.pools import placed_share
from oracle.ranking.races import offsets_of
from oracle.staking.plan import Flat, FractionalKelly
from oracle.staking.replay import Purse
from oracle.staking.settle import Terms, profit

ONE = offsets_of([4])
ODDS = np.array([3.0, 4.0, 6.0, 11.0])


def settled(position, stake=(1, 1, 1, 1), odds=ODDS, **changes):
    share = placed_share(position, ONE, 1)
    [net] = profit(np.array(stake, dtype=float), odds, share, ONE, **changes)
    return net


def test_the_winner_pays_its_odds_and_the_others_lose():
    assert settled([2, 1, 3, 4]) == pytest.approx(4.0 - 4.0)
    assert settled([1, 2, 3, 4], (5, 0, 0, 0)) == pytest.approx(10.0)


def test_a_dead_heat_divides_the_stake():
    assert settled([1, 1, 3, 4], (2, 0, 0, 0)) == pytest.approx(1 * 3.0 - 2)
    assert settled([1, 1, 1, 4], (3, 0, 0, 0)) == pytest.approx(1 * 3.0 - 3)


def test_a_stake_on_a_withdrawn_runner_comes_back():
    withdrawn = np.array([False, True, False, False])
    assert settled([np.nan, np.nan, 1, 2], (0, 7, 0, 0), withdrawn=withdrawn) == 0
    assert settled([np.nan, np.nan, 1, 2], (2, 7, 1, 0), withdrawn=withdrawn) == pytest.approx(6 - 3)


def test_a_race_without_a_result_returns_every_stake():
    assert settled([np.nan] * 4) == 0


def test_commission_is_taken_from_what_a_race_nets_and_from_nothing_else():
    assert settled([1, 2, 3, 4], (5, 5, 0, 0), commission=0.1) == pytest.approx((15 - 10) * 0.9)
    assert settled([4, 2, 3, 1], (5, 5, 0, 0), commission=0.1) == -10


@given(st.lists(st.floats(1.01, 100.0), min_size=4, max_size=4), st.floats(0.0, 0.9))
def test_a_pool_keeps_its_takeout_whatever_the_odds(odds, takeout):
    made = Terms(takeout=takeout).odds(np.array(odds), ONE)
    assert made.min() >= 1
    if (made > 1).all():
        assert np.sum(1 / made) == pytest.approx(1 / (1 - takeout))


def test_staking_in_proportion_to_the_market_loses_exactly_the_takeout():
    terms = Terms(takeout=0.175)
    odds = terms.odds(ODDS, ONE)
    stake = 0.825 / odds
    for winner in range(4):
        position = np.array([2.0, 2.0, 2.0, 2.0])
        position[winner] = 1
        assert settled(position, stake, odds) / stake.sum() == pytest.approx(-0.175)


def test_our_own_stakes_lower_the_odds_of_a_pool():
    terms = Terms(takeout=0.2, pool_size=1000.0)
    odds = terms.odds(ODDS, ONE)
    assert terms.moved(odds, np.zeros(4), ONE) == pytest.approx(odds)
    moved = terms.moved(odds, np.array([50.0, 0, 0, 0]), ONE)
    share = 0.8 / odds[0]
    assert moved[0] == pytest.approx(0.8 * 1050 / (1000 * share + 50))
    assert moved[0] < odds[0]
    assert (moved[1:] > odds[1:]).all()


def test_a_runner_without_usable_odds_leaves_a_pool_without_prices():
    assert np.isnan(Terms(takeout=0.2).odds(np.array([2.0, np.nan, 3.0, 4.0]), ONE)).all()
    assert np.isnan(Terms().odds(np.array([2.0, np.nan, 0.5, 4.0]), ONE)).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (lambda: FractionalKelly(0.0), "above 0 and at most 1"),
        (lambda: FractionalKelly(2.0), "above 0 and at most 1"),
        (lambda: FractionalKelly(float("nan")), "above 0 and at most 1"),
        (lambda: FractionalKelly(0.5, min_edge=-2), "at least -1 and at most 10"),
        (lambda: Flat(min_edge=float("nan")), "at least -1 and at most 10"),
        (lambda: Flat(min_edge=50), "at least -1 and at most 10"),
        (lambda: Flat(stake=0), "above 0"),
        (lambda: Terms(takeout=1.5), "at least 0 and below 1"),
        (lambda: Terms(takeout=1.0), "at least 0 and below 1"),
        (lambda: Terms(commission=-0.1), "at least 0 and below 1"),
        (lambda: Terms(takeout=0.2, pool_size=0), "above 0"),
        (lambda: Purse(bankroll=-5), "above 0"),
        (lambda: Purse(bankroll=float("inf")), "above 0"),
        (lambda: Purse(max_stake=0), "above 0"),
    ],
)
def test_an_impossible_plan_is_refused_with_what_is_allowed(make, allowed):
    with pytest.raises(BadInput) as caught:
        make()
    assert caught.value.allowed == allowed
    assert caught.value.exit_code == 2


def test_the_size_of_a_pool_needs_its_takeout():
    with pytest.raises(BadInput, match="takeout"):
        Terms(pool_size=1000)
