"""How trials are judged: folds before the test, the same races for all, a value that compares trials."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.data.splits import split
from oracle.ensemble.recipe import EVEN, SHIPPED, Member, Pool
from oracle.errors import NotEnoughData
from oracle.models.families import FAMILIES, FORM
from oracle.settings import EvaluationPolicy, SplitPolicy
from oracle.tuning.objective import Board, FoldPolicy, against, board, judge, judge_pool
from oracle.tuning.space import candidates
from tests.models import world

LOGIT = Member("conditional_logit", {"penalties": (3000.0,), "iterations": 20})


@pytest.fixture(scope="module")
def small() -> Board:
    return board(world.thinned(), SplitPolicy(), EvaluationPolicy(), 7, FoldPolicy())


def test_no_race_of_the_test_dates_is_on_the_board(small: Board) -> None:
    test_from = np.datetime64(split(world.history().dates, SplitPolicy()).test_from)
    assert small.races.dates.max() < test_from


def test_each_fold_learns_chooses_and_is_judged_on_dates_in_this_order(small: Board) -> None:
    days = small.races.dates
    for fold in small.folds:
        assert days[fold.learn].max() < days[fold.choose].min()
        assert days[fold.choose].max() < days[fold.judge].min()
        assert not (fold.learn & fold.choose).any()


def test_folds_expand_and_are_judged_on_different_dates(small: Board) -> None:
    for before, after in zip(small.folds, small.folds[1:], strict=False):
        assert before.learn.sum() < after.learn.sum()
        assert not (before.judge & after.judge).any()
        assert (after.learn | after.choose)[before.judge].all()


def test_a_history_too_short_for_folds_is_refused_with_the_fold(small: Board) -> None:
    few = world.history().take(np.arange(len(world.history())) < 120)
    with pytest.raises(NotEnoughData, match=r"fold 1 .* too few races") as caught:
        board(few, SplitPolicy(), EvaluationPolicy(), 7, FoldPolicy())
    assert caught.value.allowed == "at least 15"


def test_a_member_is_judged_on_the_races_that_all_members_can_score(small: Board) -> None:
    form, market = judge(LOGIT, small, 1, 1), judge(Member("market"), small, 1, 1)
    assert form.races == market.races
    assert len(form.scores) == small.judged(1).offsets[-1]
    assert market.log_loss < form.log_loss


def test_a_later_fold_does_not_change_what_an_earlier_one_measures(small: Board) -> None:
    changed = small.races.position.copy()
    rows = np.repeat(small.folds[2].judge, small.races.sizes)
    changed[rows] = changed[rows][::-1]
    from dataclasses import replace

    other = replace(small, races=replace(small.races, position=changed))
    assert judge(LOGIT, other, 1, 1).log_loss == judge(LOGIT, small, 1, 1).log_loss


def test_without_odds_only_what_reads_form_is_judged() -> None:
    from dataclasses import replace

    races = world.thinned()
    blind = replace(races, market=np.full_like(races.market, np.nan))
    found = board(blind, SplitPolicy(), EvaluationPolicy(), 7, FoldPolicy())
    assert not found.priced
    answering = candidates(SHIPPED, priced=False)
    assert list(answering)[: len(SHIPPED.form.members)] == list(SHIPPED.form.members)
    assert {FAMILIES[m.family].sees for m in answering.values()} == {FORM}


losses = st.lists(st.floats(0.1, 5.0), min_size=1, max_size=4)


@given(losses, st.floats(-0.05, 0.05))
def test_the_value_of_a_trial_is_its_mean_gain_whatever_the_folds_are_like(shipped: list[float], gain: float) -> None:
    assert against([x + gain for x in shipped], shipped) == pytest.approx(gain, abs=1e-9)
    assert against(shipped, shipped) == 0.0


def test_a_pool_of_one_member_is_that_member_and_learns_its_weight_on_earlier_folds_only(small: Board) -> None:
    scores = {"logit": [judge(LOGIT, small, fold, 1).scores for fold in range(2)]}
    alone = judge_pool(Pool(("logit",), EVEN), scores, small, 1)
    assert np.nanmean(alone) == pytest.approx(judge(LOGIT, small, 1, 1).log_loss)
    assert np.nanmean(judge_pool(Pool(("logit",)), scores, small, 1)) != np.nanmean(alone)
    light = small.without_features()
    assert np.array_equal(
        judge_pool(Pool(("logit",)), scores, light, 1), judge_pool(Pool(("logit",)), scores, small, 1), equal_nan=True
    )
