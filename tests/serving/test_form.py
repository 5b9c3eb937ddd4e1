"""The form of a served model: what is stored of races reaches it, whoever told it and in whatever order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle.data.results import results
from oracle.ensemble.about import About
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.serving.form import LiveForm
from oracle.serving.gateway import Gateway
from oracle.store import RaceResult, Store, embedded
from tests.features.conftest import _simulated
from tests.features.test_training_and_serving import assert_equal_books

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TRAINED = 150


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Races in the order of their off times, the rows of each in the order of the card."""
    return _simulated().sort_values(["off", "race_id", "number"], kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def base(table: pd.DataFrame) -> State:
    state = State()
    state.walk(from_frame(table).slice(0, TRAINED))
    return state


@pytest.fixture(scope="module")
def later(table: pd.DataFrame) -> list[RaceResult]:
    """Results of the races after the base."""
    ids = table["race_id"].unique()[TRAINED:]
    return list(results(table[table["race_id"].isin(ids)], NOW))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = embedded(tmp_path)
    yield store
    store.close()


def form_of(base: State) -> LiveForm:
    return LiveForm(base, About(state_through="2015-01-01"))


def test_results_that_went_through_the_store_one_by_one_give_the_form_of_a_retraining(
    store: Store, base: State, later: list[RaceResult], table: pd.DataFrame
) -> None:
    form = form_of(base)
    for at in np.random.default_rng(3).permutation(len(later)):
        store.results.add([later[at]])
        form.fold(store.results.since(form.snapshot.seq))
    retrained = State()
    retrained.walk(from_frame(table))
    assert_equal_books(form.snapshot.state, retrained)
    assert (form.snapshot.seq, form.snapshot.folded) == (len(later), len(later))
    assert form.snapshot.through == str(table["date"].max().date())


def test_a_replica_that_starts_later_catches_up_to_the_same_form(
    store: Store, base: State, later: list[RaceResult]
) -> None:
    running = form_of(base)
    for some in (later[20:], later[:20]):
        store.results.add(some)
        running.fold(store.results.since(running.snapshot.seq))
    corrected = replace(later[5], runners=later[5].runners.replace('"position":1,', '"position":2,'))
    store.results.add([corrected])
    running.fold(store.results.since(running.snapshot.seq))
    restarted = form_of(base)
    restarted.fold(store.results.since(0))
    assert_equal_books(restarted.snapshot.state, running.snapshot.state)
    assert restarted.snapshot.seq == running.snapshot.seq


def test_nothing_new_is_the_same_form(base: State) -> None:
    form = form_of(base)
    assert form.fold([]) is form.snapshot
    assert form.snapshot.state is base


def test_what_the_training_knew_is_counted_and_what_it_never_saw_is_named(
    store: Store, base: State, later: list[RaceResult], table: pd.DataFrame
) -> None:
    ids = table["race_id"].unique()
    known = list(results(table[table["race_id"] == ids[3]], NOW))
    odd = table[table["race_id"] == ids[4]]
    strangers = odd.assign(race_id="forgotten", horse_id=odd["horse_id"] + "x", horse=odd["horse"] + " x")
    store.results.add([*known, *results(strangers, NOW), later[0]])
    form = form_of(base)
    snapshot = form.fold(store.results.since(0))
    assert (snapshot.known, snapshot.waiting, snapshot.folded) == (1, ("forgotten",), 1)


@pytest.mark.parametrize("runners", ["[]", "[1]", '[{"horse": "A"}]', '[{"off": "soon", "race_id": "x"}]', "no JSON"])
def test_a_result_that_nobody_can_read_keeps_no_other_from_the_form(
    base: State, later: list[RaceResult], runners: str
) -> None:
    broken = replace(later[1], race_key="broken", runners=runners, seq=2)
    first, third = replace(later[0], seq=1), replace(later[2], seq=3)
    snapshot = form_of(base).fold([first, broken, third])
    assert (snapshot.folded, snapshot.seq) == (2, 3)
    assert snapshot.unreadable in {("broken",), ()}
    mended = form_of(base)
    mended.fold([first, broken, third])
    assert mended.fold([replace(later[1], race_key="broken", seq=4)]).unreadable == ()


def test_the_model_in_use_keeps_its_form_and_another_one_has_the_new(standing: Gateway, store: Store) -> None:
    served = standing.slot.loaded
    assert served is not None
    model = served.model
    [result] = results(_next_race(model.state), NOW)
    store.results.add([result])
    before = {k: a.tobytes() for k, a in model.state.dump().items()}
    snapshot = LiveForm(model.state, model.about).fold(store.results.since(0))
    moved = snapshot.of(model)
    assert moved.about.state_through == "2030-05-01"
    assert moved.members is model.members
    assert {k: a.tobytes() for k, a in model.state.dump().items()} == before
    assert moved.state.through > model.state.through


def _next_race(state: State) -> pd.DataFrame:
    horses = list(state.ledgers["horse"].holders.index)[:6]
    frame = _simulated().head(6).copy()
    return frame.assign(
        race_id="next",
        horse_id=horses,
        horse=horses,
        off=pd.Timestamp("2030-05-01T12:00Z"),
        date=pd.Timestamp("2030-05-01"),
        course="Redmile",
    )
