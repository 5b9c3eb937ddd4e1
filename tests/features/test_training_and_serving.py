"""What a model was trained on and what it is asked about: the same races give the same features, to the last bit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from oracle.data.cards import cards_of
from oracle.errors import BadCard
from oracle.features import build, registry
from oracle.features.feature import View
from oracle.features.keys import PARTS
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.ledgers import LEDGERS
from oracle.features.races import from_cards, from_frame
from oracle.features.ratings import PARTICIPANTS
from oracle.features.state import State
from oracle.race import RaceCard, Runner

SERVED = 200
"""Last races of a history that are asked about as cards; fewer where the history is short."""


def same(a, b):
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


class Serving:
    """A state carried forward as a server would: each result folded in once it is known, in the order of off times."""

    def __init__(self, races, state, first):
        self.races, self.state, self.folded, self.at = races, state, first, first

    def up_to(self, at):
        """Fold in every race whose result is known when race `at` is off."""
        while self.folded < at and self.races.off[self.folded] + KNOWN_AFTER <= self.races.off[at]:
            self.state.walk(self.races.slice(self.folded, self.folded + 1))
            self.folded += 1
        return self.state


def taught(races, first):
    """Return a state that has seen the races known when race `first` is off, and how many they are."""
    known = int(np.searchsorted(races.off, races.off[first] - KNOWN_AFTER, side="right"))
    state = State()
    state.walk(races.slice(0, known))
    return state, known


def through_a_file(state, path):
    np.savez(path, **state.dump())
    with np.load(path) as arrays:
        return State.restore(arrays)


def books(state):
    """Return everything a state knows as plain values by key: the order in which accounts were opened says nothing."""
    out = {"through": state.through, "names": state.names}
    for group in (state.ledgers, state.pars):
        for name, ledger in group.items():
            at = ledger.holders.index
            out[name] = {
                k: (ledger.value[i].tobytes(), ledger.weight[i].tobytes(), ledger.last[i]) for k, i in at.items()
            }
    for (name, _), holders, table in zip(PARTICIPANTS, state.ratings.holders, state.ratings.table, strict=True):
        out[f"rating of {name}"] = {k: table[i].tobytes() for k, i in holders.index.items()}
    return out


def assert_equal_books(one, other):
    one, other = books(one), books(other)
    for name, book in one.items():
        # NaN is not equal to itself; as text it is.
        assert repr(sorted(book.items()) if isinstance(book, dict) else book) == repr(
            sorted(other[name].items()) if isinstance(book, dict) else other[name]
        ), name


def test_each_card_has_the_features_its_race_had_in_the_training_matrix(past, tmp_path):
    races = from_frame(past.table)
    first = len(races) - min(SERVED, len(races) // 3)
    serving = Serving(races, *taught(races, first))
    serving.state = through_a_file(serving.state, tmp_path / "state.npz")
    cards = {card.race_id: card for card in cards_of(past.table)}
    for at in range(first, len(races)):
        race_id = past.matrix.race_id[at]
        state = serving.up_to(at)
        asked = from_cards([cards[race_id]], state.alias)
        assert same(build.card(asked, "market", state).values, past.rows(race_id)), race_id
        if at % 10 == 0:
            form = past.rows(race_id)[:, : len(registry.features("form"))]
            assert same(build.card(asked, "form", state).values, form), race_id


def test_cards_asked_about_together_are_answered_as_if_asked_one_by_one(world):
    races = from_frame(world.table)
    state, _ = taught(races, len(races) - 20)
    ids = set(world.matrix.race_id[-20:])
    cards = [card for card in cards_of(world.table) if card.race_id in ids][::-1]
    together = build.card(from_cards(cards), "market", state).values
    apart = np.concatenate([build.card(from_cards([card]), "market", state).values for card in cards])
    assert same(together, apart)


def test_asking_about_a_card_changes_nothing_of_the_state(world):
    races = from_frame(world.table)
    state, _ = taught(races, len(races) - 5)
    before = {k: v.tobytes() for k, v in state.dump().items()}
    build.card(from_cards(list(cards_of(world.table))[-5:]), "market", state)
    assert {k: v.tobytes() for k, v in state.dump().items()} == before


def test_carrying_race_by_race_or_in_one_batch_or_walking_all_at_once_ends_in_the_same_state(past):
    races = from_frame(past.table)
    first = len(races) - min(SERVED, len(races) // 3)
    one_by_one, known = taught(races, first)
    batch, _ = taught(races, first)
    for at in range(known, len(races)):
        one_by_one.walk(races.slice(at, at + 1))
    batch.walk(races.slice(known, len(races)))
    whole = State()
    whole.walk(races)
    assert_equal_books(one_by_one, whole)
    assert_equal_books(batch, whole)


def test_a_state_that_went_through_a_file_goes_on_as_if_it_had_not(world, tmp_path):
    races = from_frame(world.table)
    state, known = taught(races, len(races) // 2)
    restored = through_a_file(state, tmp_path / "state.npz")
    assert_equal_books(restored, state)
    rest = races.slice(known, len(races))
    assert same(build.history(rest, "market", restored).values, build.history(rest, "market", state).values)
    assert_equal_books(restored, state)


def test_a_state_that_knows_nothing_goes_through_a_file_too(tmp_path):
    restored = through_a_file(State(), tmp_path / "state.npz")
    assert_equal_books(restored, State())


@pytest.mark.parametrize("runners", [100, 700])
def test_a_history_cut_into_small_chunks_gives_the_same_matrix(past, runners, monkeypatch):
    monkeypatch.setattr(build, "CHUNK", runners)
    races = from_frame(past.table)
    assert len(build._chunks(races)) > 1
    state = State()
    cut = build.history(races, "market", state)
    assert same(cut.values, past.matrix.values)
    for name in ("offsets", "off", "day", "position", "market"):
        assert same(getattr(cut, name), getattr(past.matrix, name)), name
    assert (cut.race_id == past.matrix.race_id).all()
    assert (cut.meeting == past.matrix.meeting).all()
    whole = State()
    whole.walk(races)
    assert_equal_books(state, whole)


def test_no_chunk_begins_while_an_earlier_race_is_still_being_run(world, monkeypatch):
    monkeypatch.setattr(build, "CHUNK", 1)
    parts = build._chunks(from_frame(world.table))
    for earlier, later in pairwise(parts):
        assert later.off[0] - earlier.off[-1] >= KNOWN_AFTER


def test_a_participant_given_by_name_is_found_under_the_id_it_last_ran_with(past):
    races = from_frame(past.table)
    state, _ = taught(races, len(races) - 1)
    card = next(c for c in cards_of(past.table) if c.race_id == past.matrix.race_id[-1])
    nameless = replace(
        card, runners=tuple(replace(r, horse_id=None, jockey_id=None, trainer_id=None) for r in card.runners)
    )
    named = from_cards([nameless], state.alias)
    given = from_cards([card], state.alias)
    for kind in ("horse", "jockey", "trainer"):
        both = zip(named.texts[f"{kind}_id"], given.texts[f"{kind}_id"], given.texts[kind], strict=True)
        wrong = [name for found, known_as, name in both if found != known_as and name in state.names[kind]]
        assert not wrong, wrong


class Watched(Mapping):
    """Columns that note who reads them."""

    def __init__(self, columns):
        self.columns, self.read = columns, set()

    def __getitem__(self, name):
        self.read.add(name)
        return self.columns[name]

    def __iter__(self):
        return iter(self.columns)

    def __len__(self):
        return len(self.columns)


def test_no_feature_and_no_key_reads_a_column_that_a_card_cannot_carry(world):
    races = from_frame(world.table)
    numbers, texts = Watched(races.numbers), Watched(races.texts)
    watched = replace(races, numbers=numbers, texts=texts, _codes={})
    state = State()
    state.walk(races)
    reading = state.read(watched)
    for feature in registry.features("market"):
        with np.errstate(all="ignore"):
            feature.compute(View(watched, reading, feature.known))
    carried = {f.name for f in (*fields(RaceCard), *fields(Runner))}
    assert numbers.read | texts.read <= carried


def test_no_feature_depends_on_the_local_date_which_a_card_does_not_tell(world):
    read = {part for spec in LEDGERS for part in spec.key} | {part for _, parts in PARTICIPANTS for part in parts}
    assert read <= set(PARTS) - {"day"}
    races = from_frame(world.table)
    state = State()
    state.walk(races)
    assert same(
        build.card(races, "market", state).values, build.card(replace(races, day=races.day + 1), "market", state).values
    )


def test_the_zone_in_which_an_off_time_is_written_does_not_matter(world):
    state = State()
    state.walk(from_frame(world.table))
    card = list(cards_of(world.table))[-1]
    abroad = replace(card, off=card.off.astimezone(dt.timezone(dt.timedelta(hours=9))))
    assert same(
        build.card(from_cards([card]), "market", state).values, build.card(from_cards([abroad]), "market", state).values
    )


def test_a_card_whose_runners_are_all_withdrawn_is_refused(world):
    card = next(cards_of(world.table))
    nobody = replace(card, runners=tuple(replace(r, withdrawn=True) for r in card.runners))
    with pytest.raises(BadCard, match="no starter"):
        from_cards([card, nobody, card])


def test_no_races_at_all_give_an_empty_matrix(world):
    empty = build.history(from_frame(world.table.iloc[:0]), "market")
    assert empty.values.shape == (0, len(registry.features("market")))
    assert len(empty) == 0
    assert build.card(from_cards([]), "form", State()).values.shape == (0, len(registry.features("form")))
