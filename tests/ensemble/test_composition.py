"""A model taken apart: features here, members anywhere, the answer from both, with the form and weights of the day."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from oracle.ensemble.race_model import RaceModel
from oracle.errors import BadCard, BadInput
from oracle.features.state import State
from oracle.race import RaceCard
from tests.ensemble import small


def without_odds(card: RaceCard) -> RaceCard:
    return dataclasses.replace(card, runners=tuple(dataclasses.replace(r, odds=None) for r in card.runners))


@pytest.fixture(scope="module")
def cards() -> list[RaceCard]:
    """Priced cards and cards without odds, in turn."""
    return [without_odds(card) if at % 2 else card for at, card in enumerate(small.cards(6))]


def test_members_asked_elsewhere_give_the_same_answer_to_the_last_bit(model: RaceModel, cards: list[RaceCard]):
    for some in (cards, cards[::2], cards[1::2], cards[:1]):
        prepared = model.prepare(some)
        elsewhere = {name: model.members[name].score(prepared.matrix) for name in model.asked(prepared)}
        assert model.finish(some, prepared, elsewhere) == model.predict(some)


def test_only_members_that_the_answer_rests_on_are_asked(model: RaceModel, cards: list[RaceCard]):
    priced, form = model.prepare(cards[::2]), model.prepare(cards[1::2])
    assert model.market is not None
    assert set(model.asked(priced)) == set(model.market.used)
    assert set(model.asked(form)) == set(model.form.used)
    assert set(model.asked(model.prepare(cards))) == {*model.market.used, *model.form.used}


def test_cards_answered_together_and_apart_say_the_same(model: RaceModel, cards: list[RaceCard]):
    assert model.predict(cards) == [answer for card in cards for answer in model.predict([card])]


@pytest.mark.parametrize("spoil", [lambda s: s[:-1], lambda s: s[:, None], None])
def test_scores_that_are_not_one_per_starter_are_refused(model: RaceModel, cards: list[RaceCard], spoil: Any):
    prepared = model.prepare(cards[:1])
    scores = model.scores(prepared)
    name = next(iter(scores))
    if spoil is None:
        del scores[name]
    else:
        scores[name] = spoil(scores[name])
    with pytest.raises(BadInput, match=f"the scores of {name} are not one per starter"):
        model.finish(cards[:1], prepared, scores)


def test_nothing_to_prepare_is_refused(model: RaceModel):
    with pytest.raises(BadCard, match="no card"):
        model.prepare([])


def test_another_form_changes_the_answer_and_nothing_of_the_first_model(model: RaceModel, cards: list[RaceCard]):
    before = model.predict(cards)
    other = model.with_state(State())
    assert other.members is model.members
    assert not any(runner.known for answer in other.predict(cards) for runner in answer.runners)
    assert model.predict(cards) == before
    assert model.with_state(model.state).predict(cards) == before


def test_how_far_the_form_reaches_moves_with_the_state_and_never_back(model: RaceModel):
    assert model.with_state(State()).about.state_through == model.about.state_through
    later = State(through=model.state.through + 3 * 86_400.0)
    assert model.with_state(later).about.state_through > model.about.state_through
    assert model.with_state(later, "2031-02-03").about.state_through == "2031-02-03"


def test_other_weights_answer_otherwise_and_the_same_weights_as_before(model: RaceModel, cards: list[RaceCard]):
    assert model.with_weights({"form": model.form.weights}).predict(cards) == model.predict(cards)
    alone = model.with_weights({"form": {"conditional_logit": 1.0}})
    assert alone.asked(alone.prepare(cards[1::2])) == ("conditional_logit",)
    assert alone.predict(cards[1::2]) != model.predict(cards[1::2])
    assert alone.predict(cards[::2]) == model.predict(cards[::2])


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"fotm": {"win": 1.0}}, "no such blend"),
        ({"form": {"wni": 1.0}}, "no such member"),
        ({"form": {"win": math.nan}}, "not a finite number"),
        ({"form": {"win": math.inf}}, "not a finite number"),
        ({"form": {"win": "0.5"}}, "not a finite number"),
        ({"form": {"win": True}}, "not a finite number"),
        ({"form": {"win": 0.0}}, "not 0"),
        ({"form": {}}, "not 0"),
        ({"market": {"win": 1.0}}, "no such member"),
    ],
)
def test_impossible_weights_are_refused(model: RaceModel, weights: Any, told: str):
    with pytest.raises(BadInput, match=told):
        model.with_weights(weights)


def test_a_model_without_market_has_no_such_blend(model: RaceModel, cards: list[RaceCard]):
    alone = dataclasses.replace(model, market=None)
    with pytest.raises(BadInput, match="no such blend"):
        alone.with_weights({"market": {"market": 1.0}})
    prepared = alone.prepare(cards)
    assert not np.any(prepared.priced)


def test_a_model_that_was_warmed_answers_as_before(fresh: Callable[[], RaceModel], cards: list[RaceCard]):
    model = fresh()
    before = model.predict(cards)
    model.warm()
    assert model.predict(cards) == before
    dataclasses.replace(model, market=None, state=State()).warm()
