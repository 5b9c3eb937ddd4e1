"""How good the data of a matrix is: how much is there, and how much of it is far out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from oracle.features.matrix import RaceMatrix

FENCE = 3.0
"""Quartile distances beyond the quartiles from which a value is far out (Tukey 1977)."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Completeness and outliers of a matrix."""

    completeness: float
    """Share of cells that hold a value."""
    by_feature: Mapping[str, float]
    """The same for each feature."""
    outlier_percentage: float
    """Percentage of the values that are far out, over features that vary; 0 where there is none."""
    odds_completeness: float
    """Share of starters in races whose every starter has odds."""


def quality(races: RaceMatrix) -> Quality:
    """Return the quality of a history's features."""
    present = ~np.isnan(races.values)
    by_feature = present.mean(axis=0) if len(present) else np.zeros(len(races.names))
    far, counted = 0, 0
    for column in races.values.T:
        values = column[~np.isnan(column)]
        if not len(values):
            continue
        low, high = np.quantile(values, [0.25, 0.75])
        if high > low:
            reach = FENCE * (high - low)
            far += int(((values < low - reach) | (values > high + reach)).sum())
            counted += len(values)
    return Quality(
        completeness=float(by_feature.mean()) if len(by_feature) else 0.0,
        by_feature={n: float(c) for n, c in zip(races.names, by_feature, strict=True)},
        outlier_percentage=100.0 * far / counted if counted else 0.0,
        odds_completeness=float((~np.isnan(races.market)).mean()) if len(races.market) else 0.0,
    )
