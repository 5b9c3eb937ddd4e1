"""The same weeks of earlier years: a reference in which winter is compared with winters. Pure.

Turf is soft in winter and young horses come out in spring; a window of some weeks against the whole year before
would call that drift each time. The reference then is the rows of earlier years in the same ISO weeks, with a margin.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import ArrayLike

from oracle.ranking.races import Bools, Ints

EPOCH = dt.date(1970, 1, 1)
OTHER_YEAR = 26 * 7
"""Days before the window from which a week counts as one of an earlier year: its own margin is not its past."""


def iso_weeks(days: ArrayLike) -> Ints:
    """Return the ISO week of each day since 1970; the rare week 53 counts as 52.

    >>> iso_weeks([0, 4, 18_992]).tolist()  # Thursday 1 and Monday 5 January 1970, Friday 31 December 2021
    [1, 2, 52]
    """
    days = np.asarray(days, dtype=np.int64)
    thursday = days - (days + 3) % 7 + 3  # the Thursday of a week decides which year it belongs to
    dates = thursday.astype("datetime64[D]")
    first = dates.astype("datetime64[Y]").astype("datetime64[D]")
    return np.asarray(np.minimum((dates - first).astype(np.int64) // 7 + 1, 52), dtype=np.int64)


def same_weeks(days: ArrayLike, first: int, last: int, margin: int) -> Bools:
    """Return which days are in the weeks of a window, or up to `margin` weeks beside them, of an earlier year.

    Args:
        days: Days since 1970.
        first: First day of the window.
        last: Its last day.
        margin: Weeks on either side.

    >>> window = [(dt.date(2024, 3, d) - EPOCH).days for d in (4, 10)]
    >>> wanted = [(dt.date(y, m, 6) - EPOCH).days for y, m in ((2023, 3), (2023, 6), (2024, 3))]
    >>> same_weeks(wanted, *window, margin=1).tolist()
    [True, False, False]
    """
    days = np.asarray(days, dtype=np.int64)
    spanned = np.arange(first - 7 * margin, last + 7 * margin + 1)
    return np.asarray(np.isin(iso_weeks(days), np.unique(iso_weeks(spanned))) & (days < first - OTHER_YEAR))
