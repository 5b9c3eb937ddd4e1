"""Gradient-boosted symmetric trees by CatBoost on the softmax over the race, its target the gain of the first places.

Every node of a level asks the same question, which regularises in another way than LightGBM's leaves: a member that
errs differently. The library comes by extra (`pip install equine-oracle[catboost]`), is asked for only when the family
is used, and writes no files. The same seed gives the same forest for any number of threads.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from oracle.errors import UntrustedPackage
from oracle.features.matrix import RaceMatrix
from oracle.models.contributions import Contributions, adding_up
from oracle.models.extras import library, sealed, unsealed
from oracle.models.hyperparameters import Hyperparameters, changed
from oracle.models.ranker import NOTHING_WATCHED, Curve, Files, FittedRanker
from oracle.models.stopping import Stop, checkpoints, stop
from oracle.progress import Progress
from oracle.ranking.outcome import relevance
from oracle.ranking.races import Floats

FAMILY = "catboost"
MAGIC = b"CBM1"


@dataclass(frozen=True, slots=True)
class CatboostPolicy:
    """Shape and number of trees."""

    trees: int = 320
    learning_rate: float = 0.08
    depth: int = 4
    feature_share: float = 0.3
    runner_share: float = 0.7
    l2: float = 10.0

    def parameters(self, seed: int, threads: int) -> dict[str, Any]:
        """Return CatBoost's own words for it."""
        return {
            "loss_function": "QuerySoftMax",
            "iterations": self.trees,
            "learning_rate": self.learning_rate,
            "depth": self.depth,
            "rsm": self.feature_share,
            "bootstrap_type": "Bernoulli",
            "subsample": self.runner_share,
            "l2_leaf_reg": self.l2,
            "random_seed": seed,
            "thread_count": threads,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }


@dataclass(frozen=True, slots=True)
class FittedCatboost:
    """A fitted forest."""

    model: Any
    """catboost.CatBoost."""
    scale: float
    policy: CatboostPolicy
    features: tuple[str, ...]
    curve: Curve = NOTHING_WATCHED

    @property
    def family(self) -> str:
        """Name of the family."""
        return FAMILY

    @property
    def trees(self) -> int:
        """Number of trees."""
        return int(self.model.tree_count_)

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N], scaled raw values."""
        return _raw(self.model, races.only(self.features), self.trees) * self.scale

    def contributions(self, races: RaceMatrix) -> Contributions:
        """Return Shapley values over the trees."""
        values = races.only(self.features).values
        shares = np.zeros((0, len(self.features) + 1))
        if len(values):
            shares = self.model.get_feature_importance(library(FAMILY).Pool(values), "ShapValues", thread_count=1)
        return adding_up(self.features, np.asarray(shares)[:, :-1] * self.scale, self.score(races))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the change of the score where the feature changes."""
        change = np.asarray(self.model.get_feature_importance(type="PredictionValuesChange"), dtype=np.float64)
        return {n: float(c) for n, c in zip(self.features, change / (change.sum() or 1.0), strict=True)}

    def settled(self) -> Catboost:
        """Return the ranker with the number of trees and the scale fixed."""
        return Catboost(replace(self.policy, trees=self.trees), self.scale)

    def hyperparameters(self) -> dict[str, float | str]:
        """Return the shape of the forest as it was fitted."""
        return {**asdict(self.policy), "trees": self.trees, "scale": self.scale}

    def dump(self) -> Files:
        """Return the forest in CatBoost's binary form, sealed, and its facts."""
        facts = {"features": self.features, "scale": self.scale, "policy": asdict(self.policy)}
        return sealed(_bytes(self.model), facts)


@dataclass(frozen=True, slots=True)
class Catboost:
    """The family with its hyperparameters."""

    policy: CatboostPolicy = CatboostPolicy()
    scale: float | None = None
    """Set once settled; None to fit it on validation."""

    @property
    def family(self) -> str:
        """Name of the family."""
        return FAMILY

    def tuned(self, hyperparameters: Hyperparameters) -> Catboost:
        """Return the ranker with some numbers of its policy replaced."""
        return replace(self, policy=changed(self.policy, hyperparameters))

    def fit(
        self,
        train: RaceMatrix,
        validation: RaceMatrix | None,
        seed: int,
        threads: int,
        progress: Progress,
        base: FittedRanker | None = None,
    ) -> FittedCatboost:
        """Return the fitted forest; see `Ranker.fit`."""
        catboost = library(FAMILY)
        start = None if base is None else base.score(train)
        gain = 2.0 ** relevance(train.position, train.offsets) - 1.0
        data = catboost.Pool(train.values, label=gain, group_id=train.race, baseline=start)
        model = catboost.CatBoost(self.policy.parameters(seed, threads))
        for _ in progress(range(1), FAMILY, 1):  # it grows all trees in one call
            model.fit(data)
        found = Stop(self.policy.trees, self.scale or 1.0, NOTHING_WATCHED)
        if validation is not None:
            steps = checkpoints(self.policy.trees)
            learned, held_out = ([_raw(model, part, step) for step in steps] for part in (train, validation))
            found = stop(steps, learned, held_out, train, validation, base)
        model.shrink(found.trees)
        return FittedCatboost(_bare(model), found.scale, self.policy, train.names, found.curve)


def _raw(model: Any, races: RaceMatrix, trees: int) -> Floats:
    if not len(races.values):
        return np.zeros(0)
    raw = model.predict(races.values, prediction_type="RawFormulaVal", ntree_end=trees, thread_count=1)
    return np.asarray(raw, dtype=np.float64)


def _bytes(model: Any) -> bytes:
    # What CatBoost itself pickles; its public way writes a file.
    return bytes(model._serialize_model())


def _bare(model: Any) -> Any:
    """Return the model without what differs between two equal trainings: their moments, ids and threads."""
    notes = model.get_metadata()
    for name in list(notes.keys()):
        del notes[name]
    return _loaded(_bytes(model))


def _loaded(forest: bytes) -> Any:
    return library(FAMILY).CatBoost().load_model(blob=forest)


def _whole(forest: bytes) -> bytes:
    """Return the bytes if they are as long as their head says: CatBoost itself would read on past their end."""
    if forest[:4] != MAGIC or len(forest) != len(MAGIC) + 4 + int.from_bytes(forest[4:8], "little"):
        raise ValueError("the bytes are cut off, or not those of a forest")
    return forest


def ranker() -> Catboost:
    """Return the family with its shipped hyperparameters.

    Raises:
        MissingExtra: CatBoost is not installed.
    """
    library(FAMILY)
    return Catboost()


def restore(family: str, files: Files) -> FittedCatboost:
    """Return the forest that `dump` described.

    Raises:
        UntrustedPackage: a file is missing or is not what was dumped.
        MissingExtra: CatBoost is not installed.
    """
    forest, facts = unsealed(family, files)
    error_of_catboost = library(FAMILY).CatBoostError
    try:
        model, features = _loaded(_whole(forest)), tuple(facts["features"])
        if len(model.feature_names_) != len(features):
            raise ValueError("the features are not those of the forest")
        return FittedCatboost(model, float(facts["scale"]), CatboostPolicy(**facts["policy"]), features)
    except (KeyError, TypeError, ValueError, error_of_catboost) as error:
        raise UntrustedPackage(f"the {family} forest cannot be restored: {error}") from error
