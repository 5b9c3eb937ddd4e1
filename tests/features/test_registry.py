"""Each feature keeps the promises it declares, on every history and on the strangest of cards."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from oracle.errors import BadInput
from oracle.features import build, registry
from oracle.features.feature import Missing, Source, View
from oracle.features.ledger import Entry, LedgerSpec
from oracle.features.ledgers import LEDGERS
from oracle.features.races import NUMBERS, TEXTS, from_cards, from_frame
from oracle.features.state import State
from oracle.race import COLUMNS, KNOWN_AT, Known, RaceCard, Runner

OFF = dt.datetime(2031, 5, 1, 14, 0, tzinfo=dt.UTC)
ALL = registry.features("market")
MOMENTS = list(Known)


def strangers(runners, **of_each):
    """Return a card of which nobody has ever been heard."""
    field = tuple(Runner(f"Stranger {i}", jockey=f"New {i}", trainer=f"Other {i}", **of_each) for i in range(runners))
    return RaceCard("Nowhere", OFF, field)


@pytest.fixture(scope="module")
def races(world):
    return from_frame(world.table)


@pytest.fixture(scope="module")
def state(races):
    state = State()
    state.walk(races)
    return state


@pytest.fixture(scope="module")
def some(races, state):
    """A few races, and what the state says of their runners."""
    races = races.slice(100, 110)
    return races, state.read(races)


def test_names_are_unique_and_every_feature_says_what_it_means():
    names = [f.name for f in ALL]
    assert len(set(names)) == len(names)
    assert all(f.meaning.endswith(".") or f.meaning[-1].isalnum() for f in ALL)
    assert all(f.version >= 1 for f in ALL)


def test_form_is_the_market_set_without_the_features_of_the_odds():
    form = registry.features("form")
    assert not [f.name for f in form if f.source is Source.MARKET]
    assert ALL[: len(form)] == form
    assert {f.source for f in ALL[len(form) :]} == {Source.MARKET}


def test_no_feature_declares_to_be_known_only_with_the_result():
    assert not [f.name for f in ALL if f.known is Known.RESULT]


def test_an_unknown_set_is_refused_with_the_names_of_those_that_exist():
    with pytest.raises(BadInput) as refused:
        registry.features("tips")
    assert refused.value.allowed == "form, market"


@pytest.mark.parametrize("feature", ALL, ids=lambda f: f.name)
def test_a_feature_is_refused_what_becomes_known_after_the_moment_it_declares(feature, some):
    view = View(*some, feature.known)
    for column in COLUMNS:
        ask = view.card if column.name in NUMBERS else view.text_is
        if column.name not in (*NUMBERS, *TEXTS):
            continue
        if MOMENTS.index(KNOWN_AT[column.name]) > MOMENTS.index(feature.known):
            with pytest.raises(LookupError, match=column.name):
                ask(column.name)
        else:
            ask(column.name)


@pytest.mark.parametrize("feature", ALL, ids=lambda f: f.name)
def test_a_feature_does_without_the_columns_it_may_not_see(feature, some):
    races, reading = some
    may = {name for name in KNOWN_AT if MOMENTS.index(KNOWN_AT[name]) <= MOMENTS.index(feature.known)}
    blind = replace(
        races,
        numbers={k: v for k, v in races.numbers.items() if k in may},
        texts={k: v for k, v in races.texts.items() if k in may},
        _codes={},
    )
    with np.errstate(all="ignore"):
        seen, unseen = (feature.compute(View(r, reading, feature.known)) for r in (races, blind))
    np.testing.assert_array_equal(seen, unseen)


def test_a_feature_that_declares_a_prior_or_a_zero_is_never_missing(past):
    missing = np.isnan(past.matrix.values).any(axis=0)
    promised = np.array([f.missing is not Missing.NAN for f in ALL])
    assert not [f.name for f, broken in zip(ALL, missing & promised, strict=True) if broken]


def test_no_feature_is_infinite_or_the_same_for_everybody(world):
    values = world.matrix.values
    assert not np.isinf(values).any()
    tells = {f.name for f, column in zip(ALL, values.T, strict=True) if len(np.unique(column[~np.isnan(column)])) > 1}
    untold = {f.name for f in ALL} - tells
    assert all("published" in name or name == "jumps" for name in untold), untold  # the world has neither


@pytest.mark.parametrize("runners", [1, 2, 40])
@pytest.mark.parametrize("of_each", [{}, {"draw": 3, "weight_kg": 55.0, "age": 4, "odds": 9.0}], ids=["bare", "filled"])
def test_a_card_of_total_strangers_is_answered_without_a_warning(state, runners, of_each):
    values = build.card(from_cards([strangers(runners, **of_each)], state.alias), "market", state).values
    assert values.shape == (runners, len(ALL))
    assert not np.isinf(values).any()
    for feature, column in zip(ALL, values.T, strict=True):
        if feature.missing is not Missing.NAN:
            assert not np.isnan(column).any(), feature.name
    first_run = [f.name for f in ALL].index("first_run")
    assert (values[:, first_run] == 1).all()


def test_strangers_are_all_alike(state):
    values = build.card(from_cards([strangers(9)], state.alias), "market", state).values
    assert (np.isnan(values) | (values == values[0])).all()


def test_absurd_numbers_on_a_card_are_missing_and_never_infinite(state):
    odd = Runner("A", draw=0, weight_kg=1e300, age=-5, official_rating=-1e308, body_weight_kg=0.0, odds=0.0)
    card = RaceCard("X", OFF, (odd, Runner("B", weight_kg=0.0, official_rating=1e308)), distance_m=0, prize=-3.0)
    assert not np.isinf(build.card(from_cards([card]), "market", state).values).any()


def test_the_fingerprint_of_each_set_is_its_own_and_stays():
    assert registry.fingerprint("form").startswith("form-")
    assert registry.fingerprint("market").startswith("market-")
    assert registry.fingerprint("form") == registry.fingerprint("form")
    assert registry.fingerprint("form").partition("-")[2] != registry.fingerprint("market").partition("-")[2]


def _newer_feature(monkeypatch):
    changed = (replace(ALL[0], version=ALL[0].version + 1), *ALL[1:])
    monkeypatch.setattr(registry, "SETS", {"market": changed, "form": changed})


def _renamed_feature(monkeypatch):
    monkeypatch.setattr(registry, "SETS", {"market": (replace(ALL[0], name="other"), *ALL[1:])})


def _fewer_features(monkeypatch):
    monkeypatch.setattr(registry, "SETS", {"market": ALL[:-1]})


def _another_ledger(monkeypatch):
    monkeypatch.setattr(registry, "LEDGERS", (*LEDGERS, LedgerSpec("owner", ("horse",), (Entry("won", "won"),))))


def _a_shorter_memory(monkeypatch):
    horse = replace(LEDGERS[0], entries=(replace(LEDGERS[0].entries[0], retention=0.5), *LEDGERS[0].entries[1:]))
    monkeypatch.setattr(registry, "LEDGERS", (horse, *LEDGERS[1:]))


def _results_known_sooner(monkeypatch):
    monkeypatch.setattr(registry, "KNOWN_AFTER", 60.0)


@pytest.mark.parametrize(
    "change",
    [_newer_feature, _renamed_feature, _fewer_features, _another_ledger, _a_shorter_memory, _results_known_sooner],
)
def test_the_fingerprint_changes_with_whatever_changes_the_matrix(change, monkeypatch):
    before = registry.fingerprint("market")
    change(monkeypatch)
    assert registry.fingerprint("market") != before
