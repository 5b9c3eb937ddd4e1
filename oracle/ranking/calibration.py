"""Win probabilities that mean what they say: corrections fitted on dates the model was not trained on.

A calibration is a frozen value with `apply`, written to and read from plain values, and saved with its model. Every
kind keeps the sum of 1 in each race, which is why they work on whole races and not runner by runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from oracle.errors import BadInput, NotEnoughData
from oracle.ranking import metrics
from oracle.ranking.outcome import ANY_RESULT, winners
from oracle.ranking.plackett_luce import Discount
from oracle.ranking.races import (
    Bools,
    Floats,
    Ints,
    as_floats,
    as_offsets,
    normalise,
    offsets_of,
    softmax,
    standing,
    sum_by_race,
)

FLATTEST, STEEPEST = 1e-3, 1e3
"""Range of the exponent. Its ends mean that the probabilities were worthless (or reversed), or that they leak."""


class Calibration(Protocol):
    """A correction of win probabilities within the race."""

    def apply(self, prob: ArrayLike, offsets: Ints) -> Floats:
        """Return float64[N], corrected probabilities that sum to 1 in each race; a race with a NaN stays NaN."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return plain values from which `from_dict` makes the same calibration again."""
        ...


@dataclass(frozen=True, slots=True)
class NoCalibration:
    """Leaves every probability as it is, to the last bit."""

    def apply(self, prob: ArrayLike, offsets: Ints) -> Floats:  # noqa: ARG002 - one signature for every kind
        """Return the probabilities."""
        return as_floats(prob)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "none"}


UNCHANGED = NoCalibration()


@dataclass(frozen=True, slots=True)
class PowerCalibration:
    """p**exponent, shared out within the race: above 1 sharpens, below 1 flattens, 1 changes nothing.

    The same as a temperature of 1/exponent on the scores of a conditional logit. It never changes the order.
    """

    exponent: float = 1.0

    def apply(self, prob: ArrayLike, offsets: Ints) -> Floats:
        """Return the calibrated probabilities; who had none gets none.

        >>> PowerCalibration(2.0).apply([0.75, 0.25], np.array([0, 2])).round(6).tolist()
        [0.9, 0.1]
        """
        return softmax(self.exponent * _log(prob), offsets)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "power", "exponent": self.exponent}


@dataclass(frozen=True, slots=True)
class IsotonicCalibration:
    """A rising curve through the observed win rates, then shared out within the race.

    More flexible than a power, and needs thousands of races to beat it. Between the knots the curve is straight, so
    the order changes only beyond the outermost knots, where it is level.
    """

    prob: tuple[float, ...]
    """Mean probability of each block of the fit, rising."""
    rate: tuple[float, ...]
    """Win rate of each block, rising, above 0."""

    def apply(self, prob: ArrayLike, offsets: Ints) -> Floats:
        """Return the calibrated probabilities."""
        return normalise(np.interp(as_floats(prob), self.prob, self.rate), offsets)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "isotonic", "prob": list(self.prob), "rate": list(self.rate)}


def from_dict(values: Mapping[str, Any]) -> NoCalibration | PowerCalibration | IsotonicCalibration:
    """Return the calibration that `as_dict` described.

    Raises:
        BadInput: an unknown kind.
    """
    match values.get("kind"):
        case "none":
            return UNCHANGED
        case "power":
            return PowerCalibration(float(values["exponent"]))
        case "isotonic":
            return IsotonicCalibration(tuple(values["prob"]), tuple(values["rate"]))
        case kind:
            raise BadInput("unknown kind of calibration", value=kind, allowed=("none", "power", "isotonic"))


def fit_power(prob: ArrayLike, position: ArrayLike, offsets: Ints) -> PowerCalibration:
    """Return the exponent of greatest likelihood on these races.

    The log-likelihood sum(a log p_w - log sum_j p_j**a) is concave in a, so the root of its derivative is the maximum.
    Where every runner of each race has the same probability any exponent is as good, and 1 is returned.

    Args:
        prob: float64[N], win probabilities on held-out dates.
        position: float64[N], NaN for non-finishers.
        offsets: int64[R + 1].

    Raises:
        NotEnoughData: no race has both probabilities and a result.
    """
    prob, won, offsets = _fitting(prob, position, offsets)
    log = np.log(np.maximum(prob, metrics.SMALLEST_PROBABILITY))

    def slope(log_exponent: float) -> float:
        return float(((won - softmax(np.exp(log_exponent) * log, offsets)) * log).sum())

    low, high = float(np.log(FLATTEST)), float(np.log(STEEPEST))
    at_low, at_high = slope(low), slope(high)
    if abs(at_low) + abs(at_high) < 1e-9 * prob.size:
        return PowerCalibration(1.0)
    if at_low <= 0 or at_high >= 0:
        return PowerCalibration(FLATTEST if at_low <= 0 else STEEPEST)
    from scipy.optimize import brentq  # here: loading it takes longer than most of what needs this module

    return PowerCalibration(float(np.exp(brentq(slope, low, high, xtol=1e-10))))


def fit_discount(prob: ArrayLike, position: ArrayLike, offsets: Ints) -> Discount:
    """Return how much less win probabilities say about second, third and fourth place, by maximum likelihood.

    With the runners before it taken out, each place is a race of its own, so its power is fitted as `fit_power` fits
    the winner's. A power above 1 is taken as 1: more than plain Plackett-Luce is not in the model.

    Args:
        prob: float64[N], calibrated win probabilities on held-out dates.
        position: float64[N], NaN for non-finishers.
        offsets: int64[R + 1].

    Raises:
        NotEnoughData: no race has probabilities and at least five finishers without a dead heat before the last place.
    """
    position = as_floats(position)
    ahead, level = standing(-position, offsets)
    powers = []
    for before in (1, 2, 3):
        gone = (level > 0) & (ahead < before)
        clear = (sum_by_race(gone, offsets) == before) & (sum_by_race(gone & (level > 1), offsets) == 0)
        rest = ~gone & np.repeat(clear, np.diff(offsets))
        sizes = sum_by_race(rest, offsets).astype(np.int64)
        powers.append(fit_power(as_floats(prob)[rest], position[rest], offsets_of(sizes)).exponent)
    return Discount(*(min(power, 1.0) for power in powers))


def fit_isotonic(prob: ArrayLike, position: ArrayLike, offsets: Ints) -> IsotonicCalibration:
    """Return the rising curve of least squares from probability to win rate (Zadrozny and Elkan, 2002).

    The lowest block may hold no winner; it gets half a win, because nobody who starts is without any chance.

    Args:
        prob: float64[N], win probabilities on held-out dates.
        position: float64[N], NaN for non-finishers.
        offsets: int64[R + 1].

    Raises:
        NotEnoughData: no race has both probabilities and a result.
    """
    prob, won, _ = _fitting(prob, position, offsets)
    value, which, count = np.unique(prob, return_inverse=True, return_counts=True)
    from scipy.optimize import isotonic_regression  # here: see `brentq`

    fit = isotonic_regression(np.bincount(which, won) / count, weights=count.astype(np.float64))
    begin = fit.blocks[:-1]
    runners = np.add.reduceat(count, begin)
    middle = np.add.reduceat(value * count, begin) / runners
    rate = fit.x[begin]
    if rate[0] <= 0.0:
        rate[0] = min(0.5 / runners[0], *rate[1:2]) if rate.size > 1 else 0.5 / runners[0]
    return IsotonicCalibration(tuple(middle.tolist()), tuple(rate.tolist()))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One row of the reliability table."""

    runners: int
    forecast: float
    """Mean win probability of the bin's runners."""
    rate: float
    """Wins per runner; a dead heat is shared."""


def reliability_table(
    prob: ArrayLike, position: ArrayLike, offsets: Ints, bins: int = 20
) -> tuple[ReliabilityBin, ...]:
    """Return what was forecast and what happened, in bins of about equal count, longest shots first."""
    columns = metrics.reliability(prob, winners(position, offsets, ANY_RESULT), offsets, bins)
    return tuple(ReliabilityBin(int(n), float(p), float(y)) for n, p, y in zip(*columns, strict=True))


def _fitting(prob: ArrayLike, position: ArrayLike, offsets: Ints) -> tuple[Floats, Floats, Ints]:
    """Return probabilities, shares of the win and offsets of the races that can be learned from."""
    prob = as_floats(prob)
    offsets = as_offsets(offsets, prob.size)
    won = winners(position, offsets, ANY_RESULT)
    usable: Bools = ~np.isnan(sum_by_race(prob + won, offsets)) & (np.diff(offsets) > 1)
    if not usable.any():
        raise NotEnoughData("no race has both win probabilities and a result", value=f"{usable.size} races")
    size = np.diff(offsets)
    rows = np.repeat(usable, size)
    return prob[rows], won[rows], offsets_of(size[usable])


def _log(prob: ArrayLike) -> Floats:
    values = as_floats(prob)
    return np.log(values, out=np.full_like(values, -np.inf), where=~(values <= 0))
