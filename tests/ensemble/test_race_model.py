"""A card in, a ranked answer out: what holds for any card, and what a saved model refuses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.ensemble.blend import AGGREGATIONS, ON_LOG_PROBABILITY, Blend, even
from oracle.ensemble.fit import Fitted
from oracle.ensemble.race_model import RaceModel
from oracle.ensemble.recipe import SHIPPED
from oracle.errors import BadCard, BadInput, UntrustedPackage
from oracle.features import build
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.models import package
from oracle.race import CardPrediction, RaceCard, Runner
from oracle.ranking.calibration import UNCHANGED, IsotonicCalibration, PowerCalibration
from oracle.ranking.market import BRITISH_IRISH
from tests.ensemble import small
from tests.models import world

Change = Callable[..., RaceCard]


def without_odds(card: RaceCard, *which: int) -> RaceCard:
    """Return the card with these runners' odds taken away; all of them by default."""
    gone = which or range(len(card.runners))
    runners = (dataclasses.replace(r, odds=None) if i in gone else r for i, r in enumerate(card.runners))
    return dataclasses.replace(card, runners=tuple(runners))


def with_runners(card: RaceCard, runners: Any) -> RaceCard:
    return dataclasses.replace(card, runners=tuple(runners))


@pytest.fixture(scope="module")
def card() -> RaceCard:
    return max(small.cards(), key=lambda c: len(c.runners))


@pytest.fixture(scope="module")
def field() -> tuple[Runner, ...]:
    """Forty runners of several races, each horse once."""
    runners = {r.horse: r for c in small.cards(20) for r in c.runners}
    return tuple(runners.values())[:40]


def check(card: RaceCard, answer: CardPrediction) -> None:
    """Check what holds of any answer."""
    starters = [i for i, r in enumerate(card.runners) if not r.withdrawn]
    told = [answer.runners[i] for i in starters]
    assert [r.horse for r in answer.runners] == [r.horse for r in card.runners]
    assert [r.number for r in answer.runners] == [r.number for r in card.runners]
    assert sum(r.win for r in told) == pytest.approx(1.0, abs=1e-12)
    assert sum(r.place for r in told) == pytest.approx(min(answer.places, len(told)), abs=1e-9)
    assert sorted(r.rank or 0 for r in told) == list(range(1, len(told) + 1))
    assert answer.places == BRITISH_IRISH.places(np.array([len(told)]))[0]
    by_rank = sorted(told, key=lambda r: r.rank or 0)
    assert all(a.win >= b.win for a, b in itertools.pairwise(by_rank))
    assert all(r.place >= r.win - 1e-12 for r in told)
    assert all(r.fair_odds == 1 / r.win for r in told)
    for i in starters:
        odds, win, edge = card.runners[i].odds, answer.runners[i].win, answer.runners[i].edge
        assert edge is None if odds is None else edge == pytest.approx(win * odds - 1)


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(0, 1000), st.booleans())
def test_any_field_of_2_to_40_gets_probabilities_that_add_up(model, field, card, size, seed, priced):
    chance = np.random.default_rng(seed)
    picked = with_runners(card, [field[i] for i in chance.choice(len(field), size, replace=False)])
    picked = picked if priced else without_odds(picked)
    (answer,) = model.predict([picked])
    check(picked, answer)
    assert answer.ensemble == ("market" if priced else "form")


def test_form_and_market_answer_differently(model: RaceModel, card: RaceCard):
    form, market = model.predict([without_odds(card), card])
    assert [r.win for r in form.runners] != [r.win for r in market.runners]
    assert all(r.edge is None for r in form.runners)
    assert all(r.edge is not None for r in market.runners)


def test_a_withdrawn_runner_has_no_rank_and_no_chance_and_the_rest_are_as_without_it(model: RaceModel, card: RaceCard):
    gone = dataclasses.replace(card.runners[1], withdrawn=True)
    declared = with_runners(card, [card.runners[0], gone, *card.runners[2:]])
    absent = with_runners(card, [card.runners[0], *card.runners[2:]])
    answer, other = model.predict([declared]) + model.predict([absent])
    check(declared, answer)
    told = answer.runners[1]
    assert (told.rank, told.score, told.win, told.place, told.fair_odds, told.edge) == (
        None,
        None,
        0.0,
        0.0,
        None,
        None,
    )
    assert [answer.runners[0], *answer.runners[2:]] == list(other.runners)


def test_a_withdrawn_runner_without_odds_does_not_take_the_market_away(model: RaceModel, card: RaceCard):
    gone = dataclasses.replace(card.runners[1], withdrawn=True, odds=None)
    (answer,) = model.predict([with_runners(card, [card.runners[0], gone, *card.runners[2:]])])
    assert answer.ensemble == "market"


def test_a_card_with_some_odds_is_answered_by_form_and_says_so(model: RaceModel, card: RaceCard):
    some, none = model.predict([without_odds(card, 0), without_odds(card)])
    assert some.ensemble == none.ensemble == "form"
    assert [r.win for r in some.runners] == [r.win for r in none.runners]
    assert some.notes[0] == "not every runner has odds: answered by the form ensemble"
    assert none.notes[0] == "no odds were given: answered by the form ensemble"
    assert some.runners[1].edge is not None
    assert some.runners[0].edge is None


def test_horses_that_never_ran_are_answered_and_counted(model: RaceModel, card: RaceCard):
    strangers = [Runner("Never Seen"), Runner("Nor This One", odds=5.0)]
    mixed = with_runners(card, [*card.runners[:3], *strangers])
    (answer,) = model.predict([mixed])
    check(mixed, answer)
    assert [r.known for r in answer.runners] == [True] * 3 + [False] * 2
    assert "2 of 5 runners never ran in the history this model knows" in answer.notes


def test_a_race_of_strangers_on_a_course_never_seen_is_answered_and_says_so(model: RaceModel):
    card = RaceCard("Nowhere Downs", dt.datetime(2030, 1, 1, tzinfo=dt.UTC), (Runner("One"), Runner("Two")))
    (answer,) = model.predict([card])
    check(card, answer)
    assert answer.notes[-2:] == (
        "2 of 2 runners never ran in the history this model knows",
        "course never seen in training: Nowhere Downs",
    )


def test_runners_nobody_can_tell_apart_share_the_chances_and_rank_as_on_the_card(model: RaceModel):
    card = RaceCard("Nowhere", dt.datetime(2030, 1, 1, tzinfo=dt.UTC), tuple(Runner(n) for n in "ABCD"))
    (answer,) = model.predict([card])
    assert [r.win for r in answer.runners] == pytest.approx([0.25] * 4)
    assert [r.rank for r in answer.runners] == [1, 2, 3, 4]


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_the_order_of_runners_and_of_cards_does_not_matter(model, seed):
    chance = np.random.default_rng(seed)
    cards = small.cards(3)
    orders = [chance.permutation(len(c.runners)) for c in cards]
    turned = [with_runners(c, [c.runners[i] for i in order]) for c, order in zip(cards, orders, strict=True)]
    plain, moved = model.predict(cards), model.predict(turned[::-1])[::-1]
    for a, b, order in zip(plain, moved, orders, strict=True):
        assert [r.win for r in b.runners] == pytest.approx([a.runners[i].win for i in order], abs=1e-9)
        assert [r.rank for r in b.runners] == [a.runners[i].rank for i in order]
        assert (a.ensemble, a.places, a.notes) == (b.ensemble, b.places, b.notes)


@pytest.mark.parametrize("starters", [0, 1])
def test_a_race_that_is_none_is_refused(model: RaceModel, card: RaceCard, starters: int):
    runners = [dataclasses.replace(r, withdrawn=i >= starters) for i, r in enumerate(card.runners)]
    with pytest.raises(BadCard, match=f"at least two runners.*got {starters}"):
        model.predict([card, with_runners(card, runners)])


def test_no_cards_have_no_answers(model: RaceModel):
    assert model.predict([]) == []


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") for k in a)


def test_predicting_changes_nothing(fresh: Callable[[], RaceModel], card: RaceCard):
    model = fresh()
    before = model.state.dump()
    first = model.predict([card, with_runners(card, [Runner("Never Seen"), Runner("Nor This", jockey="A. Stranger")])])
    assert same(before, model.state.dump())
    assert model.predict([card]) == first[:1]


def test_results_carried_forward_one_race_at_a_time_give_the_state_of_the_whole_history(fitted: Fitted):
    results = world.results()
    cut = results["date"].drop_duplicates().iloc[-3]
    state = State()
    build.history(from_frame(results[results["date"] < cut]), "market", state)
    model = dataclasses.replace(small.model(), state=state)
    model.about = dataclasses.replace(model.about, state_through=str((cut - pd.Timedelta(days=1)).date()))
    for _, day in results[results["date"] >= cut].groupby("date"):
        model.advance(day)
    whole = small.model()
    assert model.about.state_through == whole.about.state_through
    for one, other in zip(model.predict(small.cards()), whole.predict(small.cards()), strict=True):
        assert [r.win for r in one.runners] == pytest.approx([r.win for r in other.runners], abs=1e-9)


def test_a_model_without_market_says_why_it_answers_by_form(model: RaceModel, card: RaceCard):
    members = {name: member for name, member in model.members.items() if name in model.form.weights}
    (answer,) = dataclasses.replace(model, members=members, market=None).predict([card])
    check(card, answer)
    assert answer.ensemble == "form"
    assert answer.notes[0] == "the model was trained without odds: answered by the form ensemble"


@pytest.fixture
def saved(model: RaceModel, tmp_path: Path) -> Path:
    model.save(tmp_path / "package")
    return tmp_path / "package"


def resigned(folder: Path, **changes: bytes) -> Path:
    """Write the package again with other files, in a folder beside it: whole by its own account."""
    files = {k: v for k, v in package.load(folder).items() if changes.get(k) != b""}
    other = folder.with_name("resigned")
    package.save(other, files | {k: v for k, v in changes.items() if v})
    return other


def test_a_saved_model_answers_bit_by_bit_as_before(model: RaceModel, saved: Path, card: RaceCard):
    again = RaceModel.load(saved)
    cards = [*small.cards(), without_odds(card), with_runners(card, [Runner("Never Seen"), *card.runners[:2]])]
    assert again.predict(cards) == model.predict(cards)
    assert again.about == model.about
    assert (again.form, again.market, again.discount) == (model.form, model.market, model.discount)
    assert same(again.state.dump(), model.state.dump())


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_every_aggregation_answers_cards_and_comes_back_with_its_scale(
    model: RaceModel, tmp_path: Path, aggregation: str
):
    scale = 1.0 if aggregation in ON_LOG_PROBABILITY else 2.5
    form = Blend(model.form.weights, aggregation, scale)
    other = dataclasses.replace(model, form=form, market=even(list(SHIPPED.market.members), aggregation, scale))
    other.save(tmp_path / "package")
    again = RaceModel.load(tmp_path / "package")
    assert (again.form, again.market) == (other.form, other.market)
    cards = [*small.cards(), *(without_odds(c) for c in small.cards())]
    answers = again.predict(cards)
    assert answers == other.predict(cards)
    for one, answer in zip(cards, answers, strict=True):
        check(one, answer)


@pytest.mark.parametrize(
    "broken",
    [
        {"win": 1.0},
        {"weights": {"win": 1.0}, "aggregation": "median", "scale": 1.0},
        {"weights": {"win": 1.0}, "aggregation": "rank", "scale": -1.0},
        {"weights": ["win"], "aggregation": "rank", "scale": 1.0},
        None,
    ],
)
def test_a_package_whose_blend_does_not_say_how_members_are_combined_is_refused(saved: Path, broken: object):
    told = json.loads((saved / "model.json").read_text())
    told["form"] = broken
    with pytest.raises(UntrustedPackage, match=r"incomplete.*next: train again"):
        RaceModel.load(resigned(saved, **{"model.json": json.dumps(told).encode()}))


def test_a_model_saved_twice_is_the_same_package(model: RaceModel, saved: Path, tmp_path: Path):
    digest = json.loads((saved / package.MANIFEST).read_text())["digest"]
    assert model.save(tmp_path / "again") == digest
    assert RaceModel.load(saved).save(tmp_path / "loaded") == digest


def test_a_model_of_other_features_is_refused_with_the_next_step(saved: Path):
    told = json.loads((saved / "model.json").read_text())
    told["about"]["feature_version"] = "form@0"
    other = resigned(saved, **{"model.json": json.dumps(told).encode()})
    with pytest.raises(UntrustedPackage, match=r"other features.*got 'form@0'.*next: train again"):
        RaceModel.load(other)


def pickled(trap: object) -> bytes:
    arrays = io.BytesIO()
    np.savez(arrays, through=np.array([trap], dtype=object))
    return arrays.getvalue()


def test_a_package_with_a_pickle_inside_is_refused_and_the_pickle_never_opened(saved: Path, tmp_path: Path):
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    for trap in (pickled(Trap()), pickle.dumps(Trap())):
        with pytest.raises(UntrustedPackage):
            RaceModel.load(resigned(saved, **{"state.npz": trap}))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["model.json", "state.npz", "members/win/forest.txt", "members/market/facts.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"PK\x03\x04 cut off"])
def test_a_package_that_is_whole_but_not_a_model_is_refused(saved: Path, name: str, content: bytes):
    with pytest.raises(UntrustedPackage):
        RaceModel.load(resigned(saved, **{name: content}))


def test_a_model_of_a_family_this_installation_lacks_is_refused(saved: Path):
    told = json.loads((saved / "model.json").read_text())
    told["families"]["win"] = "crystal_ball"
    with pytest.raises(UntrustedPackage, match="crystal_ball"):
        RaceModel.load(resigned(saved, **{"model.json": json.dumps(told).encode()}))


def test_a_card_from_the_past_or_far_ahead_says_what_that_means() -> None:
    model, (card, *_) = small.model(), small.cards()
    through = dt.datetime.fromtimestamp(model.state.through, dt.UTC)
    said = [
        model.predict([dataclasses.replace(card, off=through + dt.timedelta(days=days))])[0].notes
        for days in (-1, 1, 200)
    ]
    assert any("hindsight" in note for note in said[0])
    assert not any("hindsight" in note or "form ends" in note for note in said[1])
    assert any("form ends 200 days before" in note for note in said[2])


CURVES = {
    "power": PowerCalibration(0.6),
    "isotonic": IsotonicCalibration((0.02, 0.1, 0.3, 0.6), (0.03, 0.1, 0.25, 0.5)),
}


@pytest.mark.parametrize("kind", CURVES)
def test_a_calibration_is_saved_with_the_model_and_changes_both_answers(
    model: RaceModel, card: RaceCard, tmp_path: Path, kind: str
):
    calibrated = dataclasses.replace(model, calibration={"form": CURVES[kind], "model": CURVES[kind]})
    calibrated.save(tmp_path / "package")
    again = RaceModel.load(tmp_path / "package")
    assert again.calibration == calibrated.calibration
    for asked in (card, without_odds(card)):
        (plain,), (ours,), (loaded,) = model.predict([asked]), calibrated.predict([asked]), again.predict([asked])
        check(asked, ours)
        assert loaded == ours
        assert [r.rank for r in ours.runners] == [r.rank for r in plain.runners]
        offsets = np.array([0, len(asked.runners)])
        expected = CURVES[kind].apply([r.win for r in plain.runners], offsets)
        if not model.calibration or all(c == UNCHANGED for c in model.calibration.values()):
            assert [r.win for r in ours.runners] == pytest.approx(expected.tolist(), abs=1e-12)


def test_a_calibration_of_an_unknown_kind_is_refused(saved: Path):
    told = json.loads((saved / "model.json").read_text())
    told["calibration"] = {"form": {"kind": "wishful"}}
    with pytest.raises((BadInput, UntrustedPackage), match="wishful"):
        RaceModel.load(resigned(saved, **{"model.json": json.dumps(told).encode()}))


def test_a_model_answers_by_the_overround_it_learned_with(model: RaceModel, card: RaceCard, tmp_path: Path):
    other = dataclasses.replace(model, about=dataclasses.replace(model.about, overround="shin"))
    other.save(tmp_path / "package")
    again = RaceModel.load(tmp_path / "package")
    assert again.about.overround == "shin"
    (plain,), (ours,), (loaded,) = model.predict([card]), other.predict([card]), again.predict([card])
    assert loaded == ours
    assert [r.win for r in ours.runners] != [r.win for r in plain.runners]
