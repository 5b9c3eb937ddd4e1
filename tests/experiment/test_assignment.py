from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.experiment.assignment import arm, position, pseudonym

KEY = b"a key of the house"
GOLDEN_PLACE = 0.012831006454893204
"""A running test would be mixed anew by another hash: this one may never change."""
UNITS = st.text(min_size=1, max_size=40)
PLACES = st.floats(0.0, 1.0, exclude_max=True)


@given(UNITS, st.text(max_size=20))
def test_a_unit_has_one_place_in_an_experiment_and_keeps_it(unit: str, experiment: str):
    assert position(experiment, unit, KEY) == position(experiment, unit, KEY)
    assert 0.0 <= position(experiment, unit, KEY) < 1.0


@given(PLACES, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5))
def test_ramping_challengers_up_moves_no_treated_unit(place: float, shares: list[tuple[float, float]]):
    count = len(shares)
    before = [min(pair) / count for pair in shares]
    later = [max(pair) / count for pair in shares]
    treated = arm(place, before)
    assert treated in (0, arm(place, later))


@given(PLACES, st.integers(1, 5))
def test_a_share_of_nothing_treats_nobody_and_a_full_one_everybody(place: float, challengers: int):
    assert arm(place, [0.0] * challengers) == 0
    assert arm(place, [1.0 / challengers] * challengers) > 0


def test_without_challengers_everybody_is_in_the_control():
    assert arm(0.3, []) == 0


def test_units_fall_to_the_arms_in_the_shares_asked_for():
    seen = Counter(arm(position("spring", f"user-{i}", KEY), [0.1, 0.3]) for i in range(20_000))
    assert [round(seen[k] / 20_000, 2) for k in range(3)] == [0.6, 0.1, 0.3]


def test_two_experiments_and_two_keys_split_the_same_users_apart():
    places = [
        [position(name, f"u{i}", key) < 0.5 for i in range(4000)] for name, key in (("a", KEY), ("b", KEY), ("a", b"k"))
    ]
    for other in places[1:]:
        assert abs(sum(a == b for a, b in zip(places[0], other, strict=True)) / 4000 - 0.5) < 0.04


def test_a_pseudonym_depends_on_the_key_and_shows_nothing_of_the_user():
    assert pseudonym("anna@example.org", KEY) == pseudonym("anna@example.org", KEY)
    assert pseudonym("anna@example.org", KEY) != pseudonym("anna@example.org", b"other")
    assert len(pseudonym("anna", KEY)) == 32
    assert "anna" not in pseudonym("anna", KEY)


def test_a_key_may_be_of_any_length():
    keys = [b"k" * size for size in (0, 64, 65, 500)]
    assert len({position("a", "anna", key) for key in keys}) == 4
    assert len({pseudonym("anna", key) for key in keys}) == 4


def test_places_stay_where_they_are_from_one_release_to_the_next():
    assert position("spring", "anna", KEY) == pytest.approx(GOLDEN_PLACE, abs=1e-15)
