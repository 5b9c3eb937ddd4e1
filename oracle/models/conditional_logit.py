"""Conditional logit: a runner's chance is the softmax of a linear utility over its race (McFadden 1974, Benter 1994).

Linear in the features, so it extrapolates where trees cannot and overfits where they do not: a good partner for them.
Features are centred within the race (a constant of the race cancels anyway), scaled to unit deviation, and missing
values take the race's mean. The likelihood is that of the first places in order (Plackett-Luce, "exploded" logit:
Chapman and Staelin 1982), each place weighted, with an analytic gradient and a ridge penalty chosen on validation.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from oracle.errors import UntrustedPackage
from oracle.features import within
from oracle.features.matrix import RaceMatrix
from oracle.features.registry import BEYOND_MARKET
from oracle.models.contributions import Contributions, adding_up
from oracle.models.hyperparameters import Hyperparameters, changed
from oracle.models.places import DECAY, OUT, places
from oracle.models.ranker import NOTHING_WATCHED, Curve, Files, FittedRanker, scale_of, validation_loss
from oracle.progress import Progress
from oracle.ranking.races import Floats, softmax

FAMILY = "conditional_logit"
CLIP = 4.0
"""Deviations from the race's mean beyond which a feature says no more: one odd value must not decide a race."""


SMALLEST = 1e-9
"""Deviation below which a feature is a constant with rounding."""


@dataclass(frozen=True, slots=True)
class LogitPolicy:
    """How the utility is fitted."""

    penalties: tuple[float, ...] = (30.0, 300.0, 3000.0)
    """Ridge penalties to choose from on validation, on features of unit deviation."""
    beyond_market_relief: float = 1.0
    """Share of the penalty for features measured against the market's expectation; 1 treats all features alike."""
    decay: tuple[float, ...] = DECAY
    """Weight of the first, second and third place."""
    iterations: int = 200

    def pull(self, penalty: float, features: tuple[str, ...]) -> Floats:
        """Return float64[F], the ridge of each feature."""
        beyond = np.array([name in BEYOND_MARKET for name in features], dtype=np.bool_)
        return np.where(beyond, penalty * self.beyond_market_relief, penalty)


@dataclass(frozen=True, slots=True)
class FittedLogit:
    """A fitted utility: one weight per feature."""

    features: tuple[str, ...]
    deviation: Floats
    """float64[F], the deviation each centred feature was scaled by."""
    weights: Floats
    """float64[F], utility per deviation."""
    penalty: float
    scale: float
    policy: LogitPolicy
    curve: Curve = NOTHING_WATCHED

    @property
    def family(self) -> str:
        """Name of the family."""
        return FAMILY

    def score(self, races: RaceMatrix) -> Floats:
        """Return float64[N] utilities."""
        return _utility(_design(races.only(self.features), self.deviation), self.weights) * self.scale

    def contributions(self, races: RaceMatrix) -> Contributions:
        """Return weight times deviation from the race's mean."""
        design = _design(races.only(self.features), self.deviation)
        return adding_up(self.features, design * (self.weights * self.scale), self.score(races))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the absolute weights."""
        size = np.abs(self.weights)
        return {n: float(s) for n, s in zip(self.features, size / (size.sum() or 1.0), strict=True)}

    def settled(self) -> ConditionalLogit:
        """Return the ranker with penalty and scale fixed."""
        return ConditionalLogit(replace(self.policy, penalties=(self.penalty,)), self.scale)

    def hyperparameters(self) -> dict[str, float | str]:
        """Return what was chosen."""
        return {
            "penalty": self.penalty,
            "beyond_market_relief": self.policy.beyond_market_relief,
            "scale": self.scale,
            "decay": "/".join(str(d) for d in self.policy.decay),
        }

    def dump(self) -> Files:
        """Return the weights as arrays, the rest as JSON."""
        arrays = io.BytesIO()
        np.savez(arrays, deviation=self.deviation, weights=self.weights)
        facts = {
            "features": self.features,
            "penalty": self.penalty,
            "scale": self.scale,
            "penalties": self.policy.penalties,
            "beyond_market_relief": self.policy.beyond_market_relief,
            "decay": self.policy.decay,
            "iterations": self.policy.iterations,
        }
        return {"weights.npz": arrays.getvalue(), "facts.json": json.dumps(facts).encode()}


@dataclass(frozen=True, slots=True)
class ConditionalLogit:
    """The family with its hyperparameters."""

    policy: LogitPolicy = LogitPolicy()
    scale: float | None = None

    @property
    def family(self) -> str:
        """Name of the family."""
        return FAMILY

    def tuned(self, hyperparameters: Hyperparameters) -> ConditionalLogit:
        """Return the ranker with some numbers of its policy replaced."""
        return replace(self, policy=changed(self.policy, hyperparameters))

    def fit(
        self,
        train: RaceMatrix,
        validation: RaceMatrix | None,
        seed: int,  # noqa: ARG002 - nothing here is random
        threads: int,  # noqa: ARG002
        progress: Progress,
        base: FittedRanker | None = None,
    ) -> FittedLogit:
        """Return the fitted utility; see `Ranker.fit`."""
        offset = None if base is None else base.score(train)
        deviation = _deviation(train)
        design = _design(train, deviation)
        held_out = None if validation is None else _design(validation.only(train.names), deviation)
        best: FittedLogit | None = None
        losses: list[float] = []
        told: list[float] = []
        start = np.zeros(design.shape[1])
        for penalty in progress(sorted(self.policy.penalties, reverse=True), FAMILY, len(self.policy.penalties)):
            pull = self.policy.pull(penalty, train.names)
            start = fit_utility(design, train, pull, self.policy, start, offset=offset)
            scale = self.scale or 1.0
            if validation is not None and held_out is not None:
                utility = _utility(held_out, start)
                # A correction is already on the scale of what it corrects.
                scale = scale_of(utility, validation) if base is None else 1.0
                whole = utility * scale + (0.0 if base is None else base.score(validation))
                losses.append(validation_loss(whole, validation))
                under = 0.0 if offset is None else offset
                told.append(validation_loss(_utility(design, start) * scale + under, train))
            if best is None or (losses and losses[-1] == min(losses)):
                best = FittedLogit(train.names, deviation, start, penalty, scale, self.policy)
        if best is None:
            raise ValueError("no penalty to fit with")
        return replace(best, curve=Curve(tuple(range(1, len(losses) + 1)), tuple(losses), tuple(told)))


def _deviation(races: RaceMatrix) -> Floats:
    """Return float64[F], the deviation of each feature around its race's mean; 0 for one that never differs."""
    centred = within.centred_columns(races.values, races.offsets)
    count = (~np.isnan(centred)).sum(axis=0)
    out = np.sqrt(np.nansum(centred**2, axis=0) / np.maximum(count, 1))
    return np.where(out < SMALLEST, 0.0, out)


def _design(races: RaceMatrix, deviation: Floats) -> Floats:
    """Return float64[N, F], centred and scaled; 0 where missing."""
    out = within.centred_columns(races.values, races.offsets)
    with np.errstate(divide="ignore", invalid="ignore"):
        out /= deviation
    out[~np.isfinite(out)] = 0.0
    return np.clip(out, -CLIP, CLIP, out=out)


def _utility(design: Floats, weights: Floats) -> Floats:
    # Not BLAS: it splits sums by the number of cores, so two machines would differ in the last bits and a fit in more.
    return np.asarray(np.einsum("ij,j->i", design, weights))


def fit_utility(
    design: Floats,
    races: RaceMatrix,
    penalty: float | Floats,
    policy: LogitPolicy,
    start: Floats,
    least: float | None = None,
    offset: Floats | None = None,
) -> Floats:
    """Return float64[F], the weights of greatest penalised likelihood.

    Args:
        design: float64[N, F].
        races: The races of the rows, with results.
        penalty: Ridge, one or float64[F]: penalty / 2 times the squared weight is taken from the log-likelihood.
        policy: Weights of the places.
        start: float64[F] to start from.
        least: Smallest weight allowed; None for no bound.
        offset: float64[N], a utility that is given and not learned.
    """
    stages = places(races, policy.decay)
    fixed = 0.0 if offset is None else offset

    def loss(weights: Floats) -> tuple[float, Floats]:
        utility = _utility(design, weights) + fixed
        value = 0.5 * float((penalty * weights) @ weights)
        residual = np.zeros(len(utility))
        for active, outcome, weight in stages:
            probability = softmax(np.where(active, utility, OUT), races.offsets)
            value -= float((weight * outcome * np.log(np.maximum(probability, 1e-300))).sum())
            residual += weight * (probability - outcome)
        return value, np.einsum("ij,i->j", design, residual) + penalty * weights

    bounds = None if least is None else [(least, None)] * design.shape[1]
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": policy.iterations})
    return np.asarray(solution.x, dtype=np.float64)


def restore(family: str, files: Files) -> FittedLogit:  # noqa: ARG001 - one signature for every family
    """Return the logit that `dump` described.

    Raises:
        UntrustedPackage: a file is missing or malformed.
    """
    try:
        facts = json.loads(files["facts.json"])
        arrays = np.load(io.BytesIO(files["weights.npz"]), allow_pickle=False)
        policy = LogitPolicy(
            tuple(facts["penalties"]), facts["beyond_market_relief"], tuple(facts["decay"]), facts["iterations"]
        )
        return FittedLogit(
            features=tuple(facts["features"]),
            deviation=arrays["deviation"],
            weights=arrays["weights"],
            penalty=facts["penalty"],
            scale=facts["scale"],
            policy=policy,
        )
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UntrustedPackage(f"the conditional logit cannot be restored: {error}") from error
