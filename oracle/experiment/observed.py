"""What a test has seen, as plain values: races scored by both versions, users by arm, units by arm and share.

Whoever reads the store makes these; nothing below knows where they come from. Sums of disjoint parts add.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from oracle.errors import BadInput
from oracle.features.races import Texts
from oracle.ranking.races import Bools, Floats


def _no_floats() -> Floats:
    return np.zeros(0)


def _no_texts() -> Texts:
    return np.zeros(0, dtype=object)


@dataclass(frozen=True, eq=False)
class PairedRaces:
    """Races with a result that both versions scored, in the order in which their results became known.

    That order is the one in which evidence came in, and a confidence sequence holds for exactly such an order.
    """

    race_key: Texts = field(default_factory=_no_texts)
    """object[R]."""
    meeting: Texts = field(default_factory=_no_texts)
    """object[R], course and date."""
    known_at: Floats = field(default_factory=_no_floats)
    """float64[R], when the first result of the race came in, seconds since 1970 UTC."""
    control: Floats = field(default_factory=_no_floats)
    """float64[R], NDCG@3 of the control."""
    treatment: Floats = field(default_factory=_no_floats)
    control_loss: Floats = field(default_factory=_no_floats)
    """float64[R], log-loss of the control's win probabilities, nats; NaN where it is not known."""
    treatment_loss: Floats = field(default_factory=_no_floats)

    def __post_init__(self) -> None:
        sizes = {len(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(sizes) > 1:
            raise BadInput("columns of paired races differ in length", value=sorted(sizes))

    def __len__(self) -> int:
        """Return the number of races."""
        return len(self.control)

    @property
    def difference(self) -> Floats:
        """float64[R], treatment less control."""
        return self.treatment - self.control

    @property
    def decisive(self) -> Bools:
        """bool[R], races in which the versions differ: only these say anything."""
        return np.asarray(self.difference != 0.0)

    @property
    def rho(self) -> float | None:
        """Correlation of the versions over races; None where there are too few, or one of them never varies."""
        if len(self) < 3 or not (self.control.std() > 0 and self.treatment.std() > 0):
            return None
        return float(np.corrcoef(self.control, self.treatment)[0, 1])

    def __add__(self, other: PairedRaces) -> PairedRaces:
        """Return both sets of races in the order in which they became known."""
        joined = PairedRaces(
            *(np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__dataclass_fields__)
        )
        return joined.in_order()

    def in_order(self) -> PairedRaces:
        """Return the races in the order in which they became known; ties by race."""
        order = np.lexsort((self.race_key.astype(str), self.known_at))
        return PairedRaces(*(getattr(self, name)[order] for name in self.__dataclass_fields__))


MOMENTS = ("denominator", "numerator", "covariate")


@dataclass(frozen=True, eq=False)
class UserSums:
    """Sums over users of a metric that is a ratio: bets per view, NDCG per race, milliseconds per request.

    Sums of two disjoint sets of users add. A user counts once however often he came: his requests are alike, so they
    are no independent observations.
    """

    users: int = 0
    first: Floats = field(default_factory=lambda: np.zeros(3))
    """float64[3], sums of denominator, numerator and covariate."""
    second: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 3)))
    """float64[3, 3], sums of their products."""

    @classmethod
    def of(
        cls, numerator: Sequence[float] | Floats, denominator: Sequence[float] | Floats, covariate: Floats | None = None
    ) -> UserSums:
        """Return the sums of one value each per user; without a covariate it is 0 for everybody."""
        y, n = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
        x = np.zeros_like(y) if covariate is None else np.asarray(covariate, dtype=np.float64)
        if not (y.shape == n.shape == x.shape) or y.ndim != 1:
            raise BadInput("one value per user in each column", value=(y.shape, n.shape, x.shape))
        table = np.stack([n, y, x])
        if not np.isfinite(table).all():
            raise BadInput("a user's sums are finite numbers", value="NaN or infinity", next_step="leave the user out")
        return cls(len(y), table.sum(axis=1), table @ table.T)

    def __add__(self, other: UserSums) -> UserSums:
        """Return the sums over both sets of users, which must not overlap."""
        return UserSums(self.users + other.users, self.first + other.first, self.second + other.second)


@dataclass(frozen=True, slots=True)
class SharePeriod:
    """A time during which the shares stood still, and the units that were first seen in it.

    Counted by the first sight of a unit: later on it is where it was put, whatever the shares have become.
    """

    shares: tuple[float, ...]
    """Of each challenger; the control has the rest."""
    counts: tuple[int, ...]
    """Units first seen, of the control and of each challenger."""

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.shares) + 1:
            raise BadInput(
                "one count per arm, the control's first", value=self.counts, allowed=f"{len(self.shares) + 1} counts"
            )


@dataclass(frozen=True, eq=False)
class ArmSeen:
    """What users felt in one arm."""

    predictions: int = 0
    """Requests assigned to the arm."""
    failures: int = 0
    """Of these, requests that the control had to answer in its place."""
    latencies_ms: Floats = field(default_factory=_no_floats)
    """float64[.], of its requests, or of a sample of them."""
    metrics: dict[str, UserSums] = field(default_factory=dict)
    """By name: `latency_ms`, `failure`, `view`, `click`, `follow`, `bet`, `conversion`, `value`, `accuracy`."""

    def __add__(self, other: ArmSeen) -> ArmSeen:
        """Return both, of disjoint users."""
        names = [*self.metrics, *(n for n in other.metrics if n not in self.metrics)]
        return ArmSeen(
            self.predictions + other.predictions,
            self.failures + other.failures,
            np.concatenate([self.latencies_ms, other.latencies_ms]),
            {n: self.metrics.get(n, UserSums()) + other.metrics.get(n, UserSums()) for n in names},
        )


@dataclass(frozen=True, eq=False)
class Observed:
    """All that a test of one challenger against the control has seen."""

    races: PairedRaces = field(default_factory=PairedRaces)
    control: ArmSeen = field(default_factory=ArmSeen)
    treatment: ArmSeen = field(default_factory=ArmSeen)
    periods: tuple[SharePeriod, ...] = ()
    """Of all arms together; the order of shares is that of the experiment's challengers."""
    first_at: dt.datetime | None = None
    """First prediction of the test."""
    last_at: dt.datetime | None = None
    unscored: int = 0
    """Races with a result that count for nothing: one version had no score before the off, or too few finished."""
    foreign: int = 0
    """Predictions of the test that another version answered than the plan names."""

    @property
    def predictions(self) -> int:
        """Predictions of all arms of this comparison."""
        return self.control.predictions + self.treatment.predictions

    def __add__(self, other: Observed) -> Observed:
        """Return both, of disjoint races and users, as of two days or two sites."""
        counts: dict[tuple[float, ...], tuple[int, ...]] = {}
        for period in (*self.periods, *other.periods):
            before = counts.get(period.shares, (0,) * len(period.counts))
            counts[period.shares] = tuple(a + b for a, b in zip(before, period.counts, strict=True))
        moments = [[m for m in pair if m] for pair in ((self.first_at, other.first_at), (self.last_at, other.last_at))]
        return Observed(
            self.races + other.races,
            self.control + other.control,
            self.treatment + other.treatment,
            tuple(SharePeriod(shares, seen) for shares, seen in counts.items()),
            min(moments[0], default=None),
            max(moments[1], default=None),
            self.unscored + other.unscored,
            self.foreign + other.foreign,
        )

    def with_races(self, races: PairedRaces) -> Observed:
        """Return the same with other races."""
        return replace(self, races=races)
