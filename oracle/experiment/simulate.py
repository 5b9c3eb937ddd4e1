"""Tests played many times on invented races: how often the rule is wrong, and how soon it is right.

The differences come from races: fields of twelve with true strengths, finished by Plackett-Luce, ranked by two noisy
readings of these strengths, and judged by NDCG@3. So most races differ in nothing, the others by jumps, and nothing in
them is normal. The noise between the readings is chosen so that the differences scatter as the plan says. Races come in
meetings, and may be made to err together within one: the versions then take turns at being better, meeting by meeting.
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
from oracle.experiment.accuracy import FEWEST_MEETINGS
from oracle.experiment.sequential import TRUNCATION, clusters_widening, tuning, widening
from oracle.experiment.sizing import Size
from oracle.progress import Progress, silent
from oracle.ranking.metrics import ndcg
from oracle.ranking.outcome import gains
from oracle.ranking.races import Floats, offsets_of
from oracle.settings import EvaluationPolicy

RUNNERS = 12
POOL = 20_000
HORIZON = 2.0
"""Times the planned races that a test is given, or what daily looks need if that is more."""
ROUND = 50
MOST_RACES = 1_000_000
"""Of one test: more than any country runs in five years."""
RACES_PER_MEETING = 8
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
    """Share that a two-sided z-test at every look, at the same alpha, would have called different: the peer."""
    repeated_z_better: float
    """Of these, in favour of the challenger at some look."""
    decisive: float
    """Share of races in which the versions differ."""
    alike: float
    """Share of the decisive races whose winner the meeting decided, not the race."""

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
    per_meeting: int = RACES_PER_MEETING,
    alike: float = 0.0,
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
        per_meeting: Races of a meeting.
        alike: Share of the decisive races whose winner the meeting decides, 0 to 1; 0 makes races independent.
        progress: Told of every round of tests.
    """
    if reps < 1 or races_per_look < 1:
        raise BadInput("tests are played and looked at", value=(reps, races_per_look), allowed="1 or more of each")
    if not math.isfinite(effect):
        raise BadInput("an effect is a share of the mean", value=effect, allowed="a number, 0 for none")
    if until(size) > MOST_RACES:
        raise BadInput(
            "one such test would be too long to be played again and again",
            value=f"{until(size):,} races",
            allowed=f"up to {MOST_RACES:,} races a test",
            next_step="--wanted with a larger effect, or a higher --rho",
        )
    pool = differences(size.deviation, seed) if pool is None else pool
    shift = effect * size.mean
    tilt = shift / float(np.abs(pool).mean()) if shift else 0.0
    if abs(tilt) > 1.0:
        raise BadInput(
            "no version is that much better in so few decisive races",
            value=effect,
            allowed=f"up to {np.abs(pool).mean() / size.mean:.3f}",
            next_step="a smaller effect, or a lower rho: versions that differ more",
        )
    if not (0.0 <= alike <= 1.0 - abs(tilt) and per_meeting >= 1):
        raise BadInput(
            "meetings cannot be that alike",
            value=(alike, per_meeting),
            allowed=f"0 to {1.0 - abs(tilt):.2f}, in meetings of 1 or more races",
        )
    horizon = until(size)
    chance = np.random.default_rng([seed, 1])
    meetings = math.ceil(horizon / per_meeting)
    longer = _longer(size.alpha, meetings)
    ends: list[tuple[int, int, int]] = []
    rounds: Iterable[int] = range(0, reps, ROUND)
    for begin in progress(rounds, "tests", math.ceil(reps / ROUND)):
        for _ in range(min(ROUND, reps - begin)):
            drawn = np.abs(pool[chance.integers(0, len(pool), horizon)])
            turns = np.repeat(np.where(chance.random(meetings) < 0.5, 1.0, -1.0), per_meeting)[:horizon]
            better = chance.random(horizon) < 0.5 * (1.0 + tilt + alike * turns)
            ends.append(_ended(np.where(better, drawn, -drawn), size, races_per_look, per_meeting, longer))
    return _outcome(ends, size, effect, races_per_look, float((pool != 0).mean()), alike)


def ended(found: Floats, size: Size, *, races_per_look: int, per_meeting: int) -> tuple[int, int, int]:
    """Return how a test with these differences ends, after how many races, and what a z-test at each look would cry.

    Args:
        found: float64[R], in the order in which they became known.
        size: As in `simulate`.
        races_per_look: As in `simulate`.
        per_meeting: As in `simulate`.
    """
    return _ended(found, size, races_per_look, per_meeting, _longer(size.alpha, math.ceil(len(found) / per_meeting)))


def _ended(found: Floats, size: Size, step: int, per_meeting: int, longer: Floats) -> tuple[int, int, int]:
    scale = math.sqrt(2.0 * math.log(2.0 / size.alpha) / size.races)
    tuned = tuning(size.races, size.alpha)
    told = (size.deviation**2, scale, size.difference, size.alpha, tuned, longer, _z(size.alpha))
    end, when, alarm = _play(found, step, per_meeting, *told)
    return int(end), int(when), int(alarm)


def _longer(alpha: float, most: int) -> Floats:
    """Return float64[most + 1], by how much longer the tails are with so many meetings than with endlessly many."""
    counted = [clusters_widening(1.0, 1.0, alpha, m) if m > 1 else math.inf for m in range(most + 1)]
    return np.array(counted) / widening(1.0, 1.0, alpha)


def _z(alpha: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(1.0 - alpha / 2.0))


def _outcome(
    ends: list[tuple[int, int, int]], size: Size, effect: float, step: int, decisive: float, alike: float
) -> Outcome:
    how = np.array([end for end, _, _ in ends])
    when = np.array([races for _, races, _ in ends])
    shipped = how == SHIPPED
    return Outcome(
        reps=len(ends),
        effect=effect,
        races_per_look=step,
        planned_races=size.races,
        horizon=until(size),
        shipped=float(shipped.mean()),
        stopped=float((how == STOPPED).mean()),
        undecided=float((how == UNDECIDED).mean()),
        shipped_by_plan=float((shipped & (when <= size.races)).mean()),
        median_races=float(np.median(when[shipped])) if shipped.any() else None,
        repeated_z=float(np.mean([alarm > 0 for _, _, alarm in ends])),
        repeated_z_better=float(np.mean([alarm & 1 for _, _, alarm in ends])),
        decisive=decisive,
        alike=alike,
    )


def until(size: Size) -> int:
    """Return how many races a test of that size is given."""
    return max(math.ceil(HORIZON * size.races), size.races_anytime)


def looks(horizon: int, step: int) -> list[int]:
    """Return after how many races somebody looks.

    >>> looks(10, 4)
    [4, 8, 10]
    """
    return [*itertools.takewhile(lambda n: n < horizon, itertools.count(step, step)), horizon]


@njit(cache=True)
def _play(d, step, per_meeting, variance, scale, wanted, alpha, tuned, longer, z):  # type: ignore[no-untyped-def]  # pragma: no cover
    # The rules of `verdict` at the two means they ask about, 0 and what was wanted, with running sums alone.
    rich = np.log(2.0 / alpha)
    total, squares, plain = 0.0, variance, 0.0
    above, below, most_so_far, least_so_far = 0.0, 0.0, -np.inf, -np.inf
    alarm, end, when = 0, UNDECIDED, len(d)
    most_above, most_below = TRUNCATION, TRUNCATION / (1.0 - wanted)
    meeting, inside, sums, cross, sizes, meetings = 0.0, 0, 0.0, 0.0, 0.0, 0
    for i in range(len(d)):
        bet = scale / np.sqrt(squares / (i + 1.0))
        above += np.log1p(min(bet, most_above) * d[i])
        below += np.log1p(-min(bet, most_below) * (d[i] - wanted))
        mean = total / (i + 1.0)
        total += d[i]
        squares += (d[i] - mean) * (d[i] - total / (i + 2.0))
        plain += d[i] * d[i]
        meeting += d[i]
        inside += 1
        if inside == per_meeting:
            sums += meeting * meeting
            cross += meeting * inside
            sizes += inside * inside
            meetings += 1
            meeting, inside = 0.0, 0
        if (i + 1) % step and i + 1 < len(d):
            continue
        n = i + 1.0
        at = total / n
        spread = np.sqrt(max(plain / n - at * at, 1e-18) / n)
        alarm |= (1 if at > z * spread else 0) | (2 if at < -z * spread else 0)
        # What a look excluded stays excluded.
        most_so_far, least_so_far = max(most_so_far, above), max(least_so_far, below)
        if end != UNDECIDED:
            continue
        if least_so_far >= rich:
            end, when = STOPPED, i + 1
        elif most_so_far >= rich:
            clusters = meetings + (1 if inside else 0)
            if clusters >= FEWEST_MEETINGS:
                within = sums + meeting * meeting - 2.0 * at * (cross + meeting * inside)
                within += at * at * (sizes + inside * inside)
                error = np.sqrt(clusters / (clusters - 1.0) * max(within, 0.0)) / n
                t = n * tuned
                width = longer[clusters] * np.sqrt((t + 1.0) / t * np.log((t + 1.0) / alpha**2))
                if at > width * error:
                    end, when = SHIPPED, i + 1
    return end, when, alarm
