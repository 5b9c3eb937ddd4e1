"""Which rows are accepted, which are duplicates, which are refused, and why."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.check import check, code_of
from oracle.race import Status
from oracle.settings import CheckPolicy

NOW = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)


def codes(checked):
    return Counter(code_of(r) for r in checked.reasons)


def put(rows, at, **values):
    rows = rows.copy()
    for name, value in values.items():
        rows.loc[at, name] = value
    return rows


def test_a_clean_race_is_accepted_whole(race, batch):
    checked = check(batch(race()), NOW)
    assert len(checked.accepted) == 6
    assert not checked.reasons
    assert checked.accepted["field_size"].eq(6).all()
    assert not checked.notes


def test_accepted_rows_stand_in_card_order_and_not_in_finishing_order(race, batch):
    checked = check(batch(race(number=[6, 5, 4, 3, 2, 1])), NOW)
    assert checked.accepted["number"].tolist() == [1, 2, 3, 4, 5, 6]
    assert checked.accepted["position"].tolist() == [6, 5, 4, 3, 2, 1]
    assert checked.accepted_at.tolist() == [5, 4, 3, 2, 1, 0]


def test_runners_without_a_number_are_ordered_by_horse_and_not_by_result(race, batch):
    unnumbered = race(number=pd.NA, position=[3, 1, 2, 6, 5, 4])
    checked = check(batch(unnumbered.sort_values("position")), NOW)
    assert checked.accepted["horse_id"].tolist() == [f"h{i}" for i in range(1, 7)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"race_id": None}, "missing_race"),
        ({"race_id": " "}, "missing_race"),
        ({"horse_id": None}, "missing_horse"),
        ({"horse": ""}, "missing_horse"),
        ({"course": None}, "missing_value"),
        ({"status": "PU"}, "unknown_status"),
        ({"race_type": "trot"}, "unknown_race_type"),
        ({"date": pd.Timestamp("2021-01-03"), "off": pd.Timestamp("2021-01-03 12:00", tz="UTC")}, "race_in_future"),
        ({"date": pd.Timestamp("1066-10-14"), "off": pd.Timestamp("1066-10-14 12:00", tz="UTC")}, "impossible_date"),
        ({"off": pd.Timestamp("2020-03-14 12:00", tz="UTC")}, "impossible_date"),
        ({"weight_kg": np.inf}, "not_a_number"),
        ({"weight_kg": 12.0}, "impossible_weight"),
        ({"weight_kg": 126.0}, "impossible_weight"),
        ({"body_weight_kg": 1050.0}, "impossible_body_weight"),
        ({"age": 0}, "impossible_age"),
        ({"distance_m": 8}, "impossible_distance"),
        ({"odds": 0.5}, "odds_below_one"),
        ({"odds": -3.0}, "odds_below_one"),
        ({"odds": 1e7}, "impossible_odds"),
        ({"time_s": 30.0}, "impossible_time"),
        ({"time_s": -1.0}, "impossible_time"),
        ({"position": 0}, "impossible_position"),
        ({"position": pd.NA}, "finished_without_position"),
        ({"status": Status.FELL.value}, "position_without_finish"),
    ],
)
def test_an_impossible_row_is_refused_alone_and_its_race_counts_it(race, batch, change, code):
    checked = check(batch(put(race(), 3, **change)), NOW)
    assert codes(checked) == {code: 1}
    assert checked.quarantined.tolist() == [3]
    assert len(checked.accepted) == 5
    if code != "missing_race":
        assert checked.accepted["field_size"].eq(6).all()


@pytest.mark.parametrize(("column", "word"), [("going", "bottomless"), ("surface", "sand"), ("sex", "freemartin")])
def test_a_word_of_another_country_is_kept_and_counted(race, batch, column, word):
    checked = check(batch(race(**{column: word})), NOW)
    assert not checked.reasons
    assert checked.accepted[column].eq(word).all()
    assert checked.notes == {f"unknown_{column}": 6}


@pytest.mark.parametrize("column", ["speed_rating", "performance_rating"])
def test_an_impossible_rating_is_emptied_and_costs_no_result(race, batch, column):
    rows = race(**{column: [100.0, 899.0, -1.0, np.nan, 250.0, 0.0]})
    checked = check(batch(rows), NOW)
    assert not checked.reasons
    assert checked.accepted[column].fillna(-9).tolist() == [100.0, -9, -9, -9, 250.0, 0.0]
    assert checked.notes == {f"{column}_emptied": 2}


def test_the_limits_are_those_of_the_policy(race, batch):
    strict = CheckPolicy(weight_kg=(58.0, 90.0), rating=(0.0, 90.0))
    assert codes(check(batch(race()), NOW, strict)) == {"impossible_weight": 6}


def test_what_the_source_could_not_translate_keeps_the_reason_of_the_source(race, batch):
    checked = check(batch(race(), reasons={4: "unknown_position: 'XX'"}), NOW)
    assert checked.reasons == ("unknown_position: 'XX'",)


def test_the_detail_of_a_reason_names_column_and_value(race, batch):
    assert check(batch(put(race(), 3, weight_kg=12.0)), NOW).reasons == ("impossible_weight: weight_kg=12.0",)
    assert "course" in check(batch(put(race(), 3, course=None)), NOW).reasons[0]


def test_today_and_tomorrow_are_not_the_future_because_of_time_zones(race, batch):
    today = race(day="2021-01-01")
    assert not check(batch(today), NOW).reasons


def test_a_race_that_lost_its_winner_is_refused_whole(race, batch):
    checked = check(batch(put(race(), 0, weight_kg=12.0)), NOW)
    assert codes(checked) == {"impossible_weight": 1, "race_incomplete": 5}


def test_a_race_that_lost_most_of_its_starters_is_refused_whole(race, batch):
    checked = check(batch(put(race(), [2, 3, 4, 5], weight_kg=12.0)), NOW)
    assert codes(checked) == {"impossible_weight": 4, "race_incomplete": 2}


def test_a_repeated_row_is_a_duplicate_however_often_it_comes(race, batch):
    checked = check(batch(race(), race(), race("r2"), race()), NOW)
    assert checked.duplicates.tolist() == [*range(6, 12), *range(18, 24)]
    assert len(checked.accepted) == 12


def test_a_horse_that_stands_twice_with_different_content_is_refused_both_times(race, batch):
    twice = pd.concat([race(), put(race(), 4, odds=99.0).iloc[[4]]], ignore_index=True)
    checked = check(batch(twice), NOW)
    assert codes(checked) == {"duplicate_runner": 2}
    assert checked.quarantined.tolist() == [4, 6]
    assert checked.accepted["field_size"].eq(6).all()


def test_two_winners_without_a_sign_of_a_dead_heat_refuse_the_race(race, batch):
    checked = check(batch(race(position=[1, 1, 3, 4, 5, 6]), race("r2")), NOW)
    assert codes(checked) == {"two_winners": 6}
    assert set(checked.accepted["race_id"]) == {"r2"}


def test_a_shared_lower_position_without_a_sign_refuses_the_race(race, batch):
    assert codes(check(batch(race(position=[1, 2, 3, 3, 5, 6])), NOW)) == {"shared_position": 6}


@pytest.mark.parametrize(
    "signs",
    [
        {"dead_heat": [True, True, False, False, False, False]},
        {"dead_heat": [True, False, False, False, False, False]},
        {"time_s": [96.0, 96.0, 97, 98, 99, 100], "beaten_lengths": [0.0, 0, 1, 2, 3, 4]},
        {"time_s": [96.0, 96.0, 97, 98, 99, 100], "beaten_lengths": np.nan},
        {"time_s": np.nan, "beaten_lengths": [0.0, 0, 1, 2, 3, 4]},
    ],
)
def test_a_marked_or_level_finish_is_a_dead_heat(race, batch, signs):
    checked = check(batch(race(position=[1, 1, 3, 4, 5, 6], **signs)), NOW)
    assert checked.accepted["dead_heat"].tolist() == [True, True, False, False, False, False]
    assert not checked.notes


def test_a_level_time_with_a_margin_between_them_is_no_dead_heat(race, batch):
    rows = race(position=[1, 1, 3, 4, 5, 6], time_s=[96.0, 96.0, 97, 98, 99, 100])
    assert codes(check(batch(rows), NOW)) == {"two_winners": 6}


def test_a_mark_that_nobody_shares_is_no_dead_heat_and_is_noted(race, batch):
    checked = check(batch(put(race(), 2, dead_heat=True)), NOW)
    assert not checked.accepted["dead_heat"].any()
    assert checked.notes == {"dead_heat_mark_alone": 1}


def test_a_race_run_without_a_winner_is_refused(race, batch):
    assert codes(check(batch(race(position=[2, 3, 4, 5, 6, 7])), NOW)) == {"no_winner": 6}


def test_a_void_race_is_accepted_without_a_winner(race, batch):
    checked = check(batch(race(status=Status.VOID.value, position=pd.NA)), NOW)
    assert len(checked.accepted) == 6
    assert checked.accepted["field_size"].eq(0).all()


def test_a_race_both_void_and_run_is_refused(race, batch):
    assert codes(check(batch(put(race(), 5, status="void", position=pd.NA)), NOW)) == {"partly_void": 6}


def test_a_withdrawn_runner_is_accepted_and_not_counted_in_the_field(race, batch):
    checked = check(batch(put(race(), 5, status="withdrawn", position=pd.NA, odds=np.nan)), NOW)
    assert len(checked.accepted) == 6
    assert checked.accepted["field_size"].eq(5).all()


def test_a_walkover_is_a_race(race, batch):
    assert len(check(batch(race(runners=1)), NOW).accepted) == 1


def test_a_faller_leaves_no_gap_and_a_missing_position_is_noted_only(race, batch):
    fell = put(race(), 5, status="fell", position=pd.NA)
    assert not check(batch(fell), NOW).notes
    assert check(batch(race(position=[1, 2, 3, 4, 5, 9])), NOW).notes == {"gap_in_positions": 6}


def test_odds_of_exactly_one_are_a_stake_returned_and_are_noted(race, batch):
    checked = check(batch(put(race(), 0, odds=1.0)), NOW)
    assert not checked.reasons
    assert checked.notes == {"odds_of_one": 1}


def test_race_columns_that_disagree_refuse_the_race_and_say_how(race, batch):
    checked = check(batch(put(race(), 2, going="soft")), NOW)
    assert codes(checked) == {"race_columns_disagree": 6}
    assert "going is good and soft" in checked.reasons[0]


def test_a_race_column_that_stands_on_some_rows_is_filled_on_all(race, batch):
    checked = check(batch(put(race(), [1, 2], distance_m=pd.NA, going=None), race("r2", going=None)), NOW)
    assert checked.accepted.groupby("race_id")["distance_m"].first().to_dict() == {"r1": 1600, "r2": 1600}
    assert checked.accepted["distance_m"].notna().all()
    assert checked.accepted.groupby("race_id")["going"].count().to_dict() == {"r1": 6, "r2": 0}
    assert checked.notes == {"race_column_filled": 2}


def test_nothing_read_is_nothing_checked(race, batch):
    checked = check(batch(race().iloc[:0]), NOW)
    assert len(checked.accepted) == len(checked.quarantined) == len(checked.duplicates) == 0


rows_to_break = st.lists(
    st.tuples(
        st.integers(0, 23),
        st.sampled_from(
            [
                {"race_id": "r2"},
                {"horse_id": "h1"},
                {"horse_id": None},
                {"position": 1},
                {"position": pd.NA},
                {"status": "withdrawn", "position": pd.NA},
                {"status": "void", "position": pd.NA},
                {"status": "fell"},
                {"odds": 0.2},
                {"weight_kg": -1.0},
                {"dead_heat": True},
                {"going": "soft"},
                {"going": None},
                {"time_s": 96.0},
                {"beaten_lengths": 0.0},
                {"date": pd.Timestamp("2091-01-01")},
            ]
        ),
    ),
    max_size=8,
)


@functools.cache
def whole_card(race):
    return pd.concat([race("r1"), race("r2", runners=5), race("r3", runners=7), race("r1")], ignore_index=True)


def broken_card(race, changes):
    rows = whole_card(race)
    for at, change in changes:
        rows = put(rows, at, **change)
    return rows


@settings(max_examples=10)
@given(changes=rows_to_break)
def test_every_row_meets_exactly_one_fate(race, batch, changes):
    rows = broken_card(race, changes)
    checked = check(batch(rows), NOW)
    fates = np.concatenate([checked.accepted_at, checked.duplicates, checked.quarantined])
    assert sorted(fates.tolist()) == list(range(len(rows)))
    assert len(checked.reasons) == len(checked.quarantined)


@settings(max_examples=10)
@given(changes=rows_to_break, seed=st.integers(0, 1000))
def test_the_order_of_the_rows_decides_nothing(race, batch, changes, seed):
    rows = broken_card(race, changes)
    shuffled = rows.sample(frac=1, random_state=seed).reset_index(drop=True)
    one, other = check(batch(rows), NOW), check(batch(shuffled), NOW)
    pd.testing.assert_frame_equal(one.accepted, other.accepted)
    assert codes(one) == codes(other)


@settings(max_examples=10)
@given(changes=rows_to_break)
def test_what_was_accepted_tells_one_story_per_race(race, batch, changes):
    accepted = check(batch(broken_card(race, changes)), NOW).accepted
    assert not accepted.duplicated(["race_id", "horse_id"]).any()
    for _, rows in accepted.groupby("race_id"):
        started = ~rows["status"].isin(["withdrawn", "void"])
        assert not started.any() or rows["position"].eq(1).any()
        assert rows["field_size"].iloc[0] >= started.sum()
        held = rows.loc[rows["position"].notna()]
        assert held["dead_heat"].tolist() == held["position"].duplicated(keep=False).tolist()
