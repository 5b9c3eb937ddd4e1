"""The fit looks at nothing it should not: whole races, cut by date, and the test is not touched before the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oracle.ensemble.blend import RANK, STACKING
from oracle.ensemble.fit import Fitted, TestReport, judge
from oracle.ensemble.recipe import SHIPPED, Pool, Recipe
from oracle.ensemble.weights import BOTH
from oracle.errors import NotEnoughData, RowwiseSplit
from oracle.features import registry
from oracle.features.matrix import RaceMatrix
from oracle.models.market import FAMILY as MARKET
from oracle.models.ranker import validation_loss
from oracle.ranking.calibration import PowerCalibration
from oracle.ranking.races import as_floats
from oracle.ranking.report import NoResult, Report, evaluate
from oracle.settings import EvaluationPolicy
from tests.ensemble import small
from tests.models import world


def scrambled(races: RaceMatrix, which: np.ndarray, seed: int) -> RaceMatrix:
    """Return the races with the results of some of them dealt out anew among their runners."""
    chance = np.random.default_rng(seed)
    position = races.position.copy()
    for race in np.flatnonzero(which):
        rows = slice(races.offsets[race], races.offsets[race + 1])
        position[rows] = chance.permutation(position[rows])
    return replace(races, position=position)


def of(report: Report | NoResult | None) -> Report:
    assert isinstance(report, Report), report
    return report


def alike(a: Fitted, b: Fitted) -> bool:
    """Tell whether two fits learned the same, bit by bit."""
    return (
        {n: dict(m.dump()) for n, m in a.members.items()} == {n: dict(m.dump()) for n, m in b.members.items()}
        and a.form == b.form
        and a.market == b.market
        and a.discount == b.discount
        and a.agreement == b.agreement
    )


def test_periods_are_whole_races_one_after_the_other(fitted: Fitted):
    dates, parts = world.thinned().dates, fitted.split
    assert (parts.train.astype(int) + parts.validation + parts.test == 1).all()
    assert dates[parts.train].max() < dates[parts.validation].min()
    assert dates[parts.validation].max() < dates[parts.test].min()
    assert fitted.test.first_date >= str(dates[parts.test].min())
    assert fitted.test.last_date <= str(dates[parts.test].max())


def test_a_mask_over_runners_is_refused():
    races = world.thinned()
    with pytest.raises(RowwiseSplit, match="one per race"):
        races.take(np.ones(len(races.position), dtype=np.bool_))


def test_results_of_the_test_dates_change_nothing_that_was_learned(fitted: Fitted):
    races = world.thinned()
    other = small.fit(scrambled(races, fitted.split.test, 1))
    assert alike(other, fitted)
    assert of(other.test.form).ndcg_at_3 != of(fitted.test.form).ndcg_at_3


def test_the_same_seed_and_data_give_the_same_model_whatever_the_number_of_threads(fitted: Fitted):
    again = small.fit(world.thinned(), threads=2)
    assert again.test == fitted.test
    assert (again.form, again.market, again.discount) == (fitted.form, fitted.market, fitted.discount)


def test_on_results_dealt_out_at_random_the_model_is_no_better_than_chance():
    races = world.thinned()
    canary = small.fit(scrambled(races, np.ones(len(races), dtype=np.bool_), 2))
    for report in (canary.test.form, canary.test.model, *canary.test.members.values()):
        assert (of(report).pseudo_r2 or 0.0) < 0.01
        assert abs(of(report).ndcg_at_3 - chance_ndcg(races, canary)) < 0.1


def chance_ndcg(races: RaceMatrix, found: Fitted) -> float:
    """Return the NDCG@3 of a ranker that ranks nobody, on the same races."""
    test = races.take(found.split.test)
    return of(evaluate(np.zeros(len(test.position)), None, test.position, test.offsets, EvaluationPolicy())).ndcg_at_3


def test_on_careers_that_mean_something_every_member_beats_chance(fitted: Fitted):
    floor = chance_ndcg(world.thinned(), fitted)
    assert set(fitted.test.members) == {*SHIPPED.form.members, MARKET, *SHIPPED.market.members} == set(fitted.members)
    for report in (fitted.test.model, fitted.test.form, fitted.test.market, *fitted.test.members.values()):
        assert of(report).ndcg_at_3 > floor + 0.05
        assert (of(report).pseudo_r2 or 0.0) > 0.0
        assert of(report).races == fitted.test.races


def test_the_form_blend_is_at_least_as_likely_as_each_member_on_validation(fitted: Fitted):
    validation = world.thinned().take(fitted.split.validation)
    scores = {name: fitted.watched[name].score(validation) for name in SHIPPED.form.members}
    best = min(validation_loss(score, validation) for score in scores.values())
    assert validation_loss(fitted.form.utility(scores, validation), validation) <= best + 1e-3
    assert min(fitted.form.weights.values()) >= 0.0
    assert 0.2 < fitted.agreement < 1.0


def test_a_recipe_decides_what_is_weighed_and_what_for(fitted: Fitted):
    members = ("conditional_logit", "win")
    other = Recipe(
        {name: SHIPPED.members[name] for name in (*members, MARKET)},
        Pool(members, aggregation=RANK, objective=BOTH),
        Pool((MARKET, "win"), aggregation=STACKING),
    )
    found = small.fit(world.thinned(), recipe=other)
    assert found.market is not None
    assert (found.form.aggregation, found.market.aggregation) == (RANK, STACKING)
    assert sum(found.form.weights.values()) == pytest.approx(1.0)
    assert found.form.scale != 1.0
    assert found.market.weights[MARKET] > found.market.weights["win"]
    assert set(found.chemistry["model"].contribution) == {MARKET, "win"}
    for report in (found.test.form, found.test.model):
        assert (of(report).pseudo_r2 or 0.0) > 0.0
    assert of(found.test.members[MARKET]) == of(fitted.test.members[MARKET])


def test_form_members_see_nothing_of_the_odds(fitted: Fitted):
    races = world.thinned()
    changed = replace(races, market=np.roll(races.market, 1))
    form = {f.name for f in registry.features("form")}
    for name in SHIPPED.form.members:
        assert set(fitted.members[name].features) <= form
        np.testing.assert_array_equal(fitted.members[name].score(changed), fitted.members[name].score(races))


def test_a_history_without_odds_gives_a_form_model_and_says_nothing_of_a_market():
    races = world.thinned()
    found = small.fit(replace(races, market=np.full_like(races.market, np.nan)))
    assert found.market is None
    assert set(found.members) == set(SHIPPED.form.members)
    assert found.test.market is None
    assert found.test.model == found.test.form
    assert found.test.as_dict()["market"] is None


def judged(races: RaceMatrix, found: Fitted) -> TestReport:
    calibration = {who: choice.calibration for who, choice in found.calibration.items()}
    return judge(found.members, found.form, found.market, races, EvaluationPolicy(), calibration)


def test_races_in_which_a_starter_lacks_odds_are_counted_for_nobody(fitted: Fitted):
    test = world.thinned().take(fitted.split.test)
    market = test.market.copy()
    market[: test.offsets[20]] = np.nan
    report = judged(replace(test, market=market), fitted)
    assert report.races < fitted.test.races
    assert {of(r).races for r in (report.model, report.form, report.market, *report.members.values())} == {report.races}


def test_later_races_without_any_odds_are_judged_by_form(fitted: Fitted):
    test = world.thinned().take(fitted.split.test)
    report = judged(replace(test, market=np.full_like(test.market, np.nan)), fitted)
    assert report.market is None
    assert set(report.members) == set(SHIPPED.form.members)
    assert of(report.model) == of(report.form)
    assert of(report.form).races == report.races > 0


def test_races_without_a_result_give_a_reason_instead_of_numbers(fitted: Fitted):
    test = world.thinned().take(fitted.split.test)
    report = judged(replace(test, position=np.full_like(test.position, np.nan)), fitted)
    assert report.races == 0 or isinstance(report.form, NoResult)
    assert report.first_date == ""
    assert isinstance(report.model, NoResult)
    assert report.model.reason


@pytest.mark.parametrize("period", ["training", "validation", "test"])
def test_too_few_races_with_a_result_are_refused_naming_the_period(fitted: Fitted, period: str):
    races = world.thinned()
    mask = {"training": fitted.split.train, "validation": fitted.split.validation, "test": fitted.split.test}[period]
    position = as_floats(races.position).copy()
    position[np.repeat(mask, races.sizes)] = np.nan
    with pytest.raises(NotEnoughData, match=f"the {period} period") as caught:
        small.fit(replace(races, position=position))
    assert caught.value.value == 0
    assert "split" in str(caught.value.next_step)


def test_both_answers_are_calibrated_on_validation_and_the_test_shows_before_and_after(fitted: Fitted):
    assert set(fitted.calibration) == set(fitted.test.reliability) == {"form", "model"}
    for who, curve in fitted.test.reliability.items():
        assert curve.races == fitted.test.races
        assert curve.ece == of(getattr(fitted.test, who)).ece
        if fitted.calibration[who].method == "none":
            assert curve.ece == curve.ece_before


def test_a_calibration_that_is_asked_for_is_applied_to_the_judged_answer(fitted: Fitted):
    test = world.thinned().take(fitted.split.test)
    flat = {"form": PowerCalibration(0.2), "model": PowerCalibration(0.2)}
    found = judge(fitted.members, fitted.form, fitted.market, test, EvaluationPolicy(), flat)
    assert (of(found.model).log_loss or 0) > (of(fitted.test.model).log_loss or 0)
    assert of(found.model).ndcg_at_3 == of(fitted.test.model).ndcg_at_3
    assert found.market == fitted.test.market
