"""What every model family must hold to. A new family is found by its line in `FAMILIES` and needs no line here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from oracle.errors import UntrustedPackage
from oracle.features.matrix import RaceMatrix
from oracle.models import families
from oracle.models.contributions import ODDS
from oracle.models.families import FAMILIES
from oracle.models.ranker import FittedRanker, validation_loss
from oracle.progress import silent
from oracle.ranking.races import softmax, sum_by_race
from oracle.ranking.report import scored
from tests.models import world

SEED = 7


@dataclass(frozen=True)
class Periods:
    train: RaceMatrix
    later: RaceMatrix


@cache
def periods() -> Periods:
    """Return training races and later ones; the training holds dead heats, non-finishers and races without odds."""
    races = world.history()
    position, market = races.position.copy(), races.market.copy()
    first, second, third = (slice(*races.offsets[i : i + 2]) for i in range(3))
    position[first] = np.where(position[first] == 2, 1, position[first])  # a dead heat for the win
    position[second] = np.where(position[second] > 2, np.nan, position[second])  # two finished
    position[third] = np.nan  # nobody did
    for unpriced in (slice(*races.offsets[3:5]), slice(*races.offsets[-2:])):
        market[unpriced] = np.nan
    races = replace(races, position=position, market=market).only(races.names[::3])
    return Periods(races.take(world.before()), races.take(~world.before()))


@cache
def fitted(family: str) -> FittedRanker:
    parts = periods()
    return world.family(family).fit(parts.train, parts.later, SEED, 1, silent)


@pytest.fixture(params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    if extra := FAMILIES[request.param].extra:
        pytest.importorskip(extra)
    return str(request.param)


def test_only_a_race_without_odds_is_unscored_and_only_by_families_that_read_the_market(family: str):
    score = fitted(family).score(periods().later)
    whole = scored(score, periods().later.offsets)
    priced = scored(periods().later.market, periods().later.offsets)
    assert not priced.all()
    assert np.isfinite(score[np.repeat(whole, periods().later.sizes)]).all()
    assert np.array_equal(whole, priced) if FAMILIES[family].sees == families.MARKET else whole.all()


def test_scores_are_chances_that_beat_a_uniform_race_on_later_dates(family: str):
    later = periods().later.take(scored(periods().later.market, periods().later.offsets))
    chance = softmax(fitted(family).score(later), later.offsets)
    np.testing.assert_allclose(sum_by_race(chance, later.offsets), 1.0, atol=1e-12)
    assert validation_loss(np.log(chance), later) < np.log(later.sizes).mean() - 0.02


def test_the_same_seed_and_data_give_the_same_scores_whatever_the_number_of_threads(family: str):
    parts = periods()
    again = world.family(family).fit(parts.train, parts.later, SEED, 2, silent)
    np.testing.assert_array_equal(again.score(parts.later), fitted(family).score(parts.later))


@pytest.mark.parametrize("seed", [1, 2])
def test_no_score_depends_on_the_order_of_races_or_of_runners(family: str, seed: int):
    later = periods().later
    moved, rows = world.permuted(later, seed)
    np.testing.assert_allclose(
        fitted(family).score(moved), fitted(family).score(later)[rows], rtol=1e-9, atol=1e-9, equal_nan=True
    )


def test_a_race_is_scored_alone_as_it_is_among_others(family: str):
    later = periods().later
    third = np.arange(len(later)) == 2
    np.testing.assert_allclose(
        fitted(family).score(later.take(third)), fitted(family).score(later)[np.repeat(third, later.sizes)], rtol=1e-12
    )


def test_no_races_have_no_scores(family: str):
    nothing = periods().later.take(np.zeros(len(periods().later), dtype=np.bool_))
    assert fitted(family).score(nothing).shape == (0,)


def test_features_are_found_by_name_whatever_else_the_matrix_holds(family: str):
    later = periods().later
    turned = later.only(later.names[::-1])
    np.testing.assert_array_equal(fitted(family).score(turned), fitted(family).score(later))


def test_a_ranker_restored_from_its_files_gives_identical_scores(family: str):
    ranker = fitted(family)
    again = families.restore(ranker.family, ranker.dump())
    assert again.family == family
    assert again.features == ranker.features
    assert dict(again.dump()) == dict(ranker.dump())
    assert again.hyperparameters() == ranker.hyperparameters()
    np.testing.assert_array_equal(again.score(periods().later), ranker.score(periods().later))


def test_a_refit_keeps_all_that_was_chosen_on_validation(family: str):
    ranker = fitted(family)
    again = ranker.settled().fit(periods().train, None, SEED, 1, silent)
    assert again.hyperparameters() == ranker.hyperparameters()
    np.testing.assert_allclose(again.score(periods().later), ranker.score(periods().later), rtol=1e-4, atol=1e-4)


def test_a_correction_of_another_ranker_starts_from_its_scores(family: str):
    if FAMILIES[family].sees == families.MARKET:
        return  # it corrects the market already
    parts = periods()
    priced = parts.train.take(scored(parts.train.market, parts.train.offsets))
    later = parts.later.take(scored(parts.later.market, parts.later.offsets))
    market = fitted("market")
    over = world.family(family).fit(priced, later, SEED, 1, silent, base=market)
    assert validation_loss(market.score(later) + over.score(later), later) < validation_loss(over.score(later), later)


def test_importance_is_shared_out_among_the_features_it_reads(family: str):
    importance = fitted(family).importance()
    assert set(importance) == set(fitted(family).features)
    assert min(importance.values(), default=0.0) >= 0.0
    assert not importance or sum(importance.values()) == pytest.approx(1.0)


def few() -> RaceMatrix:
    """Return a dozen later races, the last two without odds."""
    later = periods().later
    return later.take(np.arange(len(later)) >= len(later) - 12)


def test_contributions_and_base_add_up_to_the_score(family: str):
    ranker, later = fitted(family), few()
    found = ranker.contributions(later)
    np.testing.assert_allclose(found.total, ranker.score(later), rtol=0, atol=1e-9, equal_nan=True)
    assert found.values.shape == (len(later.position), len(found.names))
    read = (ODDS,) if FAMILIES[family].sees == families.MARKET else ()
    assert found.names == (*read, *ranker.features)
    assert np.nanstd(found.base) < 1e-5  # what is left over is the same for everybody


def test_contributions_of_a_restored_ranker_and_of_a_race_alone_are_the_same(family: str):
    ranker, later = fitted(family), few()
    third = np.arange(len(later)) == 2
    alone = families.restore(ranker.family, ranker.dump()).contributions(later.take(third))
    among = ranker.contributions(later).values[np.repeat(third, later.sizes)]
    np.testing.assert_allclose(alone.values, among, rtol=1e-6, atol=1e-9)
    nothing = later.take(np.zeros(len(later), dtype=np.bool_))
    assert ranker.contributions(nothing).values.shape == (0, len(alone.names))


def test_a_feature_that_a_ranker_does_not_use_contributes_nothing(family: str):
    ranker = fitted(family)
    found, importance = ranker.contributions(few()), ranker.importance()
    used = [importance.get(name, 1.0) > 0.0 for name in found.names]
    assert np.nansum(np.abs(found.values[:, ~np.array(used)])) == 0.0


def test_the_curve_says_how_the_fit_went_on_validation(family: str):
    curve = fitted(family).curve
    assert len(curve.steps) == len(curve.loss)
    assert np.isfinite(curve.loss).all()
    assert len(curve.training) == len(curve.steps)
    assert np.isfinite(curve.training).all()
    assert list(curve.steps) == sorted(set(curve.steps))


@pytest.mark.parametrize("spoil", ["missing", "empty", "text", "list", "archive"])
def test_files_that_are_not_its_own_are_refused(family: str, spoil: str):
    files = dict(fitted(family).dump())
    for name in files:
        broken = {"empty": b"", "text": b"not a model", "list": b"[]", "archive": b"PK\x03\x04 cut off"}
        changed = {k: v for k, v in files.items() if k != name} if spoil == "missing" else files | {name: broken[spoil]}
        with pytest.raises(UntrustedPackage):
            families.restore(family, changed)


def test_a_family_this_installation_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(UntrustedPackage, match=r"crystal_ball.*lambdarank"):
        families.restore("crystal_ball", {})
