"""A dataset as training sees it: its rows, its matrix, and the state at its end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from oracle.data.dataset import Dataset, Summary
from oracle.ensemble.race_model import FEATURE_SET
from oracle.errors import NotEnoughData
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.progress import Progress
from oracle.ranking.market import MULTIPLICATIVE
from oracle.ranking.races import Bools


@dataclass(frozen=True)
class History:
    """A dataset as training sees it."""

    name: str
    summary: Summary
    frame: pd.DataFrame
    matrix: RaceMatrix
    state: State
    seconds: float = 0.0
    """What reading and walking it took."""

    def unseen(self, trained_through: str, refusal: str, next_step: str) -> Bools:
        """Return bool[R], the races that lie after everything a model was fitted on.

        Args:
            trained_through: Last date the model was fitted on.
            refusal: What is said where there is none.
            next_step: What to do then.

        Raises:
            NotEnoughData: the dataset ends before the model's training does.
        """
        later: Bools = self.matrix.dates > np.datetime64(trained_through)
        if not later.any():
            raise NotEnoughData(
                refusal,
                value=str(self.summary.last_date),
                allowed=f"races after {trained_through}",
                next_step=next_step,
            )
        return later


def read(data: str, progress: Progress, overround: str = MULTIPLICATIVE) -> History:
    """Return the history in a dataset, every race as of its off.

    Args:
        data: Path of the dataset.
        progress: Told of each chunk.
        overround: How the margin is taken out of the odds (`market.overround`); for a model, the one it learned with.

    Raises:
        NoSuchDataset: there is no dataset at the path.
        NotEnoughData: no race in it has starters.
    """
    began = time.perf_counter()
    dataset = Dataset(data)
    summary, frame = dataset.summary(), dataset.read()
    state = State()
    races = from_frame(frame, overround)
    if not len(races):
        raise NotEnoughData("the dataset has no race with starters", value=data, next_step="ingest results first")
    matrix = build.history(races, FEATURE_SET, state, progress)
    seconds = time.perf_counter() - began
    return History(Path(data.rstrip("/")).name, summary, frame, matrix, state, seconds)
