"""The race-level sums add, in whatever pieces races come, and hold what the metrics say."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from oracle.drift.expectation import REAL, expected_ndcg
from oracle.drift.racing import RaceSums
from oracle.drift.starters import Starters
from oracle.ranking import metrics
from oracle.ranking.outcome import gains
from oracle.ranking.plackett_luce import Discount
from oracle.ranking.races import offsets_of
from oracle.settings import EvaluationPolicy
from tests.drift.invented import RUNNERS, races


def same(a: RaceSums, b: RaceSums) -> bool:
    return a.to_bytes() == b.to_bytes()


def test_pieces_in_any_order_give_the_same_bits_as_the_whole() -> None:
    table = races(60, seed=1)
    cuts = [0, 7, 8, 31, 60]
    pieces = [RaceSums.of(table.slice(a * RUNNERS, (b - a) * RUNNERS)) for a, b in itertools.pairwise(cuts)]
    whole = RaceSums.of(table)
    forwards = pieces[0] + pieces[1] + pieces[2] + pieces[3]
    nested = (pieces[0] + pieces[1]) + (pieces[2] + pieces[3])
    backwards = pieces[3] + pieces[2] + pieces[1] + pieces[0]
    assert same(whole, forwards)
    assert same(forwards, nested)
    assert np.array_equal(whole.meetings.sums, backwards.meetings.sums)
    assert np.array_equal(whole.times.sums, backwards.times.sums)
    assert same(RaceSums.zero() + whole, whole + RaceSums.zero())


def test_sums_survive_their_bytes() -> None:
    whole = RaceSums.of(races(20, seed=2))
    assert same(RaceSums.from_bytes(whole.to_bytes()), whole)
    assert not RaceSums.from_bytes(RaceSums.zero().to_bytes())


def test_a_table_without_races_has_no_sums() -> None:
    assert not RaceSums.of(pa.table({"x": [1.0, 2.0]}))
    assert not RaceSums.of(races(3, seed=3).slice(0, 0))


def test_the_sums_are_those_of_the_metrics() -> None:
    table = races(50, seed=4)
    sums, starters = RaceSums.of(table), Starters.of(table)
    assert starters is not None
    gain = gains(starters.position, starters.offsets, EvaluationPolicy())
    ndcg = metrics.ndcg(starters.score, gain, starters.offsets, 3)
    assert sums.races == sums.total("judged") == 50
    assert sums.total("ndcg") == pytest.approx(ndcg.sum(), abs=1e-6)
    assert sums.counts("draw").sum() == pytest.approx(50)  # the first three of each race count a third each
    assert sums.counts("odds_rank").sum() == sums.counts("field").sum() == 50
    assert sums.counts("win").sum() == 50 * RUNNERS


def test_what_is_missing_leaves_its_sums_empty_and_the_others_alone() -> None:
    full = races(30, seed=5)
    sums = RaceSums.of(full.drop_columns(["odds", "win"]))
    assert sums.total("judged") == 30
    assert sums.total("both") == sums.total("priced") == sums.counts("win").sum() == 0
    late = RaceSums.of(full.drop_columns(["position", "time_s"]))
    assert late.total("judged") == 0
    assert late.total("foreseen") == 30
    assert late.total("foreseen_ndcg") > 0


def test_withdrawn_runners_are_no_starters() -> None:
    table = races(4, seed=6)
    status = ["withdrawn" if i % RUNNERS == 0 else "finished" for i in range(table.num_rows)]
    assert RaceSums.of(table.append_column("status", pa.array(status))).total("starters") == 4 * (RUNNERS - 1)


@pytest.mark.parametrize("discount", [Discount(), REAL])
def test_the_expected_ndcg_is_the_mean_over_all_results(discount: Discount) -> None:
    win, score = np.array([0.4, 0.3, 0.2, 0.1]), np.array([1.0, 3.0, 2.0, 0.0])
    offsets, policy = offsets_of([4]), EvaluationPolicy()
    total = 0.0
    for order in itertools.permutations(range(4), 3):
        chance, left = 1.0, [0, 1, 2, 3]
        for runner, power in zip(order, (1.0, discount.second, discount.third), strict=True):
            chance *= win[runner] ** power / (win[left] ** power).sum()
            left.remove(runner)
        position = np.full(4, 4.0)
        position[list(order)] = [1, 2, 3]
        total += chance * metrics.ndcg(score, gains(position, offsets, policy), offsets, 3)[0]
    assert expected_ndcg(score, win, offsets, discount=discount)[0] == pytest.approx(total)


def test_a_calibrated_model_reaches_on_the_mean_what_it_expects_of_itself() -> None:
    table = races(1500, seed=7)
    starters = Starters.of(table)
    assert starters is not None
    gain = gains(starters.position, starters.offsets, EvaluationPolicy())
    reached = metrics.ndcg(starters.score, gain, starters.offsets, 3)
    said = expected_ndcg(starters.score, starters.win, starters.offsets, discount=Discount())
    assert said.mean() == pytest.approx(reached.mean(), abs=3 * reached.std() / np.sqrt(1500))
