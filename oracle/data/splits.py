"""History cut by date, in whole races: training, then validation, then test, and walk-forward folds. Pure.

Runners of one race compete for one win, and races of one day share going, jockeys and weather. A split by rows lets a
model read the answer of one runner off its rivals (it lifts a random model to an NDCG of 0.87), so cuts fall between
dates only, the test is always the latest period, and `guard` refuses any assignment that puts a race on two sides.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from oracle.errors import NotEnoughData, RowwiseSplit
from oracle.settings import SplitPolicy

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Which of the given dates (one per race, or one per row) fall in which period; purged ones are in none.

    Attributes:
        train: True where the race may be learnt from.
        validation: True where members stop, blend and calibrate.
        test: True where the result is reported; empty in a walk-forward fold's training part.
        validation_from: First date of the validation period.
        test_from: First date of the test period.
    """

    train: Mask
    validation: Mask
    test: Mask
    validation_from: dt.date
    test_from: dt.date


@dataclass(frozen=True)
class Fold:
    """One step of a walk forward: learn from all that lies before, predict the next period."""

    train: Mask
    predict: Mask
    predict_from: dt.date


def _days(dates: pd.Series | npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return each date as days since 1970; accepts datetimes, dates and ISO text."""
    stamps = pd.DatetimeIndex(pd.to_datetime(pd.Series(dates)))
    if stamps.isna().any():
        raise NotEnoughData("a race without a date cannot be placed in a period", next_step="ingest the data again")
    return np.asarray(stamps.tz_localize(None).to_numpy().astype("datetime64[D]").astype(np.int64))


def _date(day: np.int64) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))


def split(dates: pd.Series | npt.ArrayLike, policy: SplitPolicy) -> Split:
    """Cut by date: the latest share is the test, the latest share of what lies before it the validation.

    Args:
        dates: Date of each race or row, in any order; all of one date fall on one side.
        policy: Shares of the distinct dates, and the days purged before each cut.

    Returns:
        Masks in the order of `dates`. Purging takes the last days before a cut out of the earlier period.

    Raises:
        NotEnoughData: a period would be empty.
    """
    days = _days(dates)
    distinct = np.unique(days)
    tests = max(1, round(len(distinct) * policy.test_share))
    validations = max(1, round((len(distinct) - tests) * policy.validation_share))
    if tests + validations >= len(distinct):
        raise NotEnoughData(
            "too few race dates for training, validation and test",
            value=len(distinct),
            allowed=f"at least {tests + validations + 1} distinct dates",
            next_step="ingest more results, or lower split.test_share and split.validation_share",
        )
    test_from, validation_from = distinct[-tests], distinct[-tests - validations]
    parts = Split(
        train=days < validation_from - policy.purge_days,
        validation=(days >= validation_from) & (days < test_from - policy.purge_days),
        test=days >= test_from,
        validation_from=_date(validation_from),
        test_from=_date(test_from),
    )
    if not (parts.train.any() and parts.validation.any()):
        raise NotEnoughData(
            "purging leaves a period without races", value=policy.purge_days, next_step="lower split.purge_days"
        )
    return parts


def walk_forward(
    dates: pd.Series | npt.ArrayLike, folds: int, first_share: float = 0.4, purge_days: int = 0
) -> Iterator[Fold]:
    """Yield expanding folds: each learns from every earlier date and predicts the next equal run of dates.

    Args:
        dates: Date of each race or row, in any order.
        folds: How many periods to predict.
        first_share: Share of the distinct dates that the first fold learns from.
        purge_days: Days before each predicted period that are not learnt from.

    Raises:
        NotEnoughData: there are fewer dates than folds to predict, or nothing to learn from first.
    """
    days = _days(dates)
    distinct = np.unique(days)
    start = max(1, round(len(distinct) * first_share))
    if folds < 1 or len(distinct) - start < folds:
        raise NotEnoughData(
            "too few race dates for the folds", value=folds, allowed=f"1 to {max(len(distinct) - start, 0)} folds"
        )
    for run in np.array_split(distinct[start:], folds):
        train = days < run[0] - purge_days
        if not train.any():
            raise NotEnoughData("purging leaves nothing to learn from", value=purge_days, next_step="lower purge_days")
        yield Fold(train=train, predict=(days >= run[0]) & (days <= run[-1]), predict_from=_date(run[0]))


def guard(race: npt.ArrayLike, *sides: Mask) -> None:
    """Refuse an assignment of rows that puts runners of one race on two sides, or one row on several.

    Args:
        race: Race of each row.
        sides: One mask over the rows per side; a race in none of them is fine.

    Raises:
        RowwiseSplit: names the first race that was torn.

    >>> import numpy as np
    >>> guard(["a", "a", "b"], np.array([True, True, False]), np.array([False, False, True]))
    """
    code, names = pd.factorize(pd.Series(race), use_na_sentinel=False)
    side = np.zeros(len(code), dtype=np.int64)
    for number, mask in enumerate(sides, start=1):
        chosen = np.asarray(mask, dtype=bool)
        torn = chosen & (side > 0)
        side[chosen] = np.where(torn[chosen], -1, number)
    low, high = np.full(len(names), np.iinfo(np.int64).max), np.full(len(names), np.iinfo(np.int64).min)
    np.minimum.at(low, code, side)
    np.maximum.at(high, code, side)
    torn_races = np.flatnonzero((low != high) | (low < 0))
    if len(torn_races):
        raise RowwiseSplit(
            "the split puts runners of one race on two sides",
            value=str(names[torn_races[0]]),
            allowed="whole races on one side",
            next_step="split by date with oracle.data.splits.split",
        )
