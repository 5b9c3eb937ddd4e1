"""A history as a row of moments: in the order in which a training's walk knows things."""

from __future__ import annotations

import datetime as dt

import orjson
import pandas as pd
import pytest

from oracle.replay import calendar
from oracle.replay.calendar import What
from oracle.replay.told import races_of
from oracle.serving.body import read_card
from oracle.serving.results import read_results

NOON = dt.datetime(2020, 3, 4, 12, tzinfo=dt.UTC)


def at(minutes: float) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minutes)


def order(*minutes: float) -> list[tuple[str, int]]:
    return [(m.what.name, m.race) for m in calendar.moments([at(m) for m in minutes])]


def test_a_card_comes_before_its_off_and_its_result_after_it():
    card, result = calendar.moments([NOON])
    assert (card.what, result.what) == (What.CARD, What.RESULT)
    assert card.at < NOON < result.at


def test_a_result_ten_minutes_old_is_known_to_the_next_card():
    assert order(0, 10) == [("CARD", 0), ("RESULT", 0), ("CARD", 1), ("RESULT", 1)]


def test_a_race_off_sooner_does_not_know_the_result():
    assert order(0, 9.9) == [("CARD", 0), ("CARD", 1), ("RESULT", 0), ("RESULT", 1)]


def test_the_monitor_looks_between_results_and_cards():
    looks = [at(10) - calendar.LEAD]
    assert [m.what.name for m in calendar.moments([at(0), at(10)], looks)] == [
        *("CARD", "RESULT", "LOOK", "CARD", "RESULT")
    ]


def test_the_last_look_comes_after_the_last_day():
    assert calendar.looks(dt.date(2020, 1, 1), dt.date(2020, 1, 7), 7)[-1] == dt.datetime(2020, 1, 8, tzinfo=dt.UTC)
    assert calendar.looks(dt.date(2020, 1, 1), dt.date(2020, 1, 7), 0) == []


@pytest.fixture
def races(race) -> pd.DataFrame:
    fallen = race("r2", day="2020-03-05", runners=4, status=["finished", "finished", "fell", "withdrawn"])
    fallen.loc[2:, ["position", "time_s", "beaten_lengths"]] = None
    return pd.concat([race("r1"), fallen], ignore_index=True)


def test_a_card_has_nothing_of_the_result_and_no_odds(races: pd.DataFrame):
    for told in races_of(races, odds=False):
        assert told.card is not None
        names = {name for runner in orjson.loads(told.card)["runners"] for name in runner}
        assert not names & {"position", "time_s", "beaten_lengths", "status", "odds", "speed_rating"}
        assert read_card(told.card).race_id == told.race_id


def test_a_card_has_odds_where_they_are_wanted(races: pd.DataFrame):
    first = races_of(races, odds=True)[0]
    assert first.card is not None
    assert [r.odds for r in read_card(first.card).runners] == [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_a_result_says_how_each_fared(races: pd.DataFrame):
    [told] = read_results(races_of(races, odds=False)[1].result).races
    assert [runner.outcome for runner in told.runners] == ["finished", "finished", "fell", "withdrawn"]
    assert [runner.position for runner in told.runners] == [1, 2, None, None]
    assert told.date == dt.date(2020, 3, 5)


def test_a_race_that_nobody_can_be_asked_about_is_told_all_the_same(race):
    [told] = races_of(race(runners=2, status=["finished", "withdrawn"], position=[1, None]), odds=False)
    assert told.card is None
    assert read_results(told.result).races
