"""The races of a replay as a training reads them: one walk over the whole history, each race as of its off."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd

from oracle.data.dataset import Dataset
from oracle.ensemble.race_model import FEATURE_SET
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.progress import Progress

CARD = "card of "
"""Before the id of a race that stands in the walk a second time, as a card: read and not learned from."""


def walked(
    data: str, first: dt.date, last: dt.date, overround: str, progress: Progress, *, odds: bool
) -> tuple[RaceMatrix, RaceMatrix]:
    """Return the races of a stretch with the features that their cards have, and with those they have with odds.

    A card that comes before the off has no odds, and so none of the few features that are made of them; all the others
    are those of the race in a training, past odds included.

    Args:
        data: Path of the dataset.
        first: First date of the stretch.
        last: Last one.
        overround: How the margin is taken out of the odds.
        progress: Told of each chunk.
        odds: Whether the cards carry the dataset's odds: then both are the same.

    Returns:
        Two matrices of the same races in the same order.
    """
    frame = Dataset(data).read(end=last)
    inside = frame["date"] >= pd.Timestamp(first)
    cards = frame[inside].assign(race_id=CARD + frame.loc[inside, "race_id"])
    if not odds:
        cards = cards.assign(odds=np.nan)
    both = pd.concat([frame, cards]).sort_values(["off", "race_id"], kind="stable", ignore_index=True)
    races = from_frame(both, overround)
    asked = np.array([str(name).startswith(CARD) for name in races.texts["race_id"][races.offsets[:-1]]])
    matrix = build.history(races, FEATURE_SET, progress=progress, cards=asked)
    told = matrix.take(asked)
    named = replace(told, race_id=np.array([str(name).removeprefix(CARD) for name in told.race_id], dtype=object))
    return named, matrix.take(~asked & (matrix.dates >= np.datetime64(first)))
