"""Why a runner has its score: the parts add up to it whatever the card, the blend or the members."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ensemble import explain
from oracle.ensemble.blend import AGGREGATIONS, RANK, STACKING, Blend
from oracle.ensemble.race_model import RaceModel
from oracle.errors import BadCard
from oracle.features import registry
from oracle.models.contributions import ODDS, Contributions
from oracle.models.families import FAMILIES
from oracle.race import CardExplanation, RaceCard, Runner
from tests.ensemble import small
from tests.ensemble.test_race_model import with_runners, without_odds
from tests.models import world
from tests.models.test_contract import few, fitted

CLOSE = 1e-9


@pytest.fixture(scope="module")
def field() -> tuple[Runner, ...]:
    """Forty runners of several races, each horse once."""
    runners = {r.horse: r for c in small.cards(20) for r in c.runners}
    return tuple(runners.values())[:40]


@pytest.fixture(scope="module")
def card() -> RaceCard:
    return max(small.cards(), key=lambda c: len(c.runners))


def adds_up(card: RaceCard, why: CardExplanation) -> None:
    """Check what holds of any explanation."""
    assert len(why.runners) == len(card.runners)
    bases = []
    for asked, said, reasons in zip(card.runners, why.prediction.runners, why.runners, strict=True):
        assert (reasons is None) == asked.withdrawn
        if reasons is not None:
            sizes = [abs(c.contribution) for c in reasons.contributions]
            assert reasons.base + sum(c.contribution for c in reasons.contributions) == pytest.approx(
                said.score, abs=CLOSE
            )
            assert sizes == sorted(sizes, reverse=True)
            assert len({c.feature for c in reasons.contributions}) == len(sizes)
            assert reasons.others == 0.0
            bases.append(reasons.base)
    np.testing.assert_allclose(bases, bases[0], rtol=0, atol=1e-5)  # the same for everybody


@settings(max_examples=15)
@given(st.integers(2, 40), st.integers(0, 1000), st.sampled_from(["all", "some", "none"]), st.booleans())
def test_base_and_contributions_add_up_to_the_score_of_any_card(model, field, card, size, seed, priced, strange):
    chance = np.random.default_rng(seed)
    runners = [field[i] for i in chance.choice(len(field), size, replace=False)]
    gone = chance.random(size) < 0.3
    gone[:2] = False
    runners = [dataclasses.replace(r, withdrawn=bool(g)) for r, g in zip(runners, gone, strict=True)]
    if strange:
        runners[0] = Runner("Never Seen", odds=9.0)
    picked = with_runners(card, runners)
    picked = {"all": picked, "some": without_odds(picked, 0), "none": without_odds(picked)}[priced]
    [why] = model.explain([picked])
    adds_up(picked, why)
    assert [why.prediction] == model.predict([picked])


def test_cards_with_and_without_odds_are_explained_together_each_by_the_blend_that_answers(
    model: RaceModel, card: RaceCard
):
    cards = [without_odds(card), card, *small.cards(3)]
    whole = model.explain(cards)
    for each, why in zip(cards, whole, strict=True):
        adds_up(each, why)
    form, market = ({c.feature for r in why.runners if r for c in r.contributions} for why in whole[:2])
    assert ODDS in market
    assert ODDS not in form
    assert form <= {f.name for f in registry.features("form")}
    alone = model.explain([card])[0]
    assert [r and r.base for r in alone.runners] == pytest.approx([r and r.base for r in whole[1].runners])


def test_a_contribution_shows_the_value_of_its_feature_and_odds_as_they_stand_on_the_card(
    model: RaceModel, card: RaceCard
):
    [why] = model.explain([card])
    for runner, reasons in zip(card.runners, why.runners, strict=True):
        if reasons is not None:
            told = {c.feature: c.value for c in reasons.contributions}
            assert told[ODDS] == runner.odds
            assert "draw" not in told or told["draw"] == runner.draw


def test_the_favourite_of_the_market_is_told_that_it_is_by_its_odds(model: RaceModel, card: RaceCard):
    [why] = model.explain([card])
    best = min((r for r in card.runners if not r.withdrawn), key=lambda r: r.odds or 0.0)
    [reasons] = [w for r, w in zip(card.runners, why.runners, strict=True) if r is best and w]
    assert reasons.contributions[0].feature == ODDS
    assert reasons.contributions[0].contribution > 0


def test_a_model_saved_and_loaded_explains_the_same(model: RaceModel, card: RaceCard, tmp_path: Path):
    model.save(tmp_path / "package")
    again = RaceModel.load(tmp_path / "package")
    assert again.explain([card, without_odds(card)]) == model.explain([card, without_odds(card)])


def test_explaining_changes_nothing(fresh: Callable[[], RaceModel], card: RaceCard):
    model = fresh()
    before = model.predict([card])
    model.explain([card, with_runners(card, [Runner("Never Seen"), Runner("Nor This")])])
    assert model.predict([card]) == before


def test_no_cards_have_no_explanations_and_a_race_that_is_none_is_refused(model: RaceModel, card: RaceCard):
    assert model.explain([]) == []
    with pytest.raises(BadCard):
        model.explain([with_runners(card, card.runners[:1])])


def test_runners_nobody_can_tell_apart_have_nothing_but_their_base(model: RaceModel, card: RaceCard):
    [why] = model.explain([with_runners(card, [Runner(n) for n in "ABCD"])])
    for reasons in why.runners:
        assert reasons is not None
        assert sum(abs(c.contribution) for c in reasons.contributions) == pytest.approx(0.0, abs=1e-6)


FORM = [name for name, family in FAMILIES.items() if family.sees == "form" and not family.extra]


def weighed(aggregation: str, seed: int) -> tuple[Blend, dict[str, Any], dict[str, Any]]:
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(FORM)))
    if aggregation == STACKING:
        weights[0] *= -1.0  # it may speak against a member
    members = {name: fitted(name) for name in FORM}
    blend = Blend(dict(zip(FORM, weights.tolist(), strict=True)), aggregation, 1.7)
    return blend, members, {name: m.score(few()) for name, m in members.items()}


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_contributions_add_up_through_every_aggregation(aggregation: str, seed: int):
    blend, members, scores = weighed(aggregation, seed)
    found = explain.contributions(blend, members, scores, few())
    np.testing.assert_allclose(found.total, blend.utility(scores, few()), rtol=0, atol=CLOSE)
    means = np.add.reduceat(found.values, few().offsets[:-1], axis=0)
    np.testing.assert_allclose(means, 0.0, atol=1e-7)
    spread = [np.ptp(found.base[a:b]) for a, b in zip(few().offsets[:-1], few().offsets[1:], strict=True)]
    assert max(spread) < 1e-5  # what is alike for the whole field belongs to the base, and nothing else
    assert (explain.RANKING in found.names) == (aggregation == RANK)


def test_ranks_follow_the_features_and_the_rest_stands_under_its_own_name():
    blend, members, scores = weighed(RANK, 1)
    found = explain.contributions(blend, members, scores, few())
    rest = found.values[:, found.names.index(explain.RANKING)]
    explained = found.total - found.base - rest
    assert np.abs(rest).mean() < 0.5 * np.abs(explained).mean()


def test_a_member_that_could_not_score_is_passed_over_where_it_has_no_weight_and_else_leaves_no_score():
    blend, members, scores = weighed("log_linear", 1)
    races = few()
    first = np.arange(len(races.position)) < races.offsets[1]
    scores = scores | {"win": np.where(first, np.nan, scores["win"])}
    found = explain.contributions(blend, members, scores, races)
    np.testing.assert_allclose(found.total, blend.utility(scores, races), rtol=0, atol=CLOSE, equal_nan=True)
    assert np.isnan(found.total[first]).all()
    assert np.isfinite(found.total[~first]).all()
    spared = dataclasses.replace(blend, weights=dict(blend.weights) | {"win": 0.0})
    assert np.isfinite(explain.contributions(spared, members, scores, races).total).all()
    told = explain.of_runners(found, races, np.full(len(races.position), np.nan))
    assert told[0].contributions == ()
    assert np.isnan(told[0].base)


def test_members_of_optional_libraries_are_explained_through_the_ensemble():
    names = [n for n, f in FAMILIES.items() if f.extra]
    for name in names:
        pytest.importorskip(str(FAMILIES[name].extra))
    members = {name: fitted(name) for name in (*names, "win")}
    scores = {name: m.score(few()) for name, m in members.items()}
    blend = Blend(dict.fromkeys(members, 0.5))
    found = explain.contributions(blend, members, scores, few())
    np.testing.assert_allclose(found.total, blend.utility(scores, few()), rtol=0, atol=CLOSE)


def test_a_package_with_members_of_optional_libraries_explains_the_same_once_loaded(
    model: RaceModel, card: RaceCard, tmp_path: Path
):
    names = [n for n, f in FAMILIES.items() if f.extra]
    for name in names:
        pytest.importorskip(str(FAMILIES[name].extra))
    form = Blend(dict.fromkeys([*names, "win"], 0.5))
    mixed = dataclasses.replace(model, members={n: fitted(n) for n in form.weights}, form=form, market=None)
    mixed.save(tmp_path / "package")
    again = RaceModel.load(tmp_path / "package")
    assert again.explain([card]) == mixed.explain([card])
    adds_up(card, again.explain([card])[0])


@given(st.integers(0, 60))
def test_a_shortened_explanation_adds_up_as_well(top: int):
    chance = np.random.default_rng(3)
    found = Contributions(tuple(f"f{i}" for i in range(50)), chance.standard_normal((2, 50)), np.zeros(2))
    races = world.made(np.zeros((2, 1)), [2], [1, 2])
    [whole, _] = explain.of_runners(found, races, np.full(2, np.nan))
    part = explain.shortened(whole, top)
    assert part.contributions == whole.contributions[:top]
    total = part.base + part.others + sum(c.contribution for c in part.contributions)
    assert total == pytest.approx(found.total[0], abs=1e-12)


def test_everything_that_can_contribute_has_a_meaning():
    assert set(explain.meanings()) == {*(f.name for f in registry.features("market")), ODDS, explain.RANKING}
    assert all(explain.meanings().values())
    assert ODDS not in {f.name for f in registry.features("market")}
