"""Two windows of meetings compared: a mean, or a distribution, whose races are not independent. Pure.

Both windows come as sums by meeting. The scatter of the meetings around the window's own value is the yardstick, so
whatever the races of a day share (ground, class, weather) is in it. A mean has Student's interval with Welch's degrees
of freedom; a distribution the chi-square of two samples with the second-order correction of Rao and Scott (1984).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from oracle.ranking.races import Floats

FEWEST = 5.0
"""Observations of both windows that a bin needs; a smaller one is joined with its neighbour."""
HALF = 0.5
"""Added to each count of a PSI, so that an empty bin is not infinitely far."""


@dataclass(frozen=True, slots=True)
class Change:
    """A mean in two windows, and the current one minus the reference with its interval."""

    reference: float
    current: float
    difference: float
    error: float
    low: float
    high: float
    p_value: float
    n_reference: float
    n_current: float

    def as_dict(self) -> dict[str, float]:
        """Return plain values."""
        return asdict(self)


def mean(
    reference: tuple[Floats, Floats], current: tuple[Floats, Floats], confidence: float, *, least: int = 2
) -> Change | None:
    """Return how the mean of something changed; None where a window has fewer than `least` meetings that have it.

    Args:
        reference: Sums and counts of each meeting.
        current: The same.
        confidence: Of the interval.
        least: Meetings that each window needs.
    """
    one, two = _mean(*reference, least), _mean(*current, least)
    if one is None or two is None:
        return None
    error = float(np.sqrt(one[1] + two[1]))
    difference = two[0] - one[0]
    if error > 0.0:
        freedom = (one[1] + two[1]) ** 2 / (one[1] ** 2 / (one[2] - 1) + two[1] ** 2 / (two[2] - 1))
        half = error * float(stdtrit(freedom, 0.5 + confidence / 2.0))
        p_value = 2.0 * float(stdtr(freedom, -abs(difference) / error))
    else:
        half, p_value = 0.0, 1.0 if difference == 0.0 else 0.0
    return Change(one[0], two[0], difference, error, difference - half, difference + half, p_value, one[3], two[3])


def _mean(total: Floats, count: Floats, least: int) -> tuple[float, float, int, float] | None:
    """Return mean, its variance, the meetings and the count."""
    held = count > 0
    meetings, n = int(held.sum()), float(count.sum())
    if meetings < max(least, 2):
        return None
    value = float(total[held].sum() / n)
    scatter = float(((total[held] - value * count[held]) ** 2).sum())
    return value, scatter / n**2 * meetings / (meetings - 1), meetings, n


@dataclass(frozen=True, slots=True)
class Shift:
    """A distribution in two windows."""

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    """Shares."""
    current: tuple[float, ...]
    chi2: float
    """Corrected for the races' dependence; 1 is what chance gives, on the mean."""
    design_effect: float
    p_value: float
    psi: float
    n_reference: float
    n_current: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {name: list(getattr(self, name)) for name in ("labels", "reference", "current")}


def distribution(reference: Floats, current: Floats, labels: tuple[str, ...], *, least: int = 2) -> Shift | None:
    """Return how a distribution changed; None where a window has fewer than `least` meetings that have it.

    Args:
        reference: float64[M, k], counts of each meeting in each bin, which need not be whole.
        current: The same of the current window.
        labels: What the bins are called.
        least: Meetings that each window needs.
    """
    reference, current = reference[reference.sum(1) > 0], current[current.sum(1) > 0]
    if min(len(reference), len(current)) < max(least, 2):
        return None
    reference, current, labels = _joined(reference, current, labels)
    a, b = reference.sum(0), current.sum(0)
    one, two, pooled = a / a.sum(), b / b.sum(), (a + b) / (a + b).sum()
    if len(labels) < 2:
        return Shift(
            labels, tuple(one.tolist()), tuple(two.tolist()), 0.0, 1.0, 1.0, 0.0, float(a.sum()), float(b.sum())
        )
    scale = 1.0 / np.sqrt(pooled)
    spread = [_covariance(each) * scale[:, None] * scale for each in (reference, current)]
    traces = [float(np.trace(each)) for each in spread]
    total = spread[0] + spread[1]
    distance = float((((one - two) * scale) ** 2).sum())
    trace, squared = float(np.trace(total)), float((total**2).sum())
    independent = (len(labels) - 1) * (1.0 / a.sum() + 1.0 / b.sum())
    if trace <= 0.0:
        p_value, ratio = (1.0, 0.0) if distance == 0.0 else (0.0, float("inf"))
    else:
        freedom = trace**2 / squared
        rest = trace**2 / (traces[0] ** 2 / (len(reference) - 1) + traces[1] ** 2 / (len(current) - 1))
        ratio = distance / trace
        p_value = float(fdtrc(freedom, max(freedom * rest, 1.0), ratio))
    return Shift(
        labels,
        tuple(one.tolist()),
        tuple(two.tolist()),
        ratio,
        float(trace / independent),
        p_value,
        psi(a, b),
        float(a.sum()),
        float(b.sum()),
    )


def psi(reference: Floats, current: Floats) -> float:
    """Return the population stability index of two count vectors, half an observation added to each bin."""
    one, two = reference + HALF, current + HALF
    one, two = one / one.sum(), two / two.sum()
    return float(((two - one) * np.log(two / one)).sum())


def _covariance(counts: Floats) -> Floats:
    """Return the covariance of the shares, whole meetings taken as independent."""
    n = counts.sum()
    off = counts - counts.sum(1, keepdims=True) * (counts.sum(0) / n)
    return np.asarray(off.T @ off / n**2 * len(counts) / (len(counts) - 1))


def _joined(reference: Floats, current: Floats, labels: tuple[str, ...]) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Join each bin that is too small with the one before it (the first with the one after it)."""
    both = reference.sum(0) + current.sum(0)
    into, names = np.zeros(both.size, dtype=np.int64), [labels[0]]
    held = both[0]
    for i in range(1, both.size):
        if held >= FEWEST and both[i:].sum() >= FEWEST:
            names.append(labels[i])
            held = 0.0
        else:
            names[-1] = f"{names[-1].split(' to ')[0]} to {labels[i].split(' to ')[-1]}" if both[i] else names[-1]
        into[i] = len(names) - 1
        held += both[i]
    fold = np.zeros((both.size, len(names)))
    fold[np.arange(both.size), into] = 1.0
    return reference @ fold, current @ fold, tuple(names)
