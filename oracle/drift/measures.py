"""How far apart two distributions are, from their counts, and how surely. Pure.

P-values use effective rows: n divided by the design effect, which says by how much the rows of a race repeat each
other. Formulas and their sources stand in docs/drift.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, kolmogorov, ndtr

from oracle.drift.numeric import Floats, Ints, NumericGrid

SMALLEST_EXPECTED: Final = 5.0
"""Effective rows a level needs in both windows under equality; rarer ones are counted as one."""
GROUPS: Final = 10
"""Groups of a numeric column for PSI and Jensen-Shannon, where there are enough rows."""
ROWS_A_GROUP: Final = 30


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts that each lie below a threshold or in a level, with their sums over races."""

    counts: Ints
    squares: Ints
    products: Ints
    """Of a race's count with its rows that have a value."""
    rows: int
    size_squares: int
    races: int
    """0 where rows are independent."""

    def shares(self) -> Floats:
        """Return each count as a share of the rows."""
        return np.asarray(self.counts / max(self.rows, 1), dtype=np.float64)

    def variances(self) -> Floats:
        """Return the variance of each share: between races where there are races, else binomial."""
        share, n = self.shares(), max(self.rows, 1)
        if not self.races:
            return np.asarray(share * (1 - share) / n)
        between = self.squares - 2.0 * share * self.products + share * share * self.size_squares
        return np.asarray(np.maximum(between, 0.0) / n / n * self.races / max(self.races - 1, 1))


def design_effect(below: Sums) -> float:
    """Return how many dependent rows are worth one independent row, at the threshold that varies most; at least 1."""
    share = below.shares()
    independent = float((share * (1 - share)).max(initial=0.0)) / max(below.rows, 1)
    return max(float(below.variances().max(initial=0.0)) / independent, 1.0) if independent > 0 else 1.0


def mean_design_effect(levels: Sums) -> float:
    """Return the mean design effect over levels with which Rao and Scott correct a chi-square; at least 1."""
    share = levels.shares()
    some = share * levels.rows >= SMALLEST_EXPECTED
    if some.sum() < 2:
        return 1.0
    effects = levels.rows * levels.variances()[some] / share[some]  # (1 - p) times the effect of each level
    return max(float(effects.sum() / (1 - share[some]).sum()), 1.0)


def distribution(counts: Ints) -> Floats:
    """Return the distribution function at each edge."""
    return np.asarray(np.cumsum(counts)[:-1] / max(int(counts.sum()), 1), dtype=np.float64)


def ks(reference: Ints, current: Ints, grid: NumericGrid) -> tuple[float, float]:
    """Return the Kolmogorov-Smirnov distance and by how much it may be too small.

    At the edges it is exact. Between two edges the true distance is at most the larger of F(upper) - G(lower) and
    G(upper) - F(lower); a bin that holds one value only has nothing between.
    """
    f, g = distribution(reference), distribution(current)
    distance = float(np.abs(f - g).max(initial=0.0))
    low_f, high_f = np.append(0.0, f), np.append(f, 1.0)
    low_g, high_g = np.append(0.0, g), np.append(g, 1.0)
    most = np.maximum(high_f - low_g, high_g - low_f)[~grid.single]
    return distance, max(float(most.max(initial=0.0)) - distance, 0.0)


def ks_p_value(distance: float, reference: float, current: float) -> float:
    """Return the chance of so large a distance between equal distributions, given effective rows.

    Kolmogorov's limit with Stephens' correction for few rows.
    """
    root = np.sqrt(reference * current / (reference + current))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


def chi_square(reference: Floats, current: Floats) -> tuple[float, float]:
    """Return the contingency chi-square of two windows of effective counts, and its p-value.

    Both windows are samples: the reference is not taken for the truth. Levels with too few expected rows are one level.
    A single level leaves nothing to test, which is a p-value of 1.
    """
    table = merged(np.vstack((reference, current)))
    if table.shape[1] < 2:
        return 0.0, 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


def merged(table: Floats) -> Floats:
    """Return a table of two windows by levels with the rare levels as one.

    >>> merged(np.array([[90.0, 9.0, 1.0, 1.0], [80.0, 11.0, 0.0, 1.0]])).shape
    (2, 2)
    """
    smaller = table.sum(axis=1).min() / max(table.sum(), 1e-300)
    expected = table.sum(axis=0) * smaller
    order = np.argsort(expected, kind="stable")
    rare = int((expected < SMALLEST_EXPECTED).sum())
    while rare and rare < order.size and expected[order[:rare]].sum() < SMALLEST_EXPECTED:
        rare += 1
    if not rare:
        return table
    kept = np.sort(order[rare:])
    return np.column_stack((table[:, kept], table[:, order[:rare]].sum(axis=1)))


def missing_p_value(reference: Sums, current: Sums) -> float:
    """Return the chance of so large a difference in the share of missing rows; races are the units.

    Args:
        reference: One count: missing rows, of all rows.
        current: The same.
    """
    rows = reference.rows + current.rows
    share = float((reference.counts[0] + current.counts[0]) / max(rows, 1))
    if not 0 < share < 1 or not reference.rows or not current.rows:
        return 1.0
    effects = [design_effect(s) for s in (reference, current)]
    if not (0 < reference.counts[0] < reference.rows) or not (0 < current.counts[0] < current.rows):
        effects = [max(effects)] * 2  # a window in which nothing varies says nothing of its races
    weight = sum(effect / s.rows for effect, s in zip(effects, (reference, current), strict=True))
    difference = abs(float(reference.shares()[0] - current.shares()[0]))
    z = max(difference - weight / 2, 0.0) / np.sqrt(share * (1 - share) * weight)
    return float(min(2 * ndtr(-z), 1.0))


def groups(reference: Ints, rows: float) -> Ints:
    """Return the first bin of each group: quantiles of the reference with enough rows in each.

    Args:
        reference: Counts by bin.
        rows: Effective rows of the smaller window.
    """
    wanted = int(np.clip(rows // ROWS_A_GROUP, 2, GROUPS))
    cumulated = np.cumsum(reference)
    ends = np.searchsorted(cumulated, cumulated[-1] * np.arange(1, wanted) / wanted)
    firsts = np.unique(np.append(0, ends + 1))
    firsts = firsts[cumulated[-1] - np.append(0, cumulated)[firsts] > 0]
    heaviest = int(np.argmax(reference))
    if firsts.size < 2:  # one value fills the reference: what lies below it, at it and above it
        firsts = np.unique([0, heaviest, min(heaviest + 1, reference.size - 1)])
    return np.asarray(firsts, dtype=np.int64)


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the population stability index of grouped counts, half a row added to each so that none is empty.

    >>> psi([50, 50], [50, 50])
    0.0
    """
    p, q = (np.asarray(c, dtype=np.float64) + 0.5 for c in (reference, current))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the Jensen-Shannon distance of grouped counts: 0 for equal shares, 1 for disjoint ones.

    >>> jensen_shannon([1, 0], [0, 1])
    1.0
    """
    p, q = (np.asarray(c, dtype=np.float64) for c in (reference, current))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(s > 0, s * np.log2(s / middle), 0.0).sum() / 2 for s in (p, q)]
    return float(np.sqrt(max(sum(terms), 0.0)))


def wasserstein(reference: Ints, current: Ints, grid: NumericGrid, outside: Floats) -> float:
    """Return the area between the two distribution functions, in the column's unit.

    Between two edges both count as straight; beyond the outer edges the distances are known.

    Args:
        reference: Counts by bin.
        current: The same.
        grid: Of both.
        outside: Mean distance below and above the grid, of the reference and of the current window: float64[2, 2].
    """
    gap = distribution(reference) - distribution(current)
    a, b = np.abs(gap[:-1]), np.abs(gap[1:])
    crossing = gap[:-1] * gap[1:] < 0
    with np.errstate(invalid="ignore", divide="ignore"):
        area = np.where(crossing, (a * a + b * b) / (2 * (a + b)), (a + b) / 2)
    return float((np.diff(grid.edges) * area).sum() + np.abs(outside[0] - outside[1]).sum())


def moments(counts: Ints, grid: NumericGrid) -> tuple[float, float]:
    """Return mean and standard deviation of binned rows, each bin at its middle, the outer ones at the ends."""
    e = grid.edges
    at = np.concatenate((e[:1], np.where(grid.single[1:-1], e[1:], e[:-1] + np.diff(e) / 2), e[-1:]))
    n = max(int(counts.sum()), 1)
    mean = float((counts * at).sum() / n)
    return mean, float(np.sqrt(max((counts * (at - mean) ** 2).sum() / n, 0.0)))
