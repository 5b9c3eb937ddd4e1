"""Which calibration a model needs, decided on dates it has not learned from: none, a power, or a rising curve.

A calibration always fits the dates it is fitted on, so each kind is fitted on some days and judged on others: the
held-out days are cut into consecutive blocks, each block is judged under what was fitted on the rest, and the kinds are
compared by their log-loss over all blocks. The simplest kind within one standard error of the best is taken (Breiman
et al., 1984), and fitted once more on all the days. Where that is none, the model was calibrated as it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from oracle.errors import NotEnoughData
from oracle.ranking import metrics
from oracle.ranking.calibration import (
    UNCHANGED,
    Calibration,
    ReliabilityBin,
    fit_isotonic,
    fit_power,
    reliability_table,
)
from oracle.ranking.outcome import ANY_RESULT, winners
from oracle.ranking.races import Floats, Ints, as_floats, as_offsets, offsets_of
from oracle.settings import CalibrationPolicy, EvaluationPolicy

Fit = Callable[[ArrayLike, ArrayLike, Ints], Calibration]

KINDS: dict[str, Fit] = {
    "none": lambda prob, position, offsets: UNCHANGED,  # noqa: ARG005 - one signature for every kind
    "power": fit_power,
    "isotonic": fit_isotonic,
}
"""How each kind is fitted, the simplest first."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a kind of calibration was worth on days that it was not fitted on."""

    log_loss: float
    """Mean over the held-out races."""
    excess: float
    """How much higher that is than the best kind's."""
    error: float
    """Standard error of the excess, by day."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The calibration taken, and what the decision rests on."""

    method: str
    calibration: Calibration
    races: int
    """Held-out races that the kinds were compared on; 0 where there was nothing to compare."""
    judged: Mapping[str, Judged]
    """By kind; empty where the method was given, or nothing could be compared."""
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        told = {"method": self.method, "reason": self.reason, "races": self.races}
        return told | {"held_out": {kind: asdict(judged) for kind, judged in self.judged.items()}}


def choose(prob: ArrayLike, position: ArrayLike, offsets: Ints, day: ArrayLike, policy: CalibrationPolicy) -> Choice:
    """Return the calibration of these held-out races that the policy asks for.

    Args:
        prob: float64[N], win probabilities on held-out dates.
        position: float64[N], NaN for non-finishers.
        offsets: int64[R + 1].
        day: int64[R], the date of each race.
        policy: Which method, and how the days are cut.
    """
    prob, position = as_floats(prob), as_floats(position)
    offsets = as_offsets(offsets, prob.size)
    if policy.method != "auto":
        return Choice(policy.method, _fitted(policy.method, prob, position, offsets), 0, {}, "as the settings ask")
    block = _blocks(np.asarray(day), policy.folds)
    if block.max(initial=-1) < 1:
        return Choice("none", UNCHANGED, 0, {}, "too few days to fit a calibration on some and judge it on others")
    try:
        losses = {kind: _held_out(KINDS[kind], prob, position, offsets, block) for kind in KINDS}
    except NotEnoughData as error:
        return Choice("none", UNCHANGED, 0, {}, f"nothing to compare: {error.what}")
    judged = _compared(losses, np.asarray(day))
    best = min(judged, key=lambda kind: judged[kind].log_loss)
    taken = next(kind for kind, found in judged.items() if found.excess <= found.error)
    reason = f"{best} has the lowest held-out log-loss"
    if taken != best:
        reason += f"; {taken} is simpler and within one standard error of it"
    races = int(np.isfinite(losses["none"]).sum())
    return Choice(taken, _fitted(taken, prob, position, offsets), races, judged, reason)


def _fitted(kind: str, prob: Floats, position: Floats, offsets: Ints) -> Calibration:
    return KINDS[kind](prob, position, offsets)


def _blocks(day: Ints, folds: int) -> Ints:
    """Return the block of each race: consecutive days, about equally many; fewer blocks where there are fewer days."""
    days = np.unique(day)
    block_of_day = np.arange(days.size) * min(folds, days.size) // max(days.size, 1)
    return np.asarray(block_of_day[np.searchsorted(days, day)], dtype=np.int64)


def _held_out(fit: Fit, prob: Floats, position: Floats, offsets: Ints, block: Ints) -> Floats:
    """Return float64[R]: the log-loss of each race under the calibration fitted on the other blocks."""
    loss = np.full(offsets.size - 1, np.nan)
    size = np.diff(offsets)
    for one in range(int(block.max()) + 1):
        there, rest = block == one, block != one
        learned = fit(prob[np.repeat(rest, size)], position[np.repeat(rest, size)], offsets_of(size[rest]))
        inside, rows = offsets_of(size[there]), np.repeat(there, size)
        calibrated = learned.apply(prob[rows], inside)
        loss[there] = metrics.log_loss(calibrated, winners(position[rows], inside, ANY_RESULT), inside)
    return loss


def _compared(losses: Mapping[str, Floats], day: Ints) -> dict[str, Judged]:
    mean = {kind: float(np.nanmean(loss)) for kind, loss in losses.items()}
    best = min(mean, key=lambda kind: mean[kind])
    return {
        kind: Judged(mean[kind], mean[kind] - mean[best], _error(loss - losses[best], day))
        for kind, loss in losses.items()
    }


def _error(gap: Floats, day: Ints) -> float:
    """Return the standard error of the mean of a gap over races, races of one day taken together."""
    known = np.isfinite(gap)
    centred = gap[known] - gap[known].mean()
    total = np.bincount(np.unique(day[known], return_inverse=True)[1], centred)
    days = total.size
    return float(np.sqrt((total**2).sum() * days / max(days - 1, 1)) / max(known.sum(), 1))


@dataclass(frozen=True, slots=True)
class Reliability:
    """What win probabilities meant on a set of races, before and after calibration."""

    races: int
    ece_before: float
    ece: float
    before: tuple[ReliabilityBin, ...]
    after: tuple[ReliabilityBin, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, the curves included."""
        return asdict(self)


def reliability(
    before: ArrayLike, after: ArrayLike, position: ArrayLike, offsets: Ints, policy: EvaluationPolicy
) -> Reliability:
    """Return the reliability curves of both probabilities on the races that count.

    Args:
        before: float64[N], win probabilities as the model gave them; NaN in races to leave out.
        after: float64[N], the same calibrated.
        position: float64[N], NaN for non-finishers.
        offsets: int64[R + 1].
        policy: Which races count, and the number of bins.
    """
    won = winners(position, offsets, policy)
    blank = np.where(np.isnan(won), np.nan, 1.0)
    tables = [
        reliability_table(as_floats(prob) * blank, position, offsets, policy.calibration_bins)
        for prob in (before, after)
    ]
    ece = [metrics.ece(prob, won, offsets, policy.calibration_bins) for prob in (before, after)]
    races = int((~np.isnan(metrics.log_loss(after, won, offsets))).sum())
    return Reliability(races, ece[0], ece[1], tables[0], tables[1])
