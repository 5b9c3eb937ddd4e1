"""Matches of a few horses: no fourth place to learn from, and a model all the same."""

from __future__ import annotations

import numpy as np

from oracle.ensemble.fit import _discount
from oracle.features.matrix import RaceMatrix
from oracle.ranking.plackett_luce import NONE
from oracle.ranking.races import offsets_of

RACES = 40


def test_fields_too_small_for_later_places_give_plain_plackett_luce() -> None:
    threes = RaceMatrix(
        values=np.zeros((3 * RACES, 1), dtype=np.float32),
        names=("nothing",),
        offsets=offsets_of([3] * RACES),
        off=np.arange(RACES, dtype=np.float64),
        day=np.arange(RACES),
        position=np.tile([1.0, 2.0, 3.0], RACES),
        market=np.full(3 * RACES, np.nan),
        odds=np.full(3 * RACES, np.nan),
        race_id=np.arange(RACES).astype(object),
        meeting=np.arange(RACES).astype(object),
    )
    assert _discount(np.tile([0.5, 0.3, 0.2], RACES), threes) == NONE
