"""The check measures itself, and what is said of a past is what a monitor would have seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from oracle.drift import calibration, history, season, selftest
from oracle.settings import DriftPolicy
from tests.drift.invented import races

POLICY = DriftPolicy()


def test_a_few_trials_hold_the_level_and_find_what_was_planted() -> None:
    world = selftest.World(icc=1.0, features=3, races=1000)
    told = selftest.document(world, list(selftest.trials(world, 12, 1, POLICY)), 1, POLICY)
    assert told["false_alarm_rate"] <= 0.17
    assert told["found_rate"] >= 0.9
    assert told["first_rate"] == told["found_rate"]
    assert told["false_alarm_rate_row_level"] > 0.5
    assert "3 columns" in selftest.text(told)


@pytest.mark.realdata
def test_no_more_than_its_level_of_false_alarms_whatever_races_share() -> None:
    for icc in (0.0, 0.2, 1.0):
        world = selftest.World(icc=icc, features=2, races=500)
        told = selftest.document(world, list(selftest.trials(world, 40, 2, POLICY)), 2, POLICY)
        assert told["false_alarm_rate"] <= 0.1


def test_a_turn_in_a_calm_past_is_told_once_and_not_before_it(tmp_path: Path) -> None:
    for i, (year, month) in enumerate(MONTHS):
        table = races(150, seed=i, begin=f"{year}-{month:02d}-01", draw=1.0 if i < TURN else -3.0)
        pq.write_table(table, tmp_path / f"{i:02d}.parquet")
    sliding = calibration.Sliding(current=8, reference=26, step=4)
    (weeks,) = history.weekly(str(tmp_path), {"day": POLICY}).values()
    found = list(calibration.looks(weeks, sliding, POLICY, seasonal=False))
    loud = [look.strengths["outcome"] > 3.0 for look in found]
    assert calibration.alarms(loud) == 1
    assert not any(loud[:3])
    told = calibration.rates(found, sliding)
    assert told["parts"]["outcome"]["alarms"] >= 1
    assert told["parts"]["data"]["floors_for_one_a_year"] == 1.0


def test_less_than_a_year_of_looks_says_nothing_of_a_rate() -> None:
    assert "too short" in calibration.rates([], calibration.Sliding())["reason"]


TURN = 14
MONTHS = [(2022 + i // 12, i % 12 + 1) for i in range(22)]


def test_the_same_weeks_are_those_of_earlier_years_and_never_the_window_itself() -> None:
    first, last = ((np.datetime64(d) - np.datetime64("1970-01-01")).astype(int) for d in ("2024-12-23", "2025-01-05"))
    days = np.arange(first - 3 * 366, last + 1)
    same = season.same_weeks(days, int(first), int(last), margin=0)
    kept = {str(np.datetime64("1970-01-01") + int(d)) for d in days[same]}
    assert {"2023-12-25", "2024-01-02", "2022-12-28"} <= kept
    assert not kept & {"2024-12-20", "2024-12-24", "2023-07-01"}
