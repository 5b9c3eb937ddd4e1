"""How far each column of a window is from its reference: tests, effect sizes, and a stated outcome where there is none.

Pure: two sketches in, one value a column out. Whether a distance is drift is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from oracle.drift import measures, months
from oracle.drift.categorical import CategoricalGrid, new_levels
from oracle.drift.columns import Column, Kind
from oracle.drift.grid import RACES, ROWS, SIZE_SQUARES
from oracle.drift.measures import Sums
from oracle.drift.numeric import (
    ABOVE,
    BELOW,
    INFINITE,
    MISSING,
    MISSING_SIZE,
    MISSING_SQUARES,
    PRESENT,
    SCALARS,
    THRESHOLDS,
    Floats,
    Ints,
    NumericGrid,
)
from oracle.drift.numeric import SIZE_SQUARES as PRESENT_SQUARES
from oracle.drift.sketch import Sketch

SMALLEST_ROWS = 20
SMALLEST_RACES = 10
SMALLEST_MONTHS = 6


class Outcome(StrEnum):
    """What became of the comparison of a column."""

    MEASURED = "measured"
    CONSTANT = "constant"
    """Both windows hold the same single value."""
    NEW = "new"
    """The reference has no such column, or not a value in it that would tell its type."""
    VANISHED = "vanished"
    """The current window has no such column."""
    ALL_MISSING = "all missing"
    """A window has the column and not one value in it; the test of missing rows still speaks."""
    TOO_FEW = "too few rows"
    TYPE_CHANGED = "type changed"
    SCATTERED = "races scattered"
    """Rows of a race do not stand together, so that nothing is known of their dependence."""


@dataclass(frozen=True, slots=True)
class Distance:
    """What is known of one column. A number that could not be measured is None; `outcome` says why."""

    name: str
    kind: str
    """numeric or categorical."""
    role: str
    outcome: str
    n_reference: int = 0
    """Rows that have a value."""
    n_current: int = 0
    missing_reference: float | None = None
    """Share of rows without a value."""
    missing_current: float | None = None
    missing_p: float | None = None
    ks: float | None = None
    chi2: float | None = None
    p_value: float | None = None
    """Of ks or of chi2, with races as the independent units."""
    psi: float | None = None
    psi_by_chance: float | None = None
    """Of a categorical column, what equal windows of this size with so many levels have on the mean."""
    wasserstein: float | None = None
    """In the column's own unit."""
    wasserstein_sd: float | None = None
    """In standard deviations of the reference."""
    js: float | None = None
    shift_sd: float | None = None
    """By how much the mean rose, in standard deviations of the reference."""
    deff_reference: float | None = None
    deff: float | None = None
    """By how much the rows of the current window repeat each other within a race; the other is the reference's."""
    max_ks_error: float | None = None
    """By how much `ks` may be too small; 0 where it is exact."""
    new_levels: tuple[str, ...] = ()
    """Levels of the current window that the reference never had, as far as they are counted by name."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class _Counted:
    """One column of one window, taken out of its sketch."""

    bins: Ints
    squares: Ints
    products: Ints
    scalars: Ints
    rows: int
    races: int
    size_squares: int

    @property
    def present(self) -> int:
        return int(self.scalars[PRESENT])

    def sums(self, counts: Ints, squares: Ints, products: Ints) -> Sums:
        return Sums(counts, squares, products, self.present, int(self.scalars[PRESENT_SQUARES]), self.races)

    def missing(self) -> Sums:
        counts, squares, products = (self.scalars[i : i + 1] for i in (MISSING, MISSING_SQUARES, MISSING_SIZE))
        return Sums(counts, squares, products, self.rows, self.size_squares, self.races)


def column_distances(
    reference: Sketch,
    current: Sketch,
    *,
    smallest_rows: int = SMALLEST_ROWS,
    smallest_races: int = SMALLEST_RACES,
    smallest_months: int = SMALLEST_MONTHS,
) -> tuple[Distance, ...]:
    """Return the distance of each column that either window has, the reference's first, in their order.

    Args:
        reference: On its own grid.
        current: On the same grid.
        smallest_rows: Rows with a value that a window needs in a column.
        smallest_races: Races that a window needs, where rows are known by race.
        smallest_months: Months that a window needs before their scatter is a yardstick too (`oracle.drift.months`).
    """
    reference, current = reference.closed(), current.closed()
    few = any(s.layout.cluster is not None and s.race_count < smallest_races for s in (reference, current))
    scattered = reference.scattered or current.scattered
    found = []
    for column in _columns(reference, current):
        outcome = _shape(column, reference, current)
        if outcome is not None:
            found.append(Distance(column.name, str(column.kind), str(column.role), str(outcome)))
            continue
        pair = _counted(column.name, reference), _counted(column.name, current)
        reason = Outcome.SCATTERED if scattered else Outcome.TOO_FEW if few else None
        repeated = _repeated(column.name, reference, current, smallest_months)
        found.append(_distance(column, pair, reference, current, smallest_rows, reason, repeated))
    return tuple(found)


def _columns(reference: Sketch, current: Sketch) -> Iterator[Column]:
    """Yield the columns to speak of."""
    known = reference.layout.by_name
    yield from reference.layout.measured
    for column in current.layout.measured:
        before = known.get(column.name)
        if before is None or before.kind not in (Kind.NUMERIC, Kind.CATEGORICAL):
            yield column


def _shape(column: Column, reference: Sketch, current: Sketch) -> Outcome | None:
    """Return the outcome that follows from the two layouts alone, None where there are counts to compare."""
    before, now = (s.layout.by_name.get(column.name) for s in (reference, current))
    if before is None or before.kind is Kind.EMPTY:
        return Outcome.NEW
    if now is None:
        return Outcome.VANISHED
    if before.kind is not now.kind and now.kind is not Kind.EMPTY:
        return Outcome.TYPE_CHANGED
    return None


def _counted(name: str, sketch: Sketch) -> _Counted:
    vector, grid = sketch.vector[sketch.grid.slices[name]], sketch.grid.columns[name]
    sums = THRESHOLDS if isinstance(grid, NumericGrid) else grid.bins
    bins, squares, products, scalars = np.split(vector, np.cumsum([grid.bins, sums, sums]))
    assert scalars.size == SCALARS
    rows, races, sizes = (int(sketch.vector[i]) for i in (ROWS, RACES, SIZE_SQUARES))
    return _Counted(bins, squares, products, scalars, rows, races, sizes)


def _distance(
    column: Column,
    pair: tuple[_Counted, _Counted],
    reference: Sketch,
    current: Sketch,
    smallest: int,
    reason: Outcome | None,
    repeated: Effects,
) -> Distance:
    ours, theirs = pair
    known: dict[str, Any] = {
        "n_reference": ours.present,
        "n_current": theirs.present,
        "missing_reference": _share(ours),
        "missing_current": _share(theirs),
        "missing_p": None if reason else measures.missing_p_value(ours.missing(), theirs.missing()),
    }
    grid = reference.grid.columns[column.name]
    outcome = reason or _content(pair, grid, smallest)
    if outcome is Outcome.MEASURED:
        known |= _numeric(pair, grid, repeated) if isinstance(grid, NumericGrid) else _categorical(pair, repeated)
    if isinstance(grid, CategoricalGrid):
        others = (s.others.get(column.name, {}) for s in (reference, current))
        in_grid = (level for level, n in zip(grid.levels, ours.bins, strict=False) if not n and theirs.present)
        fresh = {level: int(theirs.bins[grid.levels.index(level)]) for level in in_grid}
        before, now = others
        known["new_levels"] = new_levels(before, {**now, **{k: n for k, n in fresh.items() if n}})
    return Distance(column.name, str(column.kind), str(column.role), str(outcome), **known)


def _share(counted: _Counted) -> float | None:
    return int(counted.scalars[MISSING]) / counted.rows if counted.rows else None


def _content(pair: tuple[_Counted, _Counted], grid: NumericGrid | CategoricalGrid, smallest: int) -> Outcome:
    """Return the outcome that follows from the values."""
    if any(c.rows and not c.present for c in pair):
        return Outcome.ALL_MISSING
    if any(c.present < smallest for c in pair):
        return Outcome.TOO_FEW
    filled = np.flatnonzero(pair[0].bins + pair[1].bins)
    one_value = grid.single[filled[0]] if isinstance(grid, NumericGrid) else filled[0] < len(grid.levels)
    return Outcome.CONSTANT if filled.size == 1 and one_value else Outcome.MEASURED


Effects = tuple[float, float]


def _repeated(name: str, reference: Sketch, current: Sketch, least: int) -> Effects:
    """Return the design effects that the months ask for: of a short window those of its reference, for its own size."""
    ours = months.effect(name, reference.months, reference.grid, least)
    theirs = months.effect(name, current.months, reference.grid, 1)
    if ours is None or theirs is None:
        return 1.0, 1.0
    own = theirs[0] if len(current.months.keys) >= least else 1.0
    return ours[0], max(own, ours[0] * theirs[1] / ours[1], 1.0)


def _numeric(pair: tuple[_Counted, _Counted], grid: NumericGrid, least: Effects) -> dict[str, Any]:
    ours, theirs = pair
    at = np.unique(grid.thresholds)
    effects = [
        max(measures.design_effect(c.sums(np.cumsum(c.bins)[at], c.squares[: at.size], c.products[: at.size])), most)
        for c, most in zip(pair, least, strict=True)
    ]
    rows = [c.present / e for c, e in zip(pair, effects, strict=True)]
    distance, error = measures.ks(ours.bins, theirs.bins, grid)
    firsts = measures.groups(ours.bins, min(rows))
    grouped = [np.add.reduceat(c.bins, firsts) for c in pair]
    known = {
        "ks": distance,
        "max_ks_error": error,
        "p_value": measures.ks_p_value(distance, *rows),
        "psi": measures.psi(*grouped),
        "js": measures.jensen_shannon(*grouped),
        "deff_reference": effects[0],
        "deff": effects[1],
    }
    if any(c.scalars[INFINITE] for c in pair):  # an infinite value has no distance to the others
        return known
    moved = measures.wasserstein(ours.bins, theirs.bins, grid, _outside(pair, grid))
    (mean, sd), (now, _) = (measures.moments(c.bins, grid) for c in pair)
    known["wasserstein"] = moved
    return {**known, "wasserstein_sd": moved / sd, "shift_sd": (now - mean) / sd} if sd > 0 else known


def _outside(pair: tuple[_Counted, _Counted], grid: NumericGrid) -> Floats:
    units = [[c.scalars[BELOW] / c.present, c.scalars[ABOVE] / c.present] for c in pair]
    return np.array(units, dtype=np.float64) * grid.unit


def _categorical(pair: tuple[_Counted, _Counted], least: Effects) -> dict[str, Any]:
    effects = [
        max(measures.mean_design_effect(c.sums(c.bins, c.squares, c.products)), most)
        for c, most in zip(pair, least, strict=True)
    ]
    ours, theirs = (c.bins / e for c, e in zip(pair, effects, strict=True))
    statistic, p_value = measures.chi_square(ours, theirs)
    table = measures.merged(np.vstack((ours, theirs)))
    return {
        "chi2": statistic,
        "p_value": p_value,
        "psi": measures.psi(*table),
        "psi_by_chance": float((table.shape[1] - 1) * (1.0 / table[0].sum() + 1.0 / table[1].sum())),
        "js": measures.jensen_shannon(*(c.bins for c in pair)),
        "deff_reference": effects[0],
        "deff": effects[1],
    }
