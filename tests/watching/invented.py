"""A small world that is watched: its races, and a model without anything to fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from oracle.data.simulate import WorldPolicy, simulate
from oracle.ensemble.about import About
from oracle.ensemble.blend import Blend
from oracle.ensemble.race_model import FEATURE_SET, RaceModel, feature_version
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.ranking.plackett_luce import Discount
from oracle.ranking.races import Floats

RACES, KNOWN = 96, 80
POLICY = WorldPolicy(
    horses=150,
    jockeys_per_circuit=8,
    trainers_per_circuit=6,
    meetings_by_weekday=(1, 0, 1, 0, 1, 0, 1),
    withdrawn_rate=0.0,
    pulled_up_rate=0.02,
)


@dataclass(frozen=True)
class Opinion:
    """A ranker that goes by one feature."""

    by: str
    family: str = "opinion"

    def score(self, races: RaceMatrix) -> Floats:
        return np.nan_to_num(races.values[:, races.columns((self.by,))[0]].astype(np.float64))

    def dump(self) -> dict[str, bytes]:
        return {"by.txt": self.by.encode()}


@cache
def results() -> pd.DataFrame:
    """Return the results of the world; every starter has odds."""
    frame = pd.concat([block.runners for block in simulate(RACES, seed=5, policy=POLICY)], ignore_index=True)
    whole = frame["odds"].notna().groupby(frame["race_id"]).transform("all")
    return frame[whole].reset_index(drop=True)


def split() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the races that the model knows, and the later ones; a day is on one side."""
    frame = results()
    first = frame[["race_id", "date"]].drop_duplicates("race_id")["date"].iloc[KNOWN]
    return frame[frame["date"] < first], frame[frame["date"] >= first]


@cache
def walked() -> RaceMatrix:
    """Return the features of all races."""
    return build.history(from_frame(results()), FEATURE_SET)


def model() -> RaceModel:
    """Return a model that was fitted on half of what it knows."""
    known, _ = split()
    dates = known["date"].dt.strftime("%Y-%m-%d").unique()
    state = State()
    state.walk(from_frame(known))
    about = About(
        feature_version=feature_version(),
        trained_through=str(dates[len(dates) // 2]),
        state_through=str(dates[-1]),
        first_date=str(dates[0]),
    )
    members = {"merit": Opinion("merit"), "odds": Opinion("market_log")}
    form, market = Blend({"merit": 1.0}), Blend({"merit": 0.3, "odds": 1.0})
    return RaceModel(members, form, market, Discount(0.9, 0.8), state, about)  # type: ignore[arg-type]
