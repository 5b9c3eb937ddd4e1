"""Whether a return can be told from nothing, and how many races it would take.

The return is profit over stakes; its interval comes from drawing whole meetings, because the bets of one day share the
ground and the bettor's mistakes. Three outcomes: a profit is shown, a loss is shown, or there is not enough evidence.
Returns of bets are so scattered that the third is the usual one, and a few long prices decide the mean: with hardly a
winner the resampling knows nothing of what a winner would have paid, so there must be some.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from oracle.ranking.races import Floats, as_floats
from oracle.ranking.report import resampled_ratio
from oracle.settings import EvaluationPolicy

POWER = 0.8
"""Chance with which the races needed would show a return that is really there."""


@dataclass(frozen=True, slots=True)
class Least:
    """What there must be before an interval means anything."""

    meetings: float = 20
    """Meetings that carry the stakes: (sum of stakes)**2 / sum of squared stakes by meeting (Kish), so that one large
    stake among many small ones counts as little more than one."""
    won: int = 10


class Verdict(StrEnum):
    """What a backtest showed."""

    PROFIT = "profit"
    LOSS = "loss"
    NOT_ENOUGH = "not_enough_evidence"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A return with its interval, and what follows from it."""

    verdict: Verdict
    cause: str
    """One sentence that says why."""
    races: int
    """Races with a bet."""
    meetings: int
    roi: float | None = None
    """Profit per unit staked; None where nothing was."""
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    races_needed: int | None = None
    """Races with a bet after which a return like this one differs from zero; None where none would do."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def weigh(
    staked: ArrayLike,
    profit: ArrayLike,
    won: int,
    meeting: ArrayLike,
    seed: int,
    policy: EvaluationPolicy,
    least: Least = Least(),
) -> Evidence:
    """Return what stakes and profits of a set of races show.

    Args:
        staked: float64[R], in money or in shares of the bankroll.
        profit: float64[R], on the same scale.
        won: Bets that won.
        meeting: One label for each race.
        seed: Of the resampling.
        policy: Resamples and confidence.
        least: What there must be.
    """
    staked, profit = as_floats(staked), as_floats(profit)
    bet = staked > 0
    races = int(bet.sum())
    if not races:
        return Evidence(Verdict.NOT_ENOUGH, "the plan made no bet: there is no return to judge", 0, 0)
    names, which = np.unique(np.asarray(meeting)[bet], return_inverse=True)
    gained, laid = as_floats(np.bincount(which, profit[bet])), as_floats(np.bincount(which, staked[bet]))
    roi = float(gained.sum() / laid.sum())
    carrying = float(laid.sum() ** 2 / (laid**2).sum())
    if carrying < least.meetings or won < least.won:
        cause = (
            f"{won} winning bets, and stakes that weigh like {carrying:.0f} meetings: too few for an interval"
            f" ({least.won} and {least.meetings:g} needed)"
        )
        return Evidence(Verdict.NOT_ENOUGH, cause, races, names.size, roi)
    returns = resampled_ratio(gained, laid, policy.resamples, np.random.default_rng(seed))
    tail = (1.0 - policy.confidence) / 2.0
    low, high = (float(x) for x in np.quantile(returns, [tail, 1.0 - tail]))
    # Both estimate the same; where few stakes are large the first falls short, and races needed must not be flattered.
    error = max(_error(gained, laid, roi), float(returns.std(ddof=1)))
    needed = _needed(roi, error, races, policy.confidence)
    verdict = Verdict.PROFIT if low > 0 else Verdict.LOSS if high < 0 else Verdict.NOT_ENOUGH
    cause = _cause(verdict, needed, races, policy.confidence)
    return Evidence(verdict, cause, races, names.size, roi, low, high, error, needed)


def _error(gained: Floats, laid: Floats, roi: float) -> float:
    """Return the standard error of the return by meeting: that of a ratio of sums, to first order."""
    meetings = gained.size
    rest = gained - roi * laid
    return float(np.sqrt((rest**2).sum() * meetings / (meetings - 1)) / laid.sum())


def _needed(roi: float, error: float, races: int, confidence: float) -> int | None:
    """Return how many races it takes to tell the return from zero at this spread; None where it is not positive."""
    if roi <= 0:
        return None
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0) + NormalDist().inv_cdf(POWER)
    return max(1, math.ceil(races * (z * error / roi) ** 2))


def _cause(verdict: Verdict, needed: int | None, races: int, confidence: float) -> str:
    interval = f"the {confidence:.0%} interval of the return"
    if verdict is Verdict.LOSS:
        return f"{interval} lies below zero: no number of races makes a profit of this"
    if verdict is Verdict.PROFIT:
        return f"{interval} lies above zero, on these races and at these odds"
    if needed is None:
        return f"{interval} holds zero, and the return is not positive: no number of races makes a profit of this"
    return (
        f"{interval} holds zero: a return of this size and spread would need about {needed:,} races with a bet"
        f" to differ from zero ({confidence:.0%} confidence, {POWER:.0%} power); there are {races:,}"
    )
