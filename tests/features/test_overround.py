"""How the margin is taken out of the odds goes with the races, into the features, the state and the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from oracle.features import build
from oracle.features.races import from_cards, from_frame
from oracle.features.state import State
from oracle.race import RaceCard, Runner
from oracle.ranking.market import REMOVALS

Table = Callable[..., pd.DataFrame]


@pytest.mark.parametrize("method", REMOVALS)
def test_the_market_of_a_race_is_that_of_the_method_in_matrix_and_features(race: Table, method: str):
    races = from_frame(race(odds=[1.5, 4.0, 8.0, 20.0, 34.0, 51.0]), method)
    found = build.history(races, "market")
    expected = REMOVALS[method](races.numbers["odds"], races.offsets)
    np.testing.assert_array_equal(found.market, expected)
    column = found.values[:, found.names.index("market_log")]
    assert column == pytest.approx(np.log(expected), abs=1e-5)


def test_history_remembers_the_market_by_the_same_method(race: Table):
    past = race(odds=[1.5, 4.0, 8.0, 20.0, 34.0, 51.0])
    moved = {}
    for method in REMOVALS:
        state = State()
        state.walk(from_frame(past, method))
        again = race("r2", "2020-04-04", odds=[1.5, 4.0, 8.0, 20.0, 34.0, 51.0])
        found = build.matrix(from_frame(again, method), state.read(from_frame(again, method)), "market")
        moved[method] = found.values[:, found.names.index("market_move")]
    for method in REMOVALS:
        assert moved[method] == pytest.approx(0, abs=1e-5), method


def test_a_card_is_read_as_history_is_and_a_part_keeps_the_method(race: Table):
    runners = tuple(Runner(f"Horse {i}", odds=o) for i, o in enumerate([1.5, 4.0, 8.0, 20.0]))
    off = pd.Timestamp("2020-05-01T12:00", tz="UTC").to_pydatetime()
    read = from_cards([RaceCard("Meadow Park", off, runners)], overround="shin")
    np.testing.assert_array_equal(read.market, REMOVALS["shin"](read.numbers["odds"], read.offsets))
    both = from_frame(pd.concat([race(), race("r2", "2020-04-04")]), "power")
    assert both.slice(1, 2).overround == "power"
    np.testing.assert_array_equal(both.slice(1, 2).market, both.market[6:])
