"""Cards among the races of a walk: they read what was known at their off, and nobody learns from them."""

from __future__ import annotations

import numpy as np

from oracle.features import build
from oracle.features.races import Races, from_frame, joined
from oracle.features.state import State
from tests.features.conftest import History


def twice(races: Races) -> tuple[Races, np.ndarray]:
    """Return each race as it was run, and once more as a card at the same moment."""
    parts = [part for r in range(len(races)) for part in (races.slice(r, r + 1), races.slice(r, r + 1))]
    return joined(parts), np.arange(2 * len(races)) % 2 == 1


def test_a_card_reads_what_the_race_reads_and_leaves_no_trace(world: History) -> None:
    races = from_frame(world.table).slice(0, 120)
    alone, beside = State(), State()
    expected = build.history(races, "market", alone)
    both, cards = twice(races)
    walked = build.history(both, "market", beside, cards=cards)
    for which in (cards, ~cards):
        np.testing.assert_array_equal(walked.take(which).values, expected.values)
    left, right = alone.dump(), beside.dump()
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def test_a_card_of_strangers_opens_no_career(world: History) -> None:
    races = from_frame(world.table).slice(0, 30)
    stranger = races.slice(29, 30)
    ids = np.array([f"new {i}" for i in range(stranger.runners)], dtype=object)
    stranger = type(stranger)(**{**stranger.__dict__, "texts": {**stranger.texts, "horse_id": ids}, "_codes": {}})
    state = State()
    build.history(joined([races, stranger]), "market", state, cards=np.arange(31) == 30)
    known = state.ledgers["horse"].holders.index
    assert all(np.isnan(state.ledgers["horse"].last[known[name]]) for name in ids if name in known)
    assert state.through == races.off[-1]
