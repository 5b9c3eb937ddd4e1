"""The form carried forward: whatever is told when, the state is that of one walk over everything."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.cards import cards_of
from oracle.data.results import results
from oracle.features import build, forward
from oracle.features.forward import Forward, Standing, Telling, Told, told
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.races import from_cards, from_frame
from oracle.features.state import State
from oracle.race import Status
from tests.features.conftest import History, _simulated
from tests.features.test_training_and_serving import assert_equal_books, same

TRAINED = 140
"""Races of the simulated village that the base state knows; the others are told later."""


def rows_of(table: pd.DataFrame) -> list[dict[str, object]]:
    """Return canonical rows as they come out of the store."""
    text = table.assign(date=table["date"].dt.strftime("%Y-%m-%d")).to_json(orient="records", date_format="iso")
    return orjson.loads(orjson.dumps(orjson.loads(text)))


@dataclass(frozen=True)
class Village:
    base: State
    history: pd.DataFrame
    later: dict[str, pd.DataFrame]

    def told(self, race_id: str, seq: int, table: pd.DataFrame | None = None) -> Told:
        return told([Telling(race_id, seq, rows_of(self.later[race_id] if table is None else table))])[0]

    def whole(self, tables: Sequence[pd.DataFrame]) -> State:
        """Return the state of one walk over the history and these races."""
        state = State()
        state.walk(from_frame(pd.concat([self.history, *tables], ignore_index=True)))
        return state


@cache
def village() -> Village:
    table = _simulated()
    races = from_frame(table)
    ids = races.texts["race_id"][races.offsets[:-1]]
    base = State()
    history = table[table["race_id"].isin(ids[:TRAINED])]
    base.walk(from_frame(history))
    return Village(base, history, {i: table[table["race_id"] == i] for i in ids[TRAINED:]})


@pytest.fixture(autouse=True)
def short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints every few races, so that the tests cross them."""
    monkeypatch.setattr(forward, "TAIL", 5)


def corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Return the race with the first two changing places, as after an inquiry."""
    first, second = (table["position"].eq(place).fillna(False).to_numpy(dtype=bool) for place in (1, 2))
    position = table["position"].mask(first, 2).mask(second, 1)
    return table.assign(position=position)


def voided(table: pd.DataFrame) -> pd.DataFrame:
    """Return the race declared void."""
    return table.assign(status=str(Status.VOID), position=pd.NA)


TELLINGS = {"as it was": lambda table: table, "corrected": corrected, "void": voided}


@pytest.mark.slow
@settings(max_examples=25)
@given(st.data())
def test_any_order_any_batches_and_any_corrections_end_in_the_state_of_one_walk(data: st.DataObject) -> None:
    v = village()
    ids = data.draw(st.lists(st.sampled_from(sorted(v.later)), min_size=1, max_size=30, unique=True))
    extra = data.draw(st.lists(st.sampled_from(ids), max_size=8))
    order = data.draw(st.permutations([*ids, *extra]))
    words = data.draw(st.lists(st.sampled_from(sorted(TELLINGS)), min_size=len(order), max_size=len(order)))
    tables = [TELLINGS[word](v.later[i]) for i, word in zip(order, words, strict=True)]
    latest = dict(zip(order, tables, strict=True))
    tellings = [
        Telling(i, seq, rows_of(table)) for seq, (i, table) in enumerate(zip(order, tables, strict=True), start=1)
    ]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=6)))
    known = Forward.of(v.base)
    for first, end in itertools.pairwise([0, *cuts, len(order)]):
        known = known.after(told(tellings[first:end]))
    assert_equal_books(known.state, v.whole(list(latest.values())))
    assert not known.keys(Standing.WAITING)


def test_a_telling_that_arrives_after_a_later_one_of_the_same_race_changes_nothing() -> None:
    v = village()
    race_id = next(iter(v.later))
    for change in TELLINGS.values():
        known = Forward.of(v.base).after([v.told(race_id, 2, change(v.later[race_id]))])
        assert known.after([v.told(race_id, 1)]).state is known.state


def test_no_state_once_given_is_changed_by_what_is_told_later() -> None:
    v = village()
    before = {k: a.tobytes() for k, a in v.base.dump().items()}
    known, given_out = Forward.of(v.base), []
    for seq, race_id in enumerate(list(v.later)[24::-1], start=1):
        known = known.after([v.told(race_id, seq)])
        given_out.append((known.state, {k: a.tobytes() for k, a in known.state.dump().items()}))
    assert {k: a.tobytes() for k, a in v.base.dump().items()} == before
    assert all({k: a.tobytes() for k, a in state.dump().items()} == dump for state, dump in given_out)


def test_a_race_off_within_minutes_of_the_last_trained_one_ends_in_the_state_of_a_retraining() -> None:
    """What a race reads depends on who is still running; what a state knows does not."""
    v = village()
    table = _simulated()
    races = from_frame(table)
    near = next(at for at in range(TRAINED, len(races)) if 0 < races.off[at] - races.off[at - 1] < KNOWN_AFTER)
    ids = races.texts["race_id"][races.offsets[:-1]]
    base = State()
    base.walk(races.slice(0, near))
    known = Forward.of(base).after([v.told(ids[near], 1)])
    whole = State()
    whole.walk(races.slice(0, near + 1))
    assert_equal_books(known.state, whole)


def test_a_result_that_the_training_knew_is_left_out_and_one_it_never_saw_waits_for_the_next() -> None:
    v = village()
    ids = v.history["race_id"].unique()
    trained, unseen = (v.history[v.history["race_id"] == i] for i in (ids[10], ids[20]))
    stranger = unseen.assign(race_id="never-ingested", horse_id=unseen["horse_id"] + "x", horse=unseen["horse"] + " X")
    known = Forward.of(v.base).after([v.told(ids[10], 1, trained), v.told("never-ingested", 2, stranger)])
    assert known.keys(Standing.KNOWN) == (ids[10],)
    assert known.keys(Standing.WAITING) == ("never-ingested",)
    assert known.state is v.base


def test_one_race_told_under_two_keys_counts_once_as_it_was_told_last() -> None:
    v = village()
    race_id, other = list(v.later)[:2]
    again = v.told("by course and minute", 9, corrected(v.later[race_id]).assign(race_id="by course and minute"))
    known = Forward.of(v.base).after([v.told(race_id, 1), v.told(other, 2), again])
    assert sorted(each.key for each in known.races) == sorted(["by course and minute", other])


def test_a_race_told_by_names_and_then_by_ids_counts_once() -> None:
    v = village()
    race_id = next(iter(v.later))
    nameless = v.later[race_id].assign(horse_id=None, race_id="by course and minute")
    known = Forward.of(v.base).after([v.told("by course and minute", 1, nameless), v.told(race_id, 2)])
    assert_equal_books(known.state, v.whole([v.later[race_id]]))


def test_two_races_off_at_once_with_a_name_in_common_are_two_races() -> None:
    v = village()
    one, other = list(v.later)[:2]
    table = v.later[other].assign(off=v.later[one]["off"].iloc[0])
    table["horse"] = [v.later[one]["horse"].iloc[0], *table["horse"].iloc[1:]]
    known = Forward.of(v.base).after([v.told(one, 1), v.told(other, 2, table)])
    assert len(known.races) == 2


def test_runners_told_by_name_are_booked_under_the_id_their_name_last_ran_under() -> None:
    v = village()
    names = v.base.names["horse"]
    race_id = next(i for i, table in v.later.items() if table["horse"].isin(names).all())
    nameless = v.later[race_id].assign(horse_id=None, jockey_id=None, trainer_id=None)
    assert_equal_books(
        Forward.of(v.base).after([v.told(race_id, 1, nameless)]).state,
        Forward.of(v.base).after([v.told(race_id, 1)]).state,
    )


def test_the_busiest_course_and_the_quietest_need_no_more_than_a_few_states() -> None:
    v = village()
    known = Forward.of(v.base)
    for seq, race_id in enumerate(v.later, start=1):
        known = known.after([v.told(race_id, seq)])
    at, checkpoint = known.checkpoint
    assert 0 < at < len(known.races)
    assert_equal_books(checkpoint, v.whole([v.later[each.key] for each in known.races[:at]]))


def test_cards_read_the_carried_form_as_they_would_a_retrained_one() -> None:
    v = village()
    ids = list(v.later)
    known = Forward.of(v.base).after([v.told(i, seq) for seq, i in enumerate(ids[:-1], start=1)])
    [card] = cards_of(v.later[ids[-1]])
    whole = v.whole([v.later[i] for i in ids[:-1]])
    read = [build.card(from_cards([card], s.alias), "market", s).values for s in (known.state, whole)]
    assert same(*read)
    assert not np.isnan(read[0]).all()


def test_a_month_of_results_folded_as_they_come_gives_the_cards_of_a_retraining(long_past: History) -> None:
    """On real races: half of the results in the order of their offs, the others late by days, five told anew."""
    table = long_past.table.sort_values(["off", "race_id", "number", "horse_id"], ignore_index=True)
    last = table["date"].max()
    history = table[table["date"] < last - pd.Timedelta(days=40)]
    month = table[(table["date"] >= history["date"].max()) & (table["date"] < last - pd.Timedelta(days=10))]
    month = month[~month["race_id"].isin(history["race_id"])]
    base = State()
    base.walk(from_frame(history))
    stored = list(results(month, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
    chance = np.random.default_rng(1)
    late = np.where(chance.random(len(stored)) < 0.5, chance.integers(1, 40, len(stored)), 0)
    order = np.argsort(np.arange(len(stored)) + late, kind="stable").tolist()
    known = Forward.of(base)
    for seq, at in enumerate([*order, *order[:5]], start=1):
        wrong = at in order[:5] and seq <= len(order)
        runners = orjson.loads(stored[at].runners)
        if wrong:
            runners = [{**row, "time_s": 99.0} for row in runners]
        known = known.after(told([Telling(stored[at].race_key, seq, runners)]))
    whole = State()
    whole.walk(from_frame(pd.concat([history, month], ignore_index=True)))
    assert len(known.races) > 30
    assert_equal_books(known.state, whole)
    cards = list(cards_of(table[table["date"] >= last - pd.Timedelta(days=10)]))
    read = [build.card(from_cards(cards, s.alias), "market", s).values for s in (known.state, whole)]
    assert same(*read)
