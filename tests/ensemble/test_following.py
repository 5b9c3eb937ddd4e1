"""How far corrections of the market are followed: as far as later races and a prior say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oracle.ensemble.folds import FIRST_SHARE, out_of_fold
from oracle.ensemble.pooling import PRIOR_TRUST, shrunk
from oracle.ensemble.recipe import SHRUNK, Pool
from oracle.errors import BadInput
from oracle.features.matrix import RaceMatrix
from oracle.models.market import BY_POWER, Market
from oracle.progress import silent
from oracle.ranking.market import power
from oracle.ranking.races import Floats, offsets_of, sum_by_race
from tests.models import world

RUNNERS = 8
MEMBERS = ("base", "right", "wrong")


def drawn(races: int, seed: int = 1) -> tuple[RaceMatrix, dict[str, Floats]]:
    """Return races won by base + twice the right correction, and the scores of all three."""
    chance = np.random.default_rng(seed)
    base, right, wrong = (chance.normal(size=races * RUNNERS) * s for s in (1.0, 0.3, 0.3))
    finish = (base + 2.0 * right + chance.gumbel(size=base.size)).reshape(races, RUNNERS)
    position = np.argsort(np.argsort(-finish, axis=1), axis=1).ravel() + 1.0
    matrix = world.made(np.zeros(base.size), [RUNNERS] * races, position)
    return matrix, {"base": base, "right": base + right, "wrong": base + wrong}


def test_before_any_race_is_seen_the_prior_answers():
    races, scores = drawn(40)
    unseen = {n: np.full_like(s, np.nan) for n, s in scores.items()}
    weights = shrunk(MEMBERS, unseen, races).weights
    assert weights == pytest.approx(
        {"base": 1.0 - PRIOR_TRUST, "right": PRIOR_TRUST / 2, "wrong": PRIOR_TRUST / 2}, abs=1e-12
    )


def test_with_many_races_a_timid_correction_is_stretched_and_an_idle_one_turned_down():
    weights = shrunk(MEMBERS, drawn(20_000)[1], drawn(20_000)[0]).weights
    assert weights["right"] == pytest.approx(2.0, abs=0.2)
    assert weights["wrong"] == pytest.approx(0.0, abs=0.2)
    assert sum(weights.values()) == pytest.approx(1.0)


def test_between_the_two_the_weight_moves_from_the_prior_to_the_likelihood():
    few, some, many = (shrunk(MEMBERS, drawn(n)[1], drawn(n)[0]).weights["right"] for n in (50, 1_000, 20_000))
    assert few + 0.3 > PRIOR_TRUST / 2
    assert few < some < many


def test_a_pool_is_shrunk_only_as_a_stack_of_something_and_its_corrections():
    with pytest.raises(BadInput, match="corrections are shrunk"):
        Pool(("market_power", "market_logit"), SHRUNK)
    with pytest.raises(BadInput, match="corrections are shrunk"):
        Pool(("market_power",), SHRUNK, "stacking")


def learners():  # type: ignore[no-untyped-def]
    return {"market": lambda train: Market().fit(train, None, 7, 1, silent)}


def test_out_of_fold_scores_begin_after_the_first_dates_and_then_cover_every_race():
    races = world.history()
    found = out_of_fold(learners(), races)["market"]
    days = np.unique(races.day)
    late = np.repeat(races.day >= days[round(FIRST_SHARE * len(days))], races.sizes)
    priced = ~np.isnan(races.market)
    assert np.array_equal(~np.isnan(found), late & priced)


def test_no_out_of_fold_score_knows_a_result_of_its_own_fold_or_later():
    races = world.history()
    before = out_of_fold(learners(), races)["market"]
    cut = np.unique(races.day)[-5]
    later = np.repeat(races.day >= cut, races.sizes)
    position = races.position.copy()
    position[later] = position[later][::-1]
    np.testing.assert_array_equal(out_of_fold(learners(), replace(races, position=position))["market"], before)


def test_too_short_a_history_has_no_out_of_fold_scores():
    races = world.history().take(np.arange(len(world.history())) < 3)
    assert np.isnan(out_of_fold(learners(), races)["market"]).all()


def test_the_market_by_power_takes_more_from_longshots_the_larger_the_book():
    offsets = offsets_of([3, 3])
    odds = np.array([2.0, 4.0, 8.0, 1.6, 3.2, 6.4])  # the same prices a fifth shorter: a larger book
    even, short = power(odds, offsets)[2], power(odds, offsets)[5]
    assert short < even
    made = world.made(np.zeros(6), [3, 3], [1.0, 2.0, 3.0] * 2)
    races = replace(made, odds=odds, market=np.array([4, 2, 1, 4, 2, 1]) / 7.0)
    score = Market(BY_POWER).fit(races, None, 7, 1, silent).score(races)
    assert score[2] - score[0] > score[5] - score[3]
    np.testing.assert_allclose(sum_by_race(power(odds, offsets), offsets), 1.0)
