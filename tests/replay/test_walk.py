"""The races of a replay as a training reads them: cards read and not learned from, rows as the API accepts them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle.data.dataset import Dataset
from oracle.data.simulate import simulate
from oracle.features import build
from oracle.features.races import from_frame
from oracle.progress import silent
from oracle.replay.walk import history, walked
from oracle.settings import CheckPolicy

FIRST, LAST = dt.date(2015, 1, 5), dt.date(2015, 1, 7)


@pytest.fixture(scope="module")
def races(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk") / "world"
    rows = pd.concat([block.runners for block in simulate(150, seed=3)], ignore_index=True)
    rows.loc[0, "speed_rating"] = -18.0
    Dataset(folder).append(rows)
    return folder


def test_what_the_rules_of_racing_refuse_is_not_in_the_history(races: Path):
    frame = history(str(races), LAST, CheckPolicy())
    assert frame["date"].max() <= pd.Timestamp(LAST)
    assert (Dataset(races).read()["speed_rating"] < 0).any()
    assert not (frame["speed_rating"] < 0).any()


def test_cards_differ_from_the_races_of_a_training_by_their_odds_alone(races: Path):
    frame = history(str(races), LAST, CheckPolicy())
    cards, ran = walked(frame, FIRST, "multiplicative", silent, odds=False)
    plain = build.history(from_frame(frame), "market")
    plain = plain.take(plain.dates >= np.datetime64(FIRST))
    np.testing.assert_array_equal(ran.values, plain.values)
    assert list(cards.race_id) == list(plain.race_id)
    differs = ~((cards.values == plain.values) | (np.isnan(cards.values) & np.isnan(plain.values))).all(axis=0)
    assert {name.split("_")[0] for name, other in zip(plain.names, differs, strict=True) if other} == {"market"}
    assert np.isnan(cards.market).all()


def test_with_odds_both_are_the_same(races: Path):
    frame = history(str(races), LAST, CheckPolicy())
    cards, ran = walked(frame, FIRST, "multiplicative", silent, odds=True)
    np.testing.assert_array_equal(cards.values, ran.values)
