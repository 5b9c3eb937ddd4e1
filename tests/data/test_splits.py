"""History is cut by date in whole races, and nothing else is let through."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.splits import guard, split, walk_forward
from oracle.errors import NotEnoughData, RowwiseSplit
from oracle.settings import SplitPolicy

days = st.lists(st.dates(dt.date(2015, 1, 1), dt.date(2020, 12, 31)), min_size=30, max_size=200)
policies = st.builds(SplitPolicy, test_share=st.floats(0.05, 0.4), validation_share=st.floats(0.05, 0.4))


def dates(n=100):
    return pd.Series(pd.date_range("2020-01-01", periods=n))


@settings(max_examples=30)
@given(days=days, policy=policies)
def test_every_period_lies_wholly_after_the_one_before(days, policy):
    when = pd.Series(pd.to_datetime(days))
    if when.nunique() < 10:
        return
    cut = split(when, policy)
    assert (cut.train.astype(int) + cut.validation + cut.test == 1).all()
    assert when[cut.train].max() < when[cut.validation].min()
    assert when[cut.validation].max() < when[cut.test].min()
    assert when[cut.test].min().date() == cut.test_from
    assert when[cut.validation].min().date() == cut.validation_from
    guard(when, cut.train, cut.validation, cut.test)  # a date is on one side, so a race is


@settings(max_examples=30)
@given(days=days, seed=st.integers(0, 99))
def test_the_order_of_the_races_decides_nothing(days, seed):
    when = pd.Series(pd.to_datetime(days))
    if when.nunique() < 10:
        return
    order = np.random.default_rng(seed).permutation(len(when))
    one, other = split(when, SplitPolicy()), split(when.iloc[order], SplitPolicy())
    assert (one.train[order] == other.train).all()
    assert (one.test[order] == other.test).all()


def test_the_shares_are_shares_of_the_dates():
    cut = split(dates(), SplitPolicy(test_share=0.2, validation_share=0.15))
    assert (cut.train.sum(), cut.validation.sum(), cut.test.sum()) == (68, 12, 20)


def test_purged_days_are_on_no_side():
    cut = split(dates(), SplitPolicy(purge_days=3))
    assert (~(cut.train | cut.validation | cut.test)).sum() == 6


def test_datetimes_dates_and_text_are_cut_alike():
    ways = [dates(), dates().dt.date, dates().dt.strftime("%Y-%m-%d"), dates().dt.tz_localize("UTC")]
    assert len({split(when, SplitPolicy()).test.tobytes() for when in ways}) == 1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_dates_are_refused_and_never_an_empty_period(n):
    with pytest.raises(NotEnoughData, match="too few race dates"):
        split(dates(n), SplitPolicy())


def test_a_purge_that_empties_a_period_is_refused():
    with pytest.raises(NotEnoughData, match="purging"):
        split(dates(10), SplitPolicy(purge_days=30))


def test_a_race_without_a_date_is_refused():
    with pytest.raises(NotEnoughData, match="without a date"):
        split(pd.Series([*dates(50), pd.NaT]), SplitPolicy())


def test_folds_expand_and_predict_every_later_date_once():
    folds = list(walk_forward(dates(), 4))
    predicted = np.sum([fold.predict for fold in folds], axis=0)
    assert predicted.tolist() == [0] * 40 + [1] * 60
    for fold in folds:
        assert dates()[fold.train].max() < dates()[fold.predict].min()
    assert [int(fold.train.sum()) for fold in folds] == [40, 55, 70, 85]


def test_more_folds_than_dates_are_refused():
    with pytest.raises(NotEnoughData):
        list(walk_forward(dates(10), 7))
    with pytest.raises(NotEnoughData):
        list(walk_forward(dates(10), 0))


def test_a_rowwise_split_is_refused_and_names_the_race():
    race = np.array(["a", "a", "b", "b"])
    side = np.array([True, False, True, True])
    with pytest.raises(RowwiseSplit, match="'a'"):
        guard(race, side, ~side)


@settings(max_examples=30)
@given(seed=st.integers(0, 999))
def test_a_random_rowwise_split_of_large_fields_is_always_refused(seed):
    race = np.repeat(np.arange(20), 10)
    side = np.random.default_rng(seed).random(200) < 0.5
    with pytest.raises(RowwiseSplit):
        guard(race, side, ~side)


def test_half_a_race_on_a_side_and_half_on_none_is_refused():
    with pytest.raises(RowwiseSplit):
        guard(["a", "a"], np.array([True, False]))


def test_a_race_on_two_sides_at_once_is_refused():
    both = np.array([True, True])
    with pytest.raises(RowwiseSplit):
        guard(["a", "a"], both, both)


def test_whole_races_pass():
    guard(["a", "a", "b", "c"], np.array([True, True, False, False]), np.array([False, False, True, False]))
