"""Histories that features are tried on: a simulated world always, and the real races where they are present."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle.data.check import check
from oracle.data.simulate import WorldPolicy, simulate
from oracle.data.sources import SOURCES
from oracle.features.build import history
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
VILLAGE = WorldPolicy(
    horses=400,
    jockeys_per_circuit=12,
    trainers_per_circuit=10,
    meetings_by_weekday=(0, 0, 3, 0, 0, 3, 0),
    pulled_up_rate=0.03,
)
"""Few horses that meet again and again, on days with three meetings at once: some races are off within minutes."""
FOLDERS = {
    "hkjc": ("hkjc", "results_*.csv"),
    "netkeiba": ("netkeiba/race_results", "*.csv"),
    "racingpost": ("racingpost-ie", "*.csv"),
}
FEW = {"hkjc": 60, "netkeiba": 24, "racingpost": 3}
MANY = {"hkjc": 330, "netkeiba": 110, "racingpost": 14}
"""Files of a few hundred races, and of a few thousand."""


@dataclass(frozen=True)
class History:
    """A runner table and its whole matrix, by race."""

    table: pd.DataFrame
    matrix: RaceMatrix

    @classmethod
    def of(cls, table: pd.DataFrame, feature_set: str = "market") -> History:
        return cls(table, history(from_frame(table), feature_set))

    def rows(self, race_id: str) -> np.ndarray:
        """Return the features of one race, float32[runners, features]."""
        (at,) = np.flatnonzero(self.matrix.race_id == race_id)
        return self.matrix.values[self.matrix.offsets[at] : self.matrix.offsets[at + 1]]


@cache
def _simulated() -> pd.DataFrame:
    return pd.concat([block.runners for block in simulate(200, seed=5, policy=VILLAGE)], ignore_index=True)


@cache
def _real(data: Path, layout: str, files: int) -> pd.DataFrame:
    folder, pattern = FOLDERS[layout]
    paths = sorted((data / folder).rglob(pattern), key=lambda path: path.name)[-files:]
    accepted = [check(batch, NOW).accepted for batch in SOURCES[layout].read(paths)]
    return pd.concat(accepted, ignore_index=True)


REAL = [pytest.param(layout, marks=pytest.mark.realdata) for layout in FOLDERS]


@pytest.fixture(scope="session", params=["simulated", *REAL])
def past(request: pytest.FixtureRequest) -> History:
    """A few hundred races: invented ones, and by mark `realdata` those of Hong Kong, Japan and Ireland."""
    if request.param == "simulated":
        return History.of(_simulated())
    return History.of(_real(request.getfixturevalue("real_data"), request.param, FEW[request.param]))


@pytest.fixture(scope="session")
def world() -> History:
    """The simulated races alone."""
    return History.of(_simulated())


@pytest.fixture(scope="session")
def history_of() -> Callable[[pd.DataFrame], History]:
    """A function that builds the matrix of a changed table."""
    return History.of


@pytest.fixture(scope="session", params=REAL)
def long_past(request: pytest.FixtureRequest) -> History:
    """A few thousand real races of one country."""
    return History.of(_real(request.getfixturevalue("real_data"), request.param, MANY[request.param]))
