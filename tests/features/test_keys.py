"""Keys under which runs are booked: no two accounts share one, and a card and a result row spell it alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.data.cards import cards_of
from oracle.features.keys import PARTS, distance_band, draw_band, going_band, keys
from oracle.features.ledgers import LEDGERS
from oracle.features.races import from_cards, from_frame
from oracle.race import RaceType, Surface

names = st.text(st.sampled_from("ab \x1e\x1f01\n\t"), max_size=4)


def spelled(races, parts):
    """Return the key of each runner; None where it has none."""
    codes, words = keys(races, parts)
    return [words[c] if c >= 0 else None for c in codes]


@pytest.fixture
def races(race):
    return from_frame(race())


@given(st.lists(st.tuples(names, names), min_size=6, max_size=6))
def test_two_pairs_of_names_share_a_key_only_when_they_are_equal(races, pairs):
    texts = {"horse_id": [a for a, _ in pairs], "jockey_id": [b for _, b in pairs]}
    texts = {name: np.array(words, dtype=object) for name, words in texts.items()}
    found = spelled(replace(races, texts=texts, _codes={}), ("horse", "jockey"))
    for one, its_key in zip(pairs, found, strict=True):
        for other, other_key in zip(pairs, found, strict=True):
            assert (one == other) == (its_key == other_key)


@pytest.mark.parametrize("parts", [spec.key for spec in LEDGERS], ids="+".join)
def test_a_card_and_a_result_row_spell_the_key_alike(world, parts):
    ids = set(world.matrix.race_id[:20])
    table = world.table[world.table["race_id"].isin(ids)]
    cards = {card.race_id: card for card in cards_of(table)}
    history = from_frame(table)
    asked = from_cards([cards[race_id] for race_id in history.texts["race_id"][history.offsets[:-1]]])
    assert spelled(history, parts) == spelled(asked, parts)


def test_words_of_the_house_and_plain_text_are_the_same_key(races):
    typed = replace(races, texts={**races.texts, "surface": np.array([Surface.TURF] * 6, dtype=object)}, _codes={})
    typed.texts["race_type"][:] = RaceType.FLAT
    assert spelled(typed, ("horse", "surface", "race_type")) == spelled(races, ("horse", "surface", "race_type"))


@pytest.mark.parametrize(
    ("column", "part"),
    [("jockey_id", "jockey"), ("draw", "draw_band"), ("distance_m", "distance_band"), ("sire", "sire")],
)
def test_a_runner_that_lacks_a_part_has_no_key(race, column, part):
    table = race(sire="Old Sire")
    table.loc[2, column] = None
    found = spelled(from_frame(table), ("horse", part))
    assert found[2] is None
    assert None not in found[:2] + found[3:]


def test_distances_in_a_fifth_of_each_other_share_a_band_or_are_neighbours(race):
    table = race(runners=5, distance_m=[1000, 1150, 1600, 1650, 3200])
    band = distance_band(from_frame(table))
    assert band.tolist() == sorted(band)
    assert band[0] == band[1]
    assert band[2] == band[3]
    assert band[4] - band[2] in (3, 4)


@pytest.mark.parametrize(
    ("going", "band"), [("firm", 0), ("good", 1), ("good_to_soft", 1), ("yielding", 2), ("heavy", 2)]
)
def test_going_is_fast_good_or_soft(race, going, band):
    assert (going_band(from_frame(race(going=going))) == band).all()


def test_an_unknown_going_has_no_band(race):
    assert np.isnan(going_band(from_frame(race(going=None)))).all()


def test_stalls_fall_into_fifths_of_the_field_whatever_its_size(race):
    assert draw_band(from_frame(race(runners=5, draw=[1, 2, 3, 4, 5]))).tolist() == [0, 1, 2, 3, 4]
    ten = draw_band(from_frame(race(runners=10, draw=list(range(1, 11)))))
    assert np.bincount(ten.astype(int)).tolist() == [2, 2, 2, 2, 2]
    beyond = draw_band(from_frame(race(runners=2, draw=[14, 1])))  # rivals withdrew: a stall beyond the field
    assert beyond.tolist() == [4, 0]


def test_absurd_numbers_have_no_band_and_raise_nothing(race):
    for part in ("distance_band", "distance"):
        codes, _ = PARTS[part](from_frame(race(runners=3, distance_m=[0, -5, 1600])))
        assert codes[2] >= 0
        assert part == "distance" or (codes[:2] < 0).all()
