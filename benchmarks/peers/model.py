"""The model every peer serves: ours, read from its package, its forests scored by LightGBM itself.

Features, blend and calibration are our own code, so that a peer's answer is ours to the last bit and whatever makes
them faster makes the peers faster too. The forests are scored by `Booster.predict` on one thread, as an engineer who
serves LightGBM does; what this library does instead is what is compared.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oracle.ensemble.race_model import RaceModel
from oracle.features.matrix import RaceMatrix
from oracle.models.gbdt import FittedTrees
from oracle.models.over_market import FittedOverMarket
from oracle.models.ranker import FittedRanker
from oracle.race import CardPrediction, RaceCard, Runner
from oracle.ranking.races import Floats

PACKAGE = "BENCHMARK_PACKAGE"
"""Environment variable with the folder of the package."""


class ByBooster:
    """A forest scored by LightGBM's own predictor."""

    def __init__(self, trees: FittedTrees) -> None:
        self._trees = trees

    def __getattr__(self, name: str) -> Any:
        """Return what the forest itself has: all but the way it is scored."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._trees, name)

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N], scaled raw scores."""
        values = races.only(self._trees.features).values
        raw = self._trees.booster.predict(values, raw_score=True, num_threads=1)
        return np.asarray(raw, dtype=np.float64) * self._trees.scale


def by_booster(member: FittedRanker) -> FittedRanker:
    """Return the member with every forest in it scored by LightGBM."""
    if isinstance(member, FittedTrees):
        return ByBooster(member)
    if isinstance(member, FittedOverMarket):
        return replace(member, correction=by_booster(member.correction))
    return member


def is_forest(member: FittedRanker) -> bool:
    """Tell whether a member (as `by_booster` returns it) is made of trees."""
    return isinstance(member, ByBooster) or (isinstance(member, FittedOverMarket) and is_forest(member.correction))


def load() -> RaceModel:
    """Return the model of the package that the environment names."""
    model = RaceModel.load(Path(os.environ[PACKAGE]))
    members: Mapping[str, FittedRanker] = {name: by_booster(member) for name, member in model.members.items()}
    return replace(model, members=members)


def card_of(told: Mapping[str, Any]) -> RaceCard:
    """Return the card that validated JSON tells of."""
    return RaceCard(**{**told, "runners": tuple(Runner(**runner) for runner in told["runners"])})


def rows_of(said: CardPrediction) -> list[dict[str, Any]]:
    """Return an answer as one plain object per runner."""
    names = said.runners[0].__dataclass_fields__
    return [{name: getattr(runner, name) for name in names} for runner in said.runners]
