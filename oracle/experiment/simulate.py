"""Tests played many times on invented races: how often the rule is wrong, and how soon it is right.

The differences come from races: fields of twelve with true strengths, finished by Plackett-Luce, ranked by two noisy
readings of these strengths, and judged by NDCG@3. So most races differ in nothing, the others by jumps, and nothing in
them is normal. The noise between the readings is chosen so that the differences scatter as the plan says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from oracle.errors import BadInput
from oracle.experiment.betting import TRUNCATION
from oracle.experiment.sizing import Size
from oracle.progress import Progress, silent
from oracle.ranking.metrics import ndcg
from oracle.ranking.outcome import gains
from oracle.ranking.races import Floats, offsets_of
from oracle.settings import EvaluationPolicy

RUNNERS = 12
POOL = 20_000
HORIZON = 2.0
"""Times the planned races that a test is given."""
ROUND = 50
UNDECIDED, SHIPPED, STOPPED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of many tests."""

    reps: int
    effect: float
    """That was there, as a share of the mean."""
    races_per_look: int
    planned_races: int
    horizon: int
    shipped: float
    stopped: float
    undecided: float
    shipped_by_plan: float
    """Shipped within the planned races."""
    median_races: float | None
    """Until a test shipped, of those that did."""
    repeated_z: float
    """Share that a z-test at every look would have called better, at the same alpha: the peer."""
    decisive: float
    """Share of races in which the versions differ."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; the false positives where nothing was there, else the power."""
        told: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        told["false_positive_rate"] = self.shipped if self.effect <= 0 else None
        told["power"] = self.shipped if self.effect > 0 else None
        return told


def differences(deviation: float, seed: int, races: int = POOL) -> Floats:
    """Return float64[2 R], differences in NDCG@3 between two equally good versions: of each its opposite is there too.

    Args:
        deviation: Their standard deviation, up to what two independent readings come to (about 0.3).
        seed: Of the races.
        races: How many are invented.
    """
    chance = np.random.default_rng(seed)
    true = chance.normal(size=(races, RUNNERS))
    order = np.argsort(-(true + chance.gumbel(size=true.shape)), axis=1)
    position = (np.argsort(order, axis=1) + 1.0).ravel()
    offsets = offsets_of([RUNNERS] * races)
    gain = gains(position, offsets, EvaluationPolicy())
    shared, own = true + 0.5 * chance.normal(size=true.shape), chance.normal(size=(2, *true.shape))

    def drawn(noise: float) -> Floats:
        first, second = (ndcg((shared + noise * each).ravel(), gain, offsets, 3) for each in own)
        return first - second

    low, high = 1e-4, 8.0
    if drawn(high).std() < deviation:
        raise BadInput("no two versions differ that much", value=deviation, allowed=f"up to {drawn(high).std():.3f}")
    for _ in range(24):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if drawn(middle).std() < deviation else (low, middle)
    found = drawn(high)
    return np.concatenate([found, -found])


def simulate(
    size: Size,
    effect: float,
    *,
    races_per_look: int,
    reps: int,
    seed: int,
    pool: Floats | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Return what becomes of tests of that size when the challenger is better by `effect`.

    Args:
        size: The paired design that was planned; its difference is what is wanted.
        effect: Improvement that is there, as a share of the mean; 0 for none.
        races_per_look: Races between two looks.
        reps: How many tests.
        seed: Of races and draws.
        pool: Differences of equally good versions to draw from; invented by default.
        progress: Told of every round of tests.
    """
    if reps < 1 or races_per_look < 1:
        raise BadInput("tests are played and looked at", value=(reps, races_per_look), allowed="1 or more of each")
    pool = differences(size.deviation, seed) if pool is None else pool
    shift = effect * size.mean
    tilt = shift / float(np.abs(pool).mean()) if shift else 0.0
    if abs(tilt) > 1.0:
        raise BadInput(
            "no version is that much better", value=effect, allowed=f"up to {np.abs(pool).mean() / size.mean:.3f}"
        )
    horizon = math.ceil(HORIZON * size.races)
    chance = np.random.default_rng([seed, 1])
    ends: list[tuple[int, int, bool]] = []
    rounds: Iterable[int] = range(0, reps, ROUND)
    for begin in progress(rounds, "tests", math.ceil(reps / ROUND)):
        for _ in range(min(ROUND, reps - begin)):
            drawn = np.abs(pool[chance.integers(0, len(pool), horizon)])
            signs = np.where(chance.random(horizon) < 0.5 * (1.0 + tilt), 1.0, -1.0)
            ends.append(
                _play(
                    drawn * signs,
                    races_per_look,
                    size.deviation**2,
                    math.sqrt(2.0 * math.log(2.0 / size.alpha) / size.races),
                    size.difference,
                    math.log(2.0 / size.alpha),
                    _z(size.alpha),
                )
            )
    return _outcome(ends, size, effect, races_per_look, horizon, float((pool != 0).mean()))


def _z(alpha: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(1.0 - alpha / 2.0))


def _outcome(
    ends: list[tuple[int, int, bool]], size: Size, effect: float, step: int, horizon: int, decisive: float
) -> Outcome:
    how = np.array([end for end, _, _ in ends])
    when = np.array([races for _, races, _ in ends])
    shipped = how == SHIPPED
    return Outcome(
        reps=len(ends),
        effect=effect,
        races_per_look=step,
        planned_races=size.races,
        horizon=horizon,
        shipped=float(shipped.mean()),
        stopped=float((how == STOPPED).mean()),
        undecided=float((how == UNDECIDED).mean()),
        shipped_by_plan=float((shipped & (when <= size.races)).mean()),
        median_races=float(np.median(when[shipped])) if shipped.any() else None,
        repeated_z=float(np.mean([alarm for _, _, alarm in ends])),
        decisive=decisive,
    )


def looks(horizon: int, step: int) -> list[int]:
    """Return after how many races somebody looks.

    >>> looks(10, 4)
    [4, 8, 10]
    """
    return [*itertools.takewhile(lambda n: n < horizon, itertools.count(step, step)), horizon]


@njit(cache=True)
def _play(d, step, variance, scale, wanted, rich, z):  # type: ignore[no-untyped-def]  # pragma: no cover
    # The same bets as `betting`, at the two means that the rule asks about: 0, and what was wanted.
    total, squares, plain = 0.0, variance, 0.0
    above, below, alarm, end, when = 0.0, 0.0, False, UNDECIDED, len(d)
    most_above, most_below = TRUNCATION, TRUNCATION / (1.0 - wanted)
    for i in range(len(d)):
        bet = scale / np.sqrt(squares / (i + 1.0))
        above += np.log1p(min(bet, most_above) * d[i])
        below += np.log1p(-min(bet, most_below) * (d[i] - wanted))
        mean = total / (i + 1.0)
        total += d[i]
        squares += (d[i] - mean) * (d[i] - total / (i + 2.0))
        plain += d[i] * d[i]
        if (i + 1) % step and i + 1 < len(d):
            continue
        n = i + 1.0
        spread = np.sqrt(max(plain / n - (total / n) ** 2, 1e-18) / n)
        alarm = alarm or total / n > z * spread
        if end == UNDECIDED:
            if below >= rich:
                end, when = STOPPED, i + 1
            elif above >= rich:
                end, when = SHIPPED, i + 1
    return end, when, alarm
