"""The short way from a card to its features beside the long one: the same numbers, to the last bit."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.data.cards import cards_of
from oracle.features import build, operations, program, registry
from oracle.features.feature import Feature, Missing, Source
from oracle.features.keys import PARTS, SEPARATOR
from oracle.features.ledgers import LEDGERS
from oracle.features.races import from_cards, from_frame
from oracle.features.state import State
from oracle.race import GOINGS, Known, RaceCard, Runner
from tests.features.conftest import History

SETS = sorted(registry.SETS)


def long_way(races, feature_set, state):
    return build.matrix(races, state.read(races), feature_set).values


def assert_same(cards: list[RaceCard], state: State) -> None:
    races = from_cards(cards, state.alias)
    known = ~np.isnan(state.read(races).last["horse"])
    for feature_set in SETS:
        short, ran = build.cards(races, feature_set, state)
        assert short.values.tobytes() == long_way(races, feature_set, state).tobytes()
        assert (ran == known).all()


@pytest.fixture(scope="module")
def state(world: History) -> State:
    state = State()
    state.walk(from_frame(world.table))
    return state


@pytest.fixture(scope="module")
def cards(world: History) -> list[RaceCard]:
    return list(cards_of(world.table))


def test_every_card_has_the_numbers_of_the_long_way(past: History):
    state, cards = State(), list(cards_of(past.table))
    state.walk(from_frame(past.table))
    for at in range(0, len(cards), 3):
        assert_same(cards[at : at + 1 + at % 4], state)


@pytest.mark.realdata
def test_thousands_of_real_cards_have_the_numbers_of_the_long_way(long_past: History):
    state, cards = State(), list(cards_of(long_past.table))
    state.walk(from_frame(long_past.table))
    assert len(cards) > 2_000
    for at in range(0, len(cards), 40):
        races = from_cards(cards[at : at + 40], state.alias)
        apart = [
            build.cards(from_cards([card], state.alias), "market", state)[0].values for card in cards[at : at + 40]
        ]
        assert np.concatenate(apart).tobytes() == long_way(races, "market", state).tobytes()


NUMBERS = {
    "draw": st.none() | st.integers(1, 60),
    "weight_kg": st.none() | st.floats(30, 100),
    "body_weight_kg": st.none() | st.floats(200, 900),
    "age": st.none() | st.integers(1, 30),
    "official_rating": st.none() | st.floats(0, 300),
    "odds": st.none() | st.sampled_from([0.5, 1.0, 1.01, 2.5, 10_000.0]) | st.floats(1, 10_000),
    "sex": st.none() | st.sampled_from(["mare", "gelding", "colt"]),
}
RACE = {
    "going": st.none() | st.sampled_from([*GOINGS, "unheard of"]),
    "distance_m": st.none() | st.integers(200, 10_000),
    "prize": st.none() | st.floats(0, 1e7),
    "surface": st.none() | st.sampled_from(["turf", "dirt"]),
    "race_type": st.sampled_from(["flat", "hurdle", "chase"]),
    "race_class": st.none() | st.sampled_from(["Class 3", f"a{SEPARATOR}b"]),
}


@given(data=st.data())
def test_any_card_has_them(data: st.DataObject, cards: list[RaceCard], state: State):
    whose = [runner for card in cards[-6:] for runner in card.runners]
    picked = data.draw(st.lists(st.sampled_from(range(len(whose))), min_size=1, max_size=14, unique=True))
    stranger = Runner(data.draw(st.sampled_from(["nobody", f"no{SEPARATOR}body", ""])))
    runners = [
        replace(runner, **{name: data.draw(value) for name, value in NUMBERS.items()})
        for runner in (*(whose[at] for at in picked), stranger)
    ]
    race = {name: data.draw(value) for name, value in RACE.items()}
    days = data.draw(st.integers(-400, 400))
    card = replace(cards[-1], off=cards[-1].off + dt.timedelta(days=days), runners=tuple(runners), **race)
    assert_same([card], state)
    assert_same([card, cards[-1]], state)


def test_a_state_that_knows_nobody_is_read_too(cards: list[RaceCard]):
    assert_same(cards[:2], State())


def test_results_folded_in_are_read_at_once_however_the_tables_grow(world: History, cards: list[RaceCard]):
    races, state = from_frame(world.table), State()
    half = len(races) // 2
    for first, last in ((0, half), (half, half + 1), (half + 1, len(races))):
        state.walk(races.slice(first, last))
        assert_same(cards[-3:], state)
        assert_same(cards[-3:], copy.deepcopy(state))


def test_reading_cards_changes_nothing_of_the_state(cards: list[RaceCard], state: State):
    before = {k: v.tobytes() for k, v in state.dump().items()}
    build.cards(from_cards(cards[-5:], state.alias), "market", state)
    assert {k: v.tobytes() for k, v in state.dump().items()} == before


def test_many_cards_at_once_go_the_long_way(cards: list[RaceCard], state: State, monkeypatch: pytest.MonkeyPatch):
    races = from_cards(cards[-5:], state.alias)
    short = build.cards(races, "market", state)
    monkeypatch.setattr(build, "FEW", 3)
    long = build.cards(races, "market", state)
    assert long[0].values.tobytes() == short[0].values.tobytes()
    assert (long[1] == short[1]).all()


@pytest.mark.parametrize("feature_set", SETS)
def test_what_features_share_is_done_once(feature_set: str):
    steps = [tuple(step[1:]) for stage in program.program(feature_set).stages for step in stage.steps]
    constants = [step for step in steps if step[0] == operations.CONSTANT]
    assert len(set(steps) - set(constants)) == len(steps) - len(constants)
    assert len(steps) < 5 * len(registry.features(feature_set))


def feature(compute: Callable[..., Any], known: Known = Known.OFF) -> Feature:
    return Feature("new", Source.CARD, known, Missing.NAN, "New.", compute)


@pytest.mark.parametrize(
    "compute",
    [
        lambda v: np.exp(v.card("draw")),
        lambda v: np.where(v.card("draw"), 1.0, 0.0),
        lambda v: v.card("draw").astype(np.float32),
        lambda v: np.add.reduce(v.card("draw")),
        lambda v: v.card("draw") + np.zeros(3),
        lambda v: v.races.race,
        lambda v: v.reading.ratings[3:, 0],
        lambda v: v.reading.ratings.sum(axis=1),
        lambda v: np.clip(v.card("draw"), 0.0, a_max=1.0),
    ],
)
def test_an_operation_that_is_not_known_yet_is_named(compute: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "SETS", {"new": (feature(compute),)})
    with pytest.raises(TypeError, match="teach it the operation"):
        program.program.__wrapped__("new")


def test_a_feature_cannot_look_ahead_here_either(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "SETS", {"new": (feature(lambda v: v.card("position")),)})
    with pytest.raises(LookupError, match="position is known at"):
        program.program.__wrapped__("new")


def test_logarithms_of_logarithms_and_whatever_is_not_finite_are_computed_as_features_are(
    cards: list[RaceCard], state: State, monkeypatch: pytest.MonkeyPatch
):
    computes = [
        lambda v: np.log(np.log(v.card("weight_kg")) - 10.0),
        lambda v: 1.0 / (v.card("draw") - v.card("draw")),
        lambda v: np.nan_to_num(-1e308 / (v.card("draw") * 0.0)) + v.lead(np.log1p(-v.card("age"))),
        lambda v: np.clip(v.card("weight_kg") - 55.0, -1.0, 1.0) * -np.minimum(v.card("age"), v.card("draw")),
        lambda v: np.maximum(v.card("official_rating"), v.ahead(v.card("odds"))),
    ]
    features = tuple(replace(feature(c), name=f"new{i}") for i, c in enumerate(computes))
    monkeypatch.setattr(registry, "SETS", {"new": features})
    races = from_cards(cards[-4:], state.alias)
    steps = program.program.__wrapped__("new")
    with np.errstate(all="ignore"):
        found = steps.run(races.offsets, program.columns(steps, races), state.read_cards(races))
    monkeypatch.setattr(registry, "names", lambda _: tuple(f.name for f in features))
    assert found.tobytes() == long_way(races, "new", state).tobytes()


def test_every_key_has_its_runners_parts_side_by_side():
    own = {"horse", "jockey", "trainer", "sire", "draw_band"}
    for spec in LEDGERS:
        assert set(spec.key) <= set(PARTS)
        mine = [at for at, part in enumerate(spec.key) if part in own]
        assert mine == list(range(mine[0], mine[0] + len(mine))) if mine else True
