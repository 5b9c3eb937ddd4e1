"""Gradient-boosted trees by XGBoost: pairs of runners swapped in NDCG, over the first places of each race.

Another implementation of the idea behind `lambdarank`, with other trees: a member that errs a little differently. The
library comes by extra (`pip install equine-oracle[xgboost]`) and is asked for only when the family is used. Its
histograms are summed in one order, so the same seed gives the same forest for any number of threads.
"""

from __future__ import annotations

import json
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

FAMILY = "xgboost"


@dataclass(frozen=True, slots=True)
class XgboostPolicy:
    """Shape and number of trees."""

    trees: int = 480
    learning_rate: float = 0.04
    leaves: int = 15
    min_hessian_in_leaf: float = 1.0
    feature_share: float = 0.3
    runner_share: float = 0.7
    l2: float = 10.0
    first_places: int = 5
    """Pairs are made of the runners ranked so high and everybody behind them."""

    def parameters(self, seed: int, threads: int) -> dict[str, Any]:
        """Return XGBoost's own words for it."""
        return {
            "objective": "rank:ndcg",
            # Gains come as they are, halves of dead heats included, instead of as powers of whole grades.
            "ndcg_exp_gain": False,
            "lambdarank_pair_method": "topk",
            "lambdarank_num_pair_per_sample": self.first_places,
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "max_depth": 0,
            "max_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.min_hessian_in_leaf,
            "colsample_bytree": self.feature_share,
            "subsample": self.runner_share,
            "reg_lambda": self.l2,
            "base_score": 0.0,
            "seed": seed,
            "nthread": threads,
            "verbosity": 0,
        }


@dataclass(frozen=True, slots=True)
class FittedXgboost:
    """A fitted forest."""

    booster: Any
    """xgboost.Booster."""
    trees: int
    scale: float
    policy: XgboostPolicy
    features: tuple[str, ...]
    curve: Curve = NOTHING_WATCHED

    @property
    def family(self) -> str:
        """Name of the family."""
        return FAMILY

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N], scaled margins."""
        return _raw(self.booster, races.only(self.features), self.trees) * self.scale

    def contributions(self, races: RaceMatrix) -> Contributions:
        """Return exact Shapley values over the trees; XGBoost adds in float32, and the base takes the rounding."""
        values = races.only(self.features).values
        shares = np.zeros((0, len(self.features) + 1))
        if len(values):
            table = library(FAMILY).DMatrix(values, nthread=1)
            shares = self.booster.predict(table, pred_contribs=True, validate_features=False).astype(np.float64)
        return adding_up(self.features, shares[:, :-1] * self.scale, self.score(races))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the total gain."""
        gain = self.booster.get_score(importance_type="total_gain")
        whole = sum(gain.values()) or 1.0
        return {name: float(gain.get(f"f{i}", 0.0)) / whole for i, name in enumerate(self.features)}

    def settled(self) -> Xgboost:
        """Return the ranker with the number of trees and the scale fixed."""
        return Xgboost(replace(self.policy, trees=self.trees), self.scale)

    def hyperparameters(self) -> dict[str, float | str]:
        """Return the shape of the forest as it was fitted."""
        return {**asdict(self.policy), "trees": self.trees, "scale": self.scale}

    def dump(self) -> Files:
        """Return the forest in XGBoost's JSON, sealed, and its facts."""
        facts = {
            "features": self.features,
            "trees": self.trees,
            "scale": self.scale,
            "policy": asdict(self.policy),
        }
        return sealed(bytes(self.booster.save_raw("json")), facts)


@dataclass(frozen=True, slots=True)
class Xgboost:
    """The family with its hyperparameters."""

    policy: XgboostPolicy = XgboostPolicy()
    scale: float | None = None
    """Set once settled; None to fit it on validation."""

    @property
    def family(self) -> str:
        """Name of the family."""
        return FAMILY

    def tuned(self, hyperparameters: Hyperparameters) -> Xgboost:
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
    ) -> FittedXgboost:
        """Return the fitted forest; see `Ranker.fit`."""
        xgboost = library(FAMILY)
        start = None if base is None else base.score(train).astype(np.float32)
        gain = 2.0 ** relevance(train.position, train.offsets) - 1.0
        data = xgboost.DMatrix(train.values, label=gain, group=train.sizes, base_margin=start, nthread=threads)
        booster = xgboost.Booster(self.policy.parameters(seed, threads), [data])
        steps = [] if validation is None else checkpoints(self.policy.trees)
        learned = []
        for done in progress(range(1, self.policy.trees + 1), FAMILY, self.policy.trees):
            booster.update(data, done - 1)
            if done in steps:
                seen = booster.predict(data, output_margin=True).astype(np.float64)
                learned.append(seen - (0.0 if start is None else start))
        found = Stop(self.policy.trees, self.scale or 1.0, NOTHING_WATCHED)
        if validation is not None:
            held_out = [_raw(booster, validation, step) for step in steps]
            found = stop(steps, learned, held_out, train, validation, base)
        bare = _loaded(bytes(booster[: found.trees].save_raw("json")))
        return FittedXgboost(bare, found.trees, found.scale, self.policy, train.names, found.curve)


def _raw(booster: Any, races: RaceMatrix, trees: int) -> Floats:
    if not len(races.values):
        return np.zeros(0)
    margin = booster.inplace_predict(races.values, iteration_range=(0, trees), predict_type="margin")
    return np.asarray(margin, dtype=np.float64)


def _loaded(forest: bytes) -> Any:
    """Return the booster of these bytes, without training data, that scores with one thread."""
    booster = library(FAMILY).Booster({"nthread": 1, "verbosity": 0})
    booster.load_model(bytearray(forest))
    return booster


def _checked(forest: bytes, features: int) -> bytes:
    """Return the bytes if they are trees over so many features whose every branch leads to a node of its tree.

    XGBoost does not look itself: it ends the process on a file that is cut off, and follows any branch anywhere.
    """
    learner = json.loads(forest)["learner"]
    if int(learner["learner_model_param"]["num_feature"]) != features:
        raise ValueError("the features are not those of the forest")
    for tree in learner["gradient_booster"]["model"]["trees"]:
        nodes = int(tree["tree_param"]["num_nodes"])
        for name, least, most in (
            ("left_children", -1, nodes),
            ("right_children", -1, nodes),
            ("split_indices", 0, features),
            ("split_conditions", -np.inf, np.inf),
            ("base_weights", -np.inf, np.inf),
        ):
            column = np.asarray(tree[name], dtype=np.float64)
            if column.shape != (nodes,) or not ((column >= least) & (column < most)).all():
                raise ValueError(f"{name} of a tree leads nowhere")
    return forest


def ranker() -> Xgboost:
    """Return the family with its shipped hyperparameters.

    Raises:
        MissingExtra: XGBoost is not installed.
    """
    library(FAMILY)
    return Xgboost()


def restore(family: str, files: Files) -> FittedXgboost:
    """Return the forest that `dump` described.

    Raises:
        UntrustedPackage: a file is missing or is not what was dumped.
        MissingExtra: XGBoost is not installed.
    """
    forest, facts = unsealed(family, files)
    error_of_xgboost = library(FAMILY).core.XGBoostError
    try:
        policy = XgboostPolicy(**facts["policy"])
        features = tuple(facts["features"])
        booster = _loaded(_checked(forest, len(features)))
        if booster.num_boosted_rounds() != facts["trees"]:
            raise ValueError("the trees are not those of the forest")
        return FittedXgboost(booster, facts["trees"], float(facts["scale"]), policy, features)
    except (KeyError, TypeError, ValueError, error_of_xgboost) as error:
        raise UntrustedPackage(f"the {family} forest cannot be restored: {error}") from error
