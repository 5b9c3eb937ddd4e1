"""The plainest way to serve LightGBM: ready-made features in the body, a pandas frame, three boosters, FastAPI.

It does less than the others: the sixty features of each runner come with the request, nobody looks up a horse, nothing
is calibrated. Its forests are three of 300 trees of 31 leaves, fitted at start to noise around a formula.
"""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

FEATURES, TREES, ROWS = 60, 300, 20_000
NAMES = [f"feature_{i}" for i in range(FEATURES)]


class Runners(BaseModel):
    """The runners of a race, sixty features each."""

    rows: list[list[float]]


class Chance(BaseModel):
    """What is said of one runner."""

    score: float
    win: float


class Chances(BaseModel):
    """What is said of all."""

    runners: list[Chance]


def forests() -> list[lgb.Booster]:
    """Return three forests that differ by their seeds."""
    chance = np.random.default_rng(7)
    values = pd.DataFrame(chance.normal(size=(ROWS, FEATURES)), columns=NAMES)
    label = values["feature_0"] * values["feature_1"] + values["feature_2"] + chance.normal(size=ROWS)
    parameters = {"objective": "regression", "num_leaves": 31, "learning_rate": 0.05, "verbose": -1, "num_threads": 1}
    return [
        lgb.train(parameters | {"seed": seed, "feature_fraction": 0.8}, lgb.Dataset(values, label), TREES)
        for seed in (1, 2, 3)
    ]


app = FastAPI()
FORESTS = forests()


@app.post("/v1/predict")
async def predict(runners: Runners) -> Chances:
    """Return the mean score of each runner, and a softmax of it."""
    frame = pd.DataFrame(runners.rows, columns=NAMES)
    score = np.mean([np.asarray(forest.predict(frame, num_threads=1)) for forest in FORESTS], axis=0)
    win = np.exp(score - score.max())
    return Chances(runners=[Chance(score=s, win=w) for s, w in zip(score, win / win.sum(), strict=True)])
