"""Many tests at once: which of their p-values still mean something. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the q-values: to call everything below q drifted is wrong in a share q of the calls, on the mean.

    Benjamini and Hochberg (1995). Holds for independent tests and for those that rise together, as features do. Where
    nothing drifted at all, the chance of any call is at most the level.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
    [0.04, 0.05333333333333334, 0.05333333333333334, 0.5]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[::-1]
    scaled = np.minimum(p[order] * p.size / np.arange(p.size, 0, -1), 1.0)
    out = np.empty_like(p)
    out[order] = np.minimum.accumulate(scaled)
    return [float(q) for q in out]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of Holm (1979): any call below the level is wrong with at most that chance.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    out = np.empty_like(p)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return [float(each) for each in out]
