"""The races of a replay as a training reads them: one walk over the whole history, each race as of its off."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd

from oracle.data.check import check
from oracle.data.dataset import Dataset
from oracle.data.sources.base import Batch
from oracle.ensemble.race_model import FEATURE_SET
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.progress import Progress
from oracle.settings import CheckPolicy

CARD = "card of "
"""Before the id of a race that stands in the walk a second time, as a card: read and not learned from."""


def history(data: str, last: dt.date, policy: CheckPolicy) -> pd.DataFrame:
    """Return the races of a dataset through a date as `POST /v1/results` accepts them, in their order.

    A dataset that was ingested comes back as it is; one from elsewhere, such as a simulated one, may hold what the
    rules of racing refuse, and serving and training would then not know the same.

    Raises:
        NoSuchDataset: there is no dataset.
    """
    rows = Dataset(data).read(end=last)
    batch = Batch(
        rows=rows,
        raw=pd.DataFrame(index=range(len(rows))),
        file=pd.Series([data] * len(rows), dtype="str"),
        line=pd.Series(np.arange(1, len(rows) + 1)),
        reason=pd.Series([None] * len(rows), dtype=object),
    )
    afterwards = dt.datetime.combine(last, dt.time(), dt.UTC) + dt.timedelta(days=2)
    return check(batch, afterwards, policy).accepted


def walked(
    frame: pd.DataFrame, first: dt.date, overround: str, progress: Progress, *, odds: bool
) -> tuple[RaceMatrix, RaceMatrix]:
    """Return the races of a stretch with the features that their cards have, and with those they have with odds.

    A card that comes before the off has no odds, and so none of the few features that are made of them; all the others
    are those of the race in a training, past odds included.

    Args:
        frame: The whole history through the stretch.
        first: First date of the stretch.
        overround: How the margin is taken out of the odds.
        progress: Told of each chunk.
        odds: Whether the cards carry the dataset's odds: then both are the same.

    Returns:
        Two matrices of the same races in the same order.
    """
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
