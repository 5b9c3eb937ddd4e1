"""Gradient-boosted trees by LightGBM: lambdarank, a softmax over the race, and a win classifier.

Three losses over one feature matrix err differently, which is what makes their blend better than each. Training is
deterministic in the seed whatever the number of threads. The number of trees is the one with the lowest validation
log-loss among a few, after scaling: log-loss, because differences in NDCG over a thousand races are mostly noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from oracle.errors import UntrustedPackage
from oracle.features.matrix import RaceMatrix
from oracle.models.hyperparameters import Hyperparameters, changed
from oracle.models.places import DECAY, OUT, places
from oracle.models.ranker import NOTHING_WATCHED, Curve, Files, FittedRanker, scale_of, validation_loss
from oracle.progress import Progress
from oracle.ranking.outcome import relevance
from oracle.ranking.races import Floats, softmax

Objective = Callable[[Floats, lgb.Dataset], tuple[Floats, Floats]]

CHECKPOINTS = 8
"""Numbers of trees compared on validation, evenly spaced up to the largest."""


@dataclass(frozen=True, slots=True)
class TreePolicy:
    """Shape and number of trees. Shallow and strongly regularised: a race is mostly luck."""

    trees: int = 480
    learning_rate: float = 0.04
    leaves: int = 15
    min_runners_in_leaf: int = 100
    feature_share: float = 0.3
    runner_share: float = 0.7
    l2: float = 10.0

    def parameters(self, seed: int, threads: int) -> dict[str, Any]:
        """Return LightGBM's own words for it."""
        return {
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_runners_in_leaf,
            "feature_fraction": self.feature_share,
            "bagging_fraction": self.runner_share,
            "bagging_freq": 1,
            "lambda_l2": self.l2,
            "seed": seed,
            "num_threads": threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


@dataclass(frozen=True, slots=True)
class FittedTrees:
    """A fitted forest of one loss."""

    family: str
    booster: lgb.Booster
    scale: float
    policy: TreePolicy
    features: tuple[str, ...]
    """The columns it reads; kept, because asking LightGBM for them costs more than scoring a card."""
    curve: Curve = NOTHING_WATCHED

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N], scaled raw scores."""
        values = races.only(self.features).values
        if not len(values):
            return np.zeros(0)
        raw = self.booster.predict(values, raw_score=True, num_threads=1)
        return np.asarray(raw, dtype=np.float64) * self.scale

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the total gain."""
        gain = self.booster.feature_importance(importance_type="gain")
        whole = float(gain.sum()) or 1.0
        return {name: float(g) / whole for name, g in zip(self.features, gain, strict=True)}

    def settled(self) -> Trees:
        """Return the ranker with the number of trees and the scale fixed."""
        return Trees(self.family, replace(self.policy, trees=self.booster.num_trees()), self.scale)

    def hyperparameters(self) -> dict[str, float | str]:
        """Return the shape of the forest as it was fitted."""
        p = self.policy
        return {
            "trees": self.booster.num_trees(),
            "learning_rate": p.learning_rate,
            "leaves": p.leaves,
            "min_runners_in_leaf": p.min_runners_in_leaf,
            "feature_share": p.feature_share,
            "runner_share": p.runner_share,
            "l2": p.l2,
            "scale": self.scale,
        }

    def dump(self) -> Files:
        """Return the forest in LightGBM's text form, and its scale."""
        facts = {"scale": self.scale, "policy": {k: getattr(self.policy, k) for k in TreePolicy.__slots__}}
        return {"forest.txt": self.booster.model_to_string().encode(), "facts.json": json.dumps(facts).encode()}


@dataclass(frozen=True, slots=True)
class Trees:
    """One loss with its hyperparameters."""

    family: str
    policy: TreePolicy = TreePolicy()
    scale: float | None = None
    """Set once settled; None to fit it on validation."""

    def tuned(self, hyperparameters: Hyperparameters) -> Trees:
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
    ) -> FittedTrees:
        """Return the fitted forest; see `Ranker.fit`."""
        start = None if base is None else base.score(train)
        booster, objective = _begin(self.family, train, self.policy.parameters(seed, threads), start)
        for _ in progress(range(self.policy.trees), self.family, self.policy.trees):
            booster.update(fobj=objective)
        if validation is None:
            return FittedTrees(
                self.family, _bare(booster, self.policy.trees), self.scale or 1.0, self.policy, train.names
            )
        return _chosen(self, booster, validation, None if base is None else base.score(validation))


def _chosen(ranker: Trees, booster: lgb.Booster, validation: RaceMatrix, start: Floats | None) -> FittedTrees:
    """Return the forest cut where the validation loss is lowest."""
    most = ranker.policy.trees
    steps = sorted({max(1, round(most * (i + 1) / CHECKPOINTS)) for i in range(CHECKPOINTS)})
    scales, losses = [], []
    for step in steps:
        raw = np.asarray(booster.predict(validation.values, raw_score=True, num_iteration=step), dtype=np.float64)
        # A correction is already on the scale of what it corrects.
        scales.append(scale_of(raw, validation) if start is None else 1.0)
        losses.append(validation_loss(raw * scales[-1] + (0.0 if start is None else start), validation))
    best = int(np.argmin(losses))
    return FittedTrees(
        ranker.family,
        _bare(booster, steps[best]),
        scales[best],
        ranker.policy,
        validation.names,
        Curve(tuple(steps), tuple(losses)),
    )


def _bare(booster: lgb.Booster, trees: int) -> lgb.Booster:
    """Return the booster without its training data, cut to so many trees, exactly as it would be restored."""
    return lgb.Booster(model_str=booster.model_to_string(num_iteration=trees))


def _begin(
    family: str, train: RaceMatrix, parameters: dict[str, Any], start: Floats | None
) -> tuple[lgb.Booster, Objective | None]:
    label, group, objective, own = LOSSES[family](train)
    data = lgb.Dataset(
        train.values,
        label=label,
        group=group,
        init_score=start,
        feature_name=list(train.names),
        params=parameters | own,
    )
    return lgb.Booster(parameters | own, data), objective


Loss = tuple[npt.NDArray[Any], npt.NDArray[Any] | None, Objective | None, dict[str, Any]]


def _lambdarank(train: RaceMatrix) -> Loss:
    grades = np.rint(2 * relevance(train.position, train.offsets)).astype(np.int64)
    # Dead heats share gain, so grades come in halves: doubled here, and the gain table is spelled out to match.
    gain = [2.0 ** (g / 2) - 1.0 for g in range(int(grades.max(initial=0)) + 1)]
    own = {"objective": "lambdarank", "label_gain": gain, "lambdarank_truncation_level": 5}
    return grades, train.sizes, None, own


def _win(train: RaceMatrix) -> Loss:
    return (train.position == 1).astype(np.int64), None, None, {"objective": "binary"}


def _race_softmax(train: RaceMatrix) -> Loss:
    won = (train.position == 1).astype(np.float64)
    return won, train.sizes, race_softmax(train), {"objective": "none", "min_sum_hessian_in_leaf": 5.0}


def _winner_softmax(train: RaceMatrix) -> Loss:
    won = (train.position == 1).astype(np.float64)
    return won, train.sizes, race_softmax(train, (1.0,)), {"objective": "none"}


def race_softmax(train: RaceMatrix, decay: tuple[float, ...] = DECAY) -> Objective:
    """Return gradient and hessian of the Plackett-Luce likelihood of the first places, each weighted by `decay`.

    The gradient of each stage is probability minus outcome; the hessian is its diagonal, as is usual for boosting.
    """
    stages = places(train, decay)

    def objective(score: Floats, _data: lgb.Dataset) -> tuple[Floats, Floats]:
        gradient, hessian = np.zeros_like(score), np.full_like(score, 1e-6)
        for active, outcome, weight in stages:
            probability = softmax(np.where(active, score, OUT), train.offsets)
            gradient += weight * (probability - outcome)
            hessian += weight * probability * (1.0 - probability)
        return gradient, hessian

    return objective


LOSSES: dict[str, Callable[[RaceMatrix], Loss]] = {
    "lambdarank": _lambdarank,
    "race_softmax": _race_softmax,
    "win": _win,
    "winner_softmax": _winner_softmax,
}


def restore(family: str, files: Files) -> FittedTrees:
    """Return the forest that `dump` described.

    Raises:
        UntrustedPackage: a file is missing or is not what LightGBM writes.
    """
    try:
        facts = json.loads(files["facts.json"])
        booster = lgb.Booster(model_str=files["forest.txt"].decode())
        policy = TreePolicy(**facts["policy"])
        return FittedTrees(family, booster, float(facts["scale"]), policy, tuple(booster.feature_name()))
    except (KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as error:
        raise UntrustedPackage(f"the {family} forest cannot be restored: {error}") from error
