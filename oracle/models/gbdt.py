"""Gradient-boosted trees by LightGBM, one family for each loss of `losses`.

Training is deterministic in the seed whatever the number of threads. The number of trees is chosen on validation
(`stopping`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy.special import logit

from oracle.errors import BadInput, UntrustedPackage
from oracle.features.matrix import RaceMatrix
from oracle.models import forest
from oracle.models.contributions import Contributions, adding_up
from oracle.models.forest import Forest
from oracle.models.hyperparameters import Hyperparameters, changed
from oracle.models.losses import AS_CHANCES, LOSSES, WEIGHS_PLACES, Objective
from oracle.models.places import DECAY
from oracle.models.ranker import NOTHING_WATCHED, Curve, Files, FittedRanker
from oracle.models.stopping import Stop, checkpoints, stop
from oracle.progress import Progress
from oracle.ranking.races import Floats


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
    decay: tuple[float, ...] = DECAY
    """Weight of the first, second and third place; read by the race-softmax only."""

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
            "objective_seed": seed,
            "metric": "none",
            "num_threads": threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


@dataclass(frozen=True)
class FittedTrees:
    """A fitted forest of one loss. It is scored by our own walk of the trees, and explained by LightGBM."""

    family: str
    text: str
    """The forest as LightGBM writes it."""
    scale: float
    policy: TreePolicy
    curve: Curve = NOTHING_WATCHED

    @cached_property
    def forest(self) -> Forest:
        """The forest, flattened."""
        return forest.parse(self.text)

    @cached_property
    def booster(self) -> lgb.Booster:
        """The forest as LightGBM holds it: made when it is first needed, which a card without reasons never does."""
        return lgb.Booster(model_str=self.text)

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it reads."""
        return self.forest.features

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N], scaled raw scores."""
        return self.forest.score(races.values, races.columns(self.features)) * self.scale

    def contributions(self, races: RaceMatrix) -> Contributions:
        """Return exact Shapley values over the trees (TreeSHAP, Lundberg et al. 2020), scaled as the score is."""
        values = races.only(self.features).values
        shares = np.zeros((0, len(self.features) + 1))
        if len(values):
            shares = np.asarray(self.booster.predict(values, pred_contrib=True, num_threads=1))
        return adding_up(self.features, shares[:, :-1] * self.scale, self.score(races))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the total gain."""
        gain = self.booster.feature_importance(importance_type="gain")
        whole = float(gain.sum()) or 1.0
        return {name: float(g) / whole for name, g in zip(self.features, gain, strict=True)}

    def settled(self) -> Trees:
        """Return the ranker with the number of trees and the scale fixed."""
        return Trees(self.family, replace(self.policy, trees=len(self.forest)), self.scale)

    def hyperparameters(self) -> dict[str, float | str]:
        """Return the shape of the forest as it was fitted."""
        p = self.policy
        return {
            "trees": len(self.forest),
            "learning_rate": p.learning_rate,
            "leaves": p.leaves,
            "min_runners_in_leaf": p.min_runners_in_leaf,
            "feature_share": p.feature_share,
            "runner_share": p.runner_share,
            "l2": p.l2,
            "scale": self.scale,
            **({"decay": "/".join(str(d) for d in p.decay)} if self.family in WEIGHS_PLACES else {}),
        }

    def dump(self) -> Files:
        """Return the forest in LightGBM's text form, and its scale."""
        facts = {"scale": self.scale, "policy": asdict(self.policy)}
        return {"forest.txt": self.text.encode(), "facts.json": json.dumps(facts).encode()}


@dataclass(frozen=True, slots=True)
class Trees:
    """One loss with its hyperparameters."""

    family: str
    policy: TreePolicy = TreePolicy()
    scale: float | None = None
    """Set once settled; None to fit it on validation."""

    def tuned(self, hyperparameters: Hyperparameters) -> Trees:
        """Return the ranker with some numbers of its policy replaced."""
        if "decay" in hyperparameters and self.family not in WEIGHS_PLACES:
            raise BadInput(
                f"{self.family} does not weigh places", value="decay", allowed=f"decay of {', '.join(WEIGHS_PLACES)}"
            )
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
        booster, objective = _begin(self, train, seed, threads, start)
        steps = [] if validation is None else checkpoints(self.policy.trees)
        learned = []
        for done in progress(range(1, self.policy.trees + 1), self.family, self.policy.trees):
            booster.update(fobj=objective)
            if done in steps:
                learned.append(_learned(self.family, booster) - (0.0 if start is None else start))
        found = Stop(self.policy.trees, self.scale or 1.0, NOTHING_WATCHED)
        if validation is not None:
            held_out = [_raw(booster, validation, step) for step in steps]
            found = stop(steps, learned, held_out, train, validation, base)
        return FittedTrees(self.family, _bare(booster, found.trees), found.scale, self.policy, found.curve)


def _raw(booster: lgb.Booster, races: RaceMatrix, trees: int) -> Floats:
    return np.asarray(booster.predict(races.values, raw_score=True, num_iteration=trees), dtype=np.float64)


def _bare(booster: lgb.Booster, trees: int) -> str:
    """Return the text of the booster cut to so many trees, exactly as it would be written again once restored."""
    return str(lgb.Booster(model_str=booster.model_to_string(num_iteration=trees)).model_to_string())


def _begin(
    ranker: Trees, train: RaceMatrix, seed: int, threads: int, start: Floats | None
) -> tuple[lgb.Booster, Objective | None]:
    label, group, objective, own = LOSSES[ranker.family](train, ranker.policy.decay)
    parameters = ranker.policy.parameters(seed, threads) | own
    data = lgb.Dataset(
        train.values, label=label, group=group, init_score=start, feature_name=list(train.names), params=parameters
    )
    return lgb.Booster(parameters, data), objective


def _learned(family: str, booster: lgb.Booster) -> Floats:
    """Return float64[N], the raw scores of the training races: the booster keeps them, so nothing is computed again."""
    seen: list[Floats] = []

    def look(score: Floats, _data: lgb.Dataset) -> tuple[str, float, bool]:
        seen.append(np.array(score, dtype=np.float64))
        return "seen", 0.0, False

    booster.eval_train(look)
    return np.asarray(logit(np.clip(seen[0], 1e-12, 1.0 - 1e-12))) if family in AS_CHANCES else seen[0]


def restore(family: str, files: Files) -> FittedTrees:
    """Return the forest that `dump` described.

    Raises:
        UntrustedPackage: a file is missing or is not what LightGBM writes.
    """
    try:
        facts = json.loads(files["facts.json"])
        told = facts["policy"]
        policy = TreePolicy(**told | {"decay": tuple(told.get("decay", DECAY))})
        fitted = FittedTrees(family, files["forest.txt"].decode(), float(facts["scale"]), policy)
        _ = fitted.forest  # a package that cannot be read is refused when it is loaded, not when a card comes
        return fitted
    except (KeyError, TypeError, ValueError, BadInput) as error:
        raise UntrustedPackage(f"the {family} forest cannot be restored: {error}") from error
