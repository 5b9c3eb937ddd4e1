"""A plan replayed in worlds whose truth is known: it shows a profit where there is one, and only there."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.ranking.plackett_luce import NONE
from oracle.ranking.pools import Pool
from oracle.ranking.races import offsets_of
from oracle.settings import EvaluationPolicy
from oracle.staking.backtest import Bets, backtest, whole_books
from oracle.staking.evidence import Verdict, weigh
from oracle.staking.ledger import Ledger, ledger
from oracle.staking.plan import Flat, FractionalKelly
from oracle.staking.replay import Book, Purse, largest_drawdown, replay
from oracle.staking.settle import Terms, profit
from tests.staking.books import book, matrix

QUICK = EvaluationPolicy(resamples=400)
FREE = Terms()


def ran(one, plan, terms=FREE, purse=Purse(), seed=1):  # noqa: B008 - frozen
    return backtest(matrix(one), one, plan, terms, purse, seed, QUICK)


BIASED = book(4000, margin=0.1, bias=0.75)
"""The public overbets outsiders so much that whoever knows the chances has an edge on favourites."""
FAIR_PRICES = book(4000, margin=0.17)


@pytest.mark.parametrize("plan", [Flat(), FractionalKelly(0.25), FractionalKelly(1.0)])
def test_who_knows_the_chances_of_a_biased_market_shows_a_profit(plan):
    found = ran(BIASED, plan)
    assert found.evidence.verdict is Verdict.PROFIT
    assert found.evidence.low > 0
    assert found.evidence.races_needed < found.evidence.races


def test_kelly_grows_where_the_edge_is_and_a_fraction_grows_slower_and_falls_less():
    full, quarter = ran(BIASED, FractionalKelly(1.0)), ran(BIASED, FractionalKelly(0.25))
    assert full.bankroll > quarter.bankroll > 1000
    assert full.growth > quarter.growth > 0
    assert quarter.drawdown < full.drawdown
    assert quarter.growth / full.growth == pytest.approx(0.4375, abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("insight", [0.6, 0.8, 1.6, 2.5])
def test_who_only_believes_to_know_better_than_fair_prices_shows_no_profit(insight):
    for plan in (Flat(), FractionalKelly(0.25)):
        found = ran(book(4000, margin=0.17, insight=insight), plan)
        assert found.evidence.verdict is not Verdict.PROFIT
        assert found.evidence.roi is None or found.evidence.roi < 0.02


def test_betting_on_everything_loses_what_the_odds_keep():
    found = ran(FAIR_PRICES, Flat(min_edge=-1.0))
    assert found.evidence.verdict is Verdict.LOSS
    assert found.evidence.low < -0.17 < found.evidence.high
    assert found.margin == pytest.approx(0.17, abs=0.002)
    assert found.everybody == found.total
    assert "no number of races" in found.evidence.cause
    assert found.evidence.races_needed is None


def test_a_takeout_makes_the_odds_anew():
    assert ran(BIASED, Flat(), Terms(takeout=0.1)).total.roi == pytest.approx(ran(BIASED, Flat()).total.roi, abs=0.01)
    assert ran(BIASED, Flat(), Terms(takeout=0.3)).total.bets < ran(BIASED, Flat()).total.bets


def test_commission_and_our_own_stakes_cost_money():
    plain, purse = ran(BIASED, Flat()), Purse()
    assert ran(BIASED, Flat(), Terms(commission=0.05)).total.roi < plain.total.roi
    deep, shallow = (ran(BIASED, Flat(), Terms(takeout=0.1, pool_size=size), purse) for size in (1e9, 20.0))
    assert shallow.total.roi < deep.total.roi
    assert deep.total.roi == pytest.approx(ran(BIASED, Flat(), Terms(takeout=0.1)).total.roi, abs=1e-6)


def test_a_plan_without_a_bet_has_no_return_and_says_so():
    found = ran(FAIR_PRICES, FractionalKelly(0.25))
    assert found.total.bets == 0
    assert found.total.roi is None
    assert found.evidence.verdict is Verdict.NOT_ENOUGH
    assert "no bet" in found.evidence.cause
    assert (found.bankroll, found.drawdown, found.growth) == (1000.0, 0.0, None)


def test_years_add_up_to_the_whole():
    found = ran(BIASED, Flat())
    total = sum(found.by_year.values(), Ledger())
    assert len(found.by_year) == 2
    assert dataclasses.replace(total, profit=0) == dataclasses.replace(found.total, profit=0)
    assert total.profit == pytest.approx(found.total.profit)


def test_nothing_about_a_backtest_promises_anything():
    words = " ".join(ran(BIASED, Flat()).as_dict()["warnings"])
    assert "final odds" in words
    assert "no promise" in words


@given(
    st.integers(1, 6),
    st.integers(0, 1000),
    st.sampled_from([Flat(min_edge=-1.0), FractionalKelly(1.0), FractionalKelly(0.3, min_edge=-1.0)]),
    st.sampled_from([Purse(), Purse(50.0), Purse(50.0, 2.0)]),
    st.sampled_from([Terms(), Terms(commission=0.1), Terms(takeout=0.1, pool_size=200.0)]),
)
def test_money_is_neither_made_nor_lost_on_the_way(races, seed, plan, purse, terms):
    one = book(races * 9, seed, margin=-0.05, bias=0.7)
    found = replay(one, plan, terms, purse)
    assert found.settled[-1] == pytest.approx(found.start + found.profit.sum())
    assert found.staked.min() >= 0
    if purse.bankroll is not None:
        assert found.settled.min() >= -1e-9
        assert (found.staked <= found.before + 1e-9).all()
    if purse.max_stake is not None:
        assert (found.staked <= 2.0 * 10 + 1e-9).all()


def test_the_compiled_walk_settles_as_the_pure_function_does():
    terms = Terms(takeout=0.12, commission=0.07, pool_size=500.0)
    stake = np.where(BIASED.prob * terms.after_commission(terms.odds(BIASED.odds, BIASED.offsets)) > 1, 3.0, 0.0)
    odds = terms.moved(terms.odds(BIASED.odds, BIASED.offsets), stake, BIASED.offsets)
    slow = profit(stake, odds, BIASED.share, BIASED.offsets, terms.commission)
    assert replay(BIASED, Flat(stake=3.0), terms, Purse()).profit == pytest.approx(slow, abs=1e-9)


def test_races_that_overlap_share_the_purse_and_results_come_ten_minutes_late():
    one = Book(
        prob=np.array([0.9, 0.1] * 3),
        odds=np.array([2.0, 2.0] * 3),
        share=np.array([0.0, 1.0] * 3),
        offsets=offsets_of([2, 2, 2]),
        off=np.array([0.0, 300.0, 900.0]),
    )
    found = replay(one, FractionalKelly(1.0), FREE, Purse(100.0))
    assert found.staked == pytest.approx([80.0, 20.0, 0.0], abs=1e-9)
    assert found.before == pytest.approx([100.0, 100.0, 0.0], abs=1e-9)
    assert found.settled == pytest.approx([20.0, 0.0, 0.0], abs=1e-9)
    apart = replay(dataclasses.replace(one, off=np.array([0.0, 600.0, 1200.0])), FractionalKelly(1.0), FREE, Purse(100))
    assert apart.staked == pytest.approx([80.0, 16.0, 3.2])


def test_a_race_without_a_result_costs_nothing():
    one = dataclasses.replace(BIASED, share=np.zeros_like(BIASED.share))
    found = ran(one, Flat())
    assert (found.total.bets, found.total.profit) == (0, 0)


def test_the_largest_fall_is_from_an_earlier_peak():
    assert largest_drawdown(np.array([1200.0, 600.0, 1300.0, 900.0]), 1000.0) == pytest.approx(0.5)
    assert largest_drawdown(np.array([3.0, -2.0, 4.0]), 0.0) == pytest.approx(5.0)
    assert largest_drawdown(np.array([]), 0.0) == 0


def test_hardly_a_winner_is_not_enough_however_narrow_the_interval():
    meeting = np.repeat(np.arange(100), 8).astype(str)
    found = weigh(np.ones(800), np.full(800, -1.0), 0, meeting, 1, QUICK)
    assert found.verdict is Verdict.NOT_ENOUGH
    assert "too few" in found.cause
    assert found.roi == -1
    one_day = weigh(np.ones(80), np.tile([1.0, -1.0], 40), 40, np.repeat("day", 80), 1, QUICK)
    assert one_day.verdict is Verdict.NOT_ENOUGH


def test_the_races_needed_are_those_that_show_the_return():
    """With as many races as were asked for, about 80 % of worlds show the profit."""
    chance, races = np.random.default_rng(3), 2000
    wins = chance.random(races) < 0.275
    profits = np.where(wins, 3.0, -1.0)
    first = weigh(np.ones(races), profits, int(wins.sum()), np.arange(races).astype(str), 1, QUICK)
    z = 1.959964 + 0.841621
    assert first.races_needed == pytest.approx((z * profits.std() / first.roi) ** 2, rel=0.15)
    needed = math.ceil((z * 4 * math.sqrt(0.275 * 0.725) / 0.1) ** 2)
    shown = 0
    for seed in range(60):
        won = np.random.default_rng(100 + seed).random(needed) < 0.275
        gain = np.where(won, 3.0, -1.0)
        shown += weigh(np.ones(needed), gain, 99, (np.arange(needed) // 8).astype(str), 1, QUICK).low > 0
    assert 0.65 <= shown / 60 <= 0.95


def test_place_bets_are_settled_at_a_fraction_of_the_win_odds():
    bets = Bets(Pool.PLACE, 0.2)
    position = np.tile([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10], len(BIASED))
    races = matrix(BIASED, position)
    one = bets.book(races, bets.prob(races, BIASED.prob, NONE), BIASED.odds)
    assert one.odds == pytest.approx(1 + (BIASED.odds - 1) / 5)
    assert one.share[:10].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert one.prob[:10].sum() == pytest.approx(3)
    found = backtest(races, one, Flat(min_edge=-1.0), FREE, Purse(), 1, QUICK)
    assert found.total.won == 3 * len(BIASED)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Bets(Pool.TRIFECTA),
        lambda: Bets(Pool.EXACTA),
        lambda: Bets(Pool.PLACE),
        lambda: Bets(Pool.WIN, 0.2),
        lambda: Bets(Pool.PLACE, 0.0),
        lambda: Bets(Pool.PLACE, 0.2).refuse_unfit(FractionalKelly(), FREE),
        lambda: Bets(Pool.PLACE, 0.2).refuse_unfit(Flat(), Terms(takeout=0.2)),
    ],
)
def test_a_pool_that_cannot_be_settled_is_refused(make):
    with pytest.raises(BadInput):
        make()


def test_a_ledger_of_some_races_is_a_part_of_the_whole():
    found = replay(BIASED, Flat(), FREE, Purse())
    where = np.arange(len(BIASED)) % 3 == 0
    both, whole = ledger(found, where) + ledger(found, ~where), ledger(found)
    assert (both.races, both.races_bet, both.bets, both.won) == (whole.races, whole.races_bet, whole.bets, whole.won)
    assert (both.staked, both.profit) == pytest.approx((whole.staked, whole.profit))
    assert whole + Ledger() == whole


def test_one_large_stake_among_many_small_ones_is_hardly_more_than_one():
    stake = np.full(400, 0.01)
    stake[7] = 5.0
    found = weigh(stake, np.where(np.arange(400) % 2, stake, -stake), 200, np.arange(400).astype(str), 1, QUICK)
    assert found.verdict is Verdict.NOT_ENOUGH
    assert "weigh like 3 meetings" in found.cause


def test_odds_that_add_up_to_far_less_than_one_are_a_fault_of_the_data_and_no_gift():
    odds, torn = whole_books(np.array([2.0, 2.0, 2.0, 4.0, 2.0, 1.9, np.nan, 5.0]), offsets_of([2, 2, 2, 2]))
    assert torn == 1
    assert np.isnan(odds).tolist() == [False, False, True, True, False, False, True, False]
