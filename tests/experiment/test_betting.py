from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.experiment import betting
from oracle.experiment.sequential import clusters_widening, evidence_above, needed, needed_to_bet, widening
from tests.experiment import golden

GOLDEN = json.loads(golden.FILE.read_text("utf-8"))
BOUNDED = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=60)


def by_hand(d: list[float], mean: float, planned: float, deviation: float, alpha: float) -> tuple[float, float]:
    """The two fortunes after the last race, from the formulas, one race at a time."""
    above = below = 1.0
    for i in range(len(d)):
        before = d[:i]
        means = [sum(before[:j]) / (j + 1) for j in range(len(before) + 1)]
        spread = deviation**2 + sum((x - means[j]) * (x - means[j + 1]) for j, x in enumerate(before))
        bet = math.sqrt(2.0 * math.log(2.0 / alpha) / planned / (spread / (i + 1)))
        above *= 1.0 + min(bet, 0.9 / (1.0 + mean)) * (d[i] - mean)
        below *= 1.0 - min(bet, 0.9 / (1.0 - mean)) * (d[i] - mean)
    return above, below


@given(BOUNDED, st.floats(-0.5, 0.5))
def test_a_fortune_is_the_product_of_what_each_race_made_of_it(d: list[float], mean: float):
    values = np.array(d)
    bets = betting.bets(values, 50, 0.2, 0.05)
    above, below = betting.fortunes(values, bets, mean)
    expected = by_hand(d, mean, 50, 0.2, 0.05)
    assert (math.exp(above[-1]), math.exp(below[-1])) == pytest.approx(expected, rel=1e-7)


@given(BOUNDED)
def test_a_bet_is_placed_before_its_race(d: list[float]):
    values = np.array(d)
    changed = values.copy()
    changed[-1] = -changed[-1] if changed[-1] else 0.5
    assert betting.bets(values, 50, 0.2, 0.05).tolist() == betting.bets(changed, 50, 0.2, 0.05).tolist()


@given(BOUNDED)
def test_the_bounds_turn_round_when_the_arms_do(d: list[float]):
    looks = np.array([0, len(d)])
    one = betting.sequence(np.array(d), looks, 40, 0.3)
    other = betting.sequence(-np.array(d), looks, 40, 0.3)
    assert one.low == pytest.approx(-other.high, abs=1e-5)
    assert (one.low <= one.high + 1e-9).all()


def test_the_truth_is_ever_left_out_in_fewer_than_one_test_of_twenty():
    chance = np.random.default_rng(3)
    left_out = 0
    for _ in range(400):
        # Nine races of ten differ in nothing; the tenth by a jump that is skewed. Its mean is 0.
        d = np.where(chance.random(1500) < 0.1, np.where(chance.random(1500) < 0.8, 0.1, -0.4), 0.0)
        bets = betting.bets(d, 800, 0.07, 0.05)
        above, below = betting.fortunes(d, bets, 0.0)
        left_out += max(above.max(), below.max()) >= math.log(40)
    assert left_out / 400 < 0.05


def test_the_bounds_are_where_the_fortune_reaches_two_over_alpha():
    d = np.random.default_rng(1).normal(0.03, 0.1, 900).clip(-1, 1)
    found = betting.sequence(d, np.array([900]), 900, 0.1)
    bets = betting.bets(d, 900, 0.1, 0.05)
    at_low, at_high = betting.fortunes(d, bets, float(found.low[0])), betting.fortunes(d, bets, float(found.high[0]))
    assert at_low[0][-1] == pytest.approx(math.log(40), abs=0.01)
    assert at_high[1][-1] == pytest.approx(math.log(40), abs=0.01)


def test_before_the_first_race_nothing_is_excluded():
    found = betting.sequence(np.zeros(0), np.array([0]), 100, 0.1)
    assert (found.low[0], found.high[0]) == (-1.0, 1.0)


def test_a_difference_beyond_what_ndcg_can_be_is_refused():
    with pytest.raises(BadInput, match="between -1 and 1"):
        betting.bets(np.array([0.2, 1.2]), 10, 0.1, 0.05)


def test_the_asymptotic_sequence_is_narrowest_where_it_was_planned():
    at = {n: widening(n, 2000, 0.05) / math.sqrt(n) * math.sqrt(n) for n in (200, 2000, 20_000)}
    assert at[2000] < at[200]
    assert at[2000] < at[20_000]
    assert 2.9 < at[2000] < 3.2


def test_what_is_needed_shrinks_with_the_square_of_the_effect():
    one, two = (needed(effect, 0.1, 1000, 0.05, 0.8) for effect in (0.01, 0.02))
    assert 3.0 < one / two < 5.0


def test_evidence_against_a_rate_grows_only_above_it():
    assert evidence_above(5, 100, 0.05) < 1.0
    assert evidence_above(20, 100, 0.05) > 100.0
    chance = np.random.default_rng(2)
    alarms = 0
    for _ in range(300):
        seen = np.cumsum(chance.random(1000) < 0.05)
        alarms += max(evidence_above(int(seen[n - 1]), n, 0.05) for n in range(10, 1001, 10)) >= 20
    assert alarms / 300 < 0.05


@given(BOUNDED)
def test_what_was_excluded_once_stays_excluded(d: list[float]):
    found = betting.sequence(np.array(d), np.arange(len(d) + 1), 10, 0.1)
    assert (np.diff(found.low) >= 0.0).all()
    assert (np.diff(found.high) <= 0.0).all()


@given(BOUNDED, st.integers(1, 7))
def test_looking_more_often_never_widens_the_bounds(d: list[float], step: int):
    often, seldom = np.arange(1, len(d) + 1), np.array([*range(step, len(d), step), len(d)])
    one, other = (betting.sequence(np.array(d), looks, 10, 0.1) for looks in (often, seldom))
    assert one.low[-1] >= other.low[-1] - 2e-6
    assert one.high[-1] <= other.high[-1] + 2e-6


def test_the_bounds_are_those_that_were_worked_out_the_long_way():
    told = GOLDEN["bounds"]
    found = betting.sequence(np.array(golden.races(300)), np.array([300]), golden.PLANNED, golden.DEVIATION)
    assert told["low"] <= found.low[0] <= told["low"] + told["step"]
    assert told["high"] - told["step"] <= found.high[0] <= told["high"]


def test_the_fewer_clusters_gave_an_error_the_wider_the_bounds():
    wide = [clusters_widening(500, 500, 0.05, clusters) for clusters in (5, 20, 10_000)]
    assert wide[0] > wide[1] > wide[2] == pytest.approx(widening(500, 500, 0.05), rel=1e-3)


@given(st.floats(0.002, 0.2), st.floats(0.01, 0.5))
def test_what_a_bettor_needs_is_where_his_fortune_has_grown_enough(effect: float, deviation: float):
    n = needed_to_bet(effect, deviation, 0.05, 0.8)
    bet = min(0.9, effect / deviation**2)
    growth, noise = bet * effect - 0.5 * (bet * deviation) ** 2, bet * deviation
    assert n * growth - 0.8416 * math.sqrt(n) * noise == pytest.approx(math.log(40), rel=1e-3)
