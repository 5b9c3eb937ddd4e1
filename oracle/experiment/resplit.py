"""An A/A test of the past: the same users are split anew again and again, where no difference can be. Pure.

Whatever then cries wolf more often than it should (a metric whose users are not independent, a heavy tail that the
normal approximation cannot bear, a faulty split) would cry wolf in a real test too (Kohavi, Tang and Xu 2020,
Trustworthy Online Controlled Experiments, chapter 19).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from oracle.errors import BadInput, NotEnoughData
from oracle.experiment.arms import NoResult, compare
from oracle.experiment.health import sample_ratio
from oracle.experiment.observed import SharePeriod, UserSums
from oracle.progress import Progress, silent
from oracle.ranking.races import Bools, Floats

CONFIDENCE = 0.999
"""That a rate is above its limit before it is called so: several metrics are looked at."""
TOLERATED = 1.2
"""Times the limit: a normal approximation of a mean of users is off by so much now and then, and harmlessly."""


@dataclass(frozen=True, slots=True)
class Users:
    """What each user did, one row a user, for one metric."""

    numerator: Floats
    """float64[U]."""
    denominator: Floats
    """float64[U]."""
    covariate: Floats | None = None
    """float64[U], of the time before; None where there is none."""

    def sums(self, which: Bools) -> UserSums:
        """Return the sums over some of the users."""
        before = None if self.covariate is None else self.covariate[which]
        return UserSums.of(self.numerator[which], self.denominator[which], before)


@dataclass(frozen=True, slots=True)
class Alarms:
    """How often something cried wolf."""

    alarms: int
    splits: int
    """That gave a result."""
    limit: float
    """Rate that it should not exceed."""
    reason: str = ""
    """Why some splits gave no result."""

    @property
    def rate(self) -> float | None:
        """Share of the splits; None where none gave a result."""
        return self.alarms / self.splits if self.splits else None

    @property
    def lowest(self) -> float:
        """Lower bound of the true rate (Clopper and Pearson)."""
        if not self.alarms:
            return 0.0
        return float(beta.ppf(1.0 - CONFIDENCE, self.alarms, self.splits - self.alarms + 1))

    @property
    def state(self) -> str:
        """Either of `fine`, `too many` and `no result`."""
        return "no result" if not self.splits else "too many" if self.lowest > TOLERATED * self.limit else "fine"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        told = {"alarms": self.alarms, "splits": self.splits, "rate": self.rate, "limit": self.limit}
        return {**told, "state": self.state, "reason": self.reason or None}


@dataclass(frozen=True)
class Resplit:
    """What splitting the same users anew came to."""

    users: int
    shares: tuple[float, ...]
    sample_ratio: Alarms
    metrics: Mapping[str, Alarms]

    @property
    def sound(self) -> bool:
        """Whether nothing cried wolf more often than it should."""
        return all(found.state != "too many" for found in (self.sample_ratio, *self.metrics.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "users": self.users,
            "shares": list(self.shares),
            "sound": self.sound,
            "sample_ratio": self.sample_ratio.as_dict(),
            "metrics": {name: found.as_dict() for name, found in self.metrics.items()},
        }


def resplit(
    metrics: Mapping[str, Users],
    share: float,
    splits: int,
    seed: int,
    *,
    alpha: float = 0.05,
    sample_ratio_p: float = 0.001,
    progress: Progress = silent,
) -> Resplit:
    """Return how often splits of the same users show a difference that cannot be there.

    Args:
        metrics: By name, each with the same users in the same order.
        share: Chance of a user to be treated.
        splits: How many times.
        seed: Of the splits.
        alpha: Chance of a false alarm of one look at one metric, which is what each split is.
        sample_ratio_p: As in `health.sample_ratio`.
        progress: Told of each split.

    Raises:
        BadInput: a share that is none, metrics of different users.
        NotEnoughData: there is no metric, or no user.
    """
    if not 0.0 < share < 1.0 or splits < 1:
        raise BadInput("users cannot be split so", value=(share, splits), allowed="0 < share < 1, 1 split or more")
    sizes = {len(column) for m in metrics.values() for column in (m.numerator, m.denominator)}
    if not sizes or 0 in sizes:
        raise NotEnoughData(
            "there is nobody to split", value="0 users", next_step="wait for predictions and events of users"
        )
    if len(sizes) > 1:
        raise BadInput("each metric has one row per user, the same users", value=sorted(sizes))
    count = sizes.pop()
    chance = np.random.default_rng(seed)
    off, alarms, told, why = 0, dict.fromkeys(metrics, 0), dict.fromkeys(metrics, 0), dict.fromkeys(metrics, "")
    rounds: Sequence[int] = range(splits)
    for _ in progress(rounds, "splits", splits):
        treated = chance.random(count) < share
        counts = (count - int(treated.sum()), int(treated.sum()))
        off += sample_ratio([SharePeriod((share,), counts)], sample_ratio_p).state == "breach"
        for name, users in metrics.items():
            found = compare(users.sums(~treated), users.sums(treated), alpha=alpha)
            if isinstance(found, NoResult):
                why[name] = found.reason
            else:
                told[name] += 1
                # The p of one look: time-uniform bounds are so wide at each that a wrong variance would hide in them.
                alarms[name] += found.once < alpha
    return Resplit(
        count,
        (share,),
        Alarms(off, splits, sample_ratio_p),
        {name: Alarms(alarms[name], told[name], alpha, why[name]) for name in metrics},
    )
