"""Columns along careers: does a number move with the race it stands on, and does it agree with results too well.

A career is the rows of one horse, jockey, trainer or sire in the order of the off times. Two facts give a leak away
that says little of any single race: a running mean that already holds its own race changes with that race's result and
not with the one before; and a mean over all dates, constant for its owner, agrees with the owner's results more closely
than luck allows any number that was known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from oracle.ranking.races import Bools, Floats, Ints

FEWEST_OWNERS = 30
"""Owners with two runs or more below which closeness is no evidence."""
STILL = 1e-6
"""Spread within an owner, as a share of the column's own, up to which it counts as constant."""


@dataclass(frozen=True)
class Careers:
    """Who owns each row, and the order in which the rows came."""

    name: str
    owner: Ints
    """int64[n]: 0, 1, ...; -1 where nobody is known."""
    off: Floats
    """float64[n]: off time of the row's race."""

    @cached_property
    def _order(self) -> tuple[Ints, Ints, Bools]:
        rows = np.flatnonzero(self.owner >= 0)
        order = rows[np.lexsort((rows, self.off[rows], self.owner[rows]))]
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = self.owner[order][1:] != self.owner[order][:-1]
        begin = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
        return order, (np.arange(len(order)) - begin + 1).astype(np.int64), first

    @cached_property
    def pairs(self) -> tuple[Ints, Ints, Ints]:
        """Rows of consecutive runs at different times: (earlier, later, number of the later run in the career)."""
        order, run, first = self._order
        earlier, later = order[:-1][~first[1:]], order[1:][~first[1:]]
        apart = self.off[earlier] < self.off[later]
        return earlier[apart], later[apart], run[1:][~first[1:]][apart]

    @cached_property
    def runs(self) -> Floats:
        """float64[owners]: number of rows of each owner."""
        return np.bincount(self.owner[self.owner >= 0]).astype(np.float64)

    def total(self, values: Floats, rows: Bools) -> Floats:
        """Return float64[owners]: sum of the values of each owner's rows."""
        return np.bincount(self.owner[rows], values[rows], len(self.runs)).astype(np.float64)

    def before(self, values: Floats, weight: float) -> Floats:
        """Return float64[n]: the mean of the owner's earlier values, as if `weight` more had been 0.

        Earlier is by off time, so runners of one race do not see each other.
        """
        order, _, first = self._order
        total = np.cumsum(values[order]) - values[order]
        same = np.zeros(len(order), dtype=np.bool_)
        same[1:] = ~first[1:] & (self.off[order][1:] == self.off[order][:-1])
        at = np.maximum.accumulate(np.where(~same, np.arange(len(order)), 0))
        begin = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
        out = np.zeros(len(values))
        out[order] = (total[at] - total[begin]) / (at - begin + weight)
        return out


def innovation(column: Floats, surprise: Floats, careers: Careers) -> tuple[float, float, int]:
    """Return how the change since the owner's last run goes with this run's surprise, and with the last one's.

    The change of a mean over n runs is 1/n of what came in, so changes are tried plain and times n; the stronger wins.

    Returns:
        (correlation with the run's own surprise, with that of the run before, pairs).
    """
    earlier, later, run = careers.pairs
    change = column[later] - column[earlier]
    known = ~np.isnan(change)
    if known.sum() < 2 * FEWEST_OWNERS:
        return 0.0, 0.0, int(known.sum())
    change, earlier, later, run = change[known], earlier[known], later[known], run[known]
    best = (0.0, 0.0)
    for moved in (change, change * run):
        clipped = _clipped(moved)
        told = (correlation(clipped, surprise[later]), correlation(clipped, surprise[earlier]))
        best = max(best, told, key=lambda t: abs(t[0]))
    return *best, int(known.sum())


@dataclass(frozen=True, slots=True)
class Closeness:
    """How closely a constant of each owner agrees with the owner's mean result."""

    ratio: float = np.nan
    """Squared distance from the owners' means over what sampling alone makes it: 1 or more for anything honest."""
    z: float = 0.0
    """How many standard errors the ratio lies below 1 (negative)."""
    owner: str = ""
    target: str = ""
    owners: int = 0


def closeness(column: Floats, targets: Mapping[str, Floats], careers: Iterable[Careers]) -> Closeness:
    """Return the closest agreement over the kinds of owner for which the column is constant; an empty one if none.

    An honest constant knows at most the owner's true mean, and the mean of n results strays from that by chance. The
    chance is measured inside each owner (unbiased variance), so no distribution is assumed.
    """
    best = Closeness()
    known = ~np.isnan(column)
    spread = float(np.nanstd(column)) if known.any() else 0.0
    if spread <= 0.0:
        return best
    for career in careers:
        rows = known & (career.owner >= 0)
        count = career.total(np.ones(len(column)), rows)
        mean = career.total(column, rows) / np.maximum(count, 1.0)
        left = column[rows] - mean[career.owner[rows]]
        several = count >= 2
        if several.sum() < FEWEST_OWNERS or float(np.sqrt(np.mean(left**2))) > STILL * spread:
            continue
        if len(np.unique(mean[several])) < 5:
            continue
        for target, values in targets.items():
            found = _close(mean, values, rows, career, target)
            if found.z < best.z:
                best = found
    return best


def _close(mean: Floats, target: Floats, rows: Bools, career: Careers, name: str) -> Closeness:
    told = rows & ~np.isnan(target)
    count = career.total(np.ones(len(target)), told)
    held = count >= 2
    result = career.total(np.nan_to_num(target), told)[held] / count[held]
    square = career.total(np.nan_to_num(target) ** 2, told)[held]
    n = count[held]
    noise = np.maximum(square - n * result**2, 0.0) / (n - 1.0)
    x = (mean[held] - mean[held].mean()) / max(float(mean[held].std()), 1e-12)
    weight = np.sqrt(n)
    design = np.column_stack([np.ones(len(x)), x, x**2])
    fit = design @ np.linalg.lstsq(design * weight[:, None], result * weight, rcond=None)[0]
    excess = n * (result - fit) ** 2 - noise
    error = float(np.sqrt((excess**2).sum()))
    if error <= 0.0 or noise.sum() <= 0.0:
        return Closeness()
    ratio = float(1.0 + excess.sum() / noise.sum())
    return Closeness(ratio, float(excess.sum() / error), career.name, name, int(held.sum()))


def correlation(a: Floats, b: Floats) -> float:
    """Return the correlation of two samples; 0 where one of them never varies."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))  # not BLAS: its threads cost more than the sum
    return float((a * b).sum()) / norm if norm > 1e-12 else 0.0


def _clipped(values: Floats) -> Floats:
    middle = float(np.median(values))
    scale = float(np.mean(np.abs(values - middle)))
    return np.clip(values, middle - 6.0 * scale, middle + 6.0 * scale)
