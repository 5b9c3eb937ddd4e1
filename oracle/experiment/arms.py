"""What users felt: the randomised arms compared, one user one observation.

A metric is a ratio of sums over users (bets per view). Its variance by the delta method treats the user as the unit,
because it is the user that is randomised (Deng, Knoblich and Lu 2018, Applying the delta method in metric analytics).
Where users were seen before the test, what they did then is regressed out (CUPED: Deng, Xu, Kohavi and Walker 2013).
Bounds hold at every look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from oracle.experiment.observed import UserSums
from oracle.experiment.sequential import widening
from oracle.ranking.races import Floats

FEWEST_USERS = 30
"""Per arm: below that the normal approximation of a mean of users is not to be relied on."""
PLANNED_USERS = 2000.0
"""Where bounds are narrowest by default; at 100 times as many they are a sixth wider than need be."""


@dataclass(frozen=True, slots=True)
class NoResult:
    """Why a metric cannot be compared."""

    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"result": None, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Difference:
    """Treatment less control."""

    control: float
    treatment: float
    difference: float
    error: float
    """Standard error of the difference, after adjustment."""
    low: float
    """Time-uniform bounds of the difference."""
    high: float
    users: tuple[int, int]
    explained: float
    """Share of the variance that the pre-period took out; 0 where there is none."""

    @property
    def z(self) -> float:
        """Standard errors from no difference."""
        return self.difference / self.error if self.error > 0 else 0.0

    @property
    def once(self) -> float:
        """Two-sided p of a single look; at daily looks it is wrong far more often than it says."""
        return float(2.0 * norm.sf(abs(self.z)))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "control": self.control,
            "treatment": self.treatment,
            "difference": self.difference,
            "error": self.error,
            "low": self.low,
            "high": self.high,
            "users": list(self.users),
            "explained": self.explained,
        }


def compare(
    control: UserSums, treatment: UserSums, *, alpha: float = 0.05, planned: float = PLANNED_USERS
) -> Difference | NoResult:
    """Return how far the arms differ in a metric, or why that cannot be said.

    Args:
        control: Sums over the users of the control.
        treatment: Of the treatment.
        alpha: Chance that the true difference is ever outside the bounds.
        planned: Users of both arms at which the bounds are to be narrowest. Not the number seen: bounds that are tuned
            anew at each look hold at none.
    """
    fewest = min(control.users, treatment.users)
    if fewest < FEWEST_USERS:
        return NoResult(f"{fewest} users in the smaller arm; at least {FEWEST_USERS} are needed")
    if not (control.first[0] > 0 and treatment.first[0] > 0):
        return NoResult("nothing to divide by in one of the arms")
    theta = _theta((control, treatment))
    means = [_adjusted(arm, theta, _pooled_covariate((control, treatment))) for arm in (control, treatment)]
    variance = sum(variance for _, variance, _ in means)
    if not variance > 0.0:
        return NoResult("no user differs from another: there is no variance to judge by")
    error = math.sqrt(variance)
    users = control.users + treatment.users
    width = widening(users, planned, alpha) * error
    estimate = means[1][0] - means[0][0]
    raw = sum(raw for _, _, raw in means)
    return Difference(
        means[0][0],
        means[1][0],
        estimate,
        error,
        estimate - width,
        estimate + width,
        (control.users, treatment.users),
        max(0.0, 1.0 - variance / raw),
    )


def _covariance(arm: UserSums) -> Floats:
    mean = arm.first / arm.users
    return np.asarray((arm.second - arm.users * np.outer(mean, mean)) / (arm.users - 1))


def _linear(arm: UserSums) -> Floats:
    """Return float64[3], the weights that make of (n, y, x) a user's part in the ratio: (y - R n) / mean n."""
    n = arm.first[0] / arm.users
    return np.array([-arm.first[1] / arm.first[0] / n, 1.0 / n, 0.0])


def _theta(arms: tuple[UserSums, UserSums]) -> float:
    """Return the slope of a user's part on the covariate, pooled over the arms, so that it cannot favour one."""
    along, spread = 0.0, 0.0
    for arm in arms:
        covariance = _covariance(arm)
        along += arm.users * float((_linear(arm) @ covariance)[2])
        spread += arm.users * float(covariance[2, 2])
    return along / spread if spread > 0 else 0.0


def _pooled_covariate(arms: tuple[UserSums, UserSums]) -> float:
    return float(sum(arm.first[2] for arm in arms)) / sum(arm.users for arm in arms)


def _adjusted(arm: UserSums, theta: float, covariate: float) -> tuple[float, float, float]:
    """Return the ratio less what the covariate explains, its variance, and the variance without the adjustment."""
    covariance, linear = _covariance(arm), _linear(arm)
    with_covariate = linear - np.array([0.0, 0.0, theta])
    ratio = float(arm.first[1] / arm.first[0]) - theta * (float(arm.first[2]) / arm.users - covariate)
    return (
        ratio,
        float(with_covariate @ covariance @ with_covariate) / arm.users,
        float(linear @ covariance @ linear) / arm.users,
    )
