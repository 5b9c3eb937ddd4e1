"""Every trap of the layouts that the software knows, met in invented rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oracle.data.sources import SOURCES, Batch
from oracle.data.sources.base import DTYPES
from oracle.race import COLUMNS

FIXTURES = Path(__file__).parent / "fixtures"


def read(name: str, *paths: Path) -> Batch:
    (batch,) = SOURCES[name].read(paths)
    return batch


def by_horse(batch: Batch) -> pd.DataFrame:
    return batch.rows.drop_duplicates(["race_id", "horse"]).set_index("horse")


@pytest.fixture(scope="module")
def hong_kong() -> Batch:
    return read("hkjc", FIXTURES / "hkjc_results_2024-01-01.csv")


@pytest.fixture(scope="module")
def japan() -> Batch:
    return read("netkeiba", FIXTURES / "netkeiba_20240303.csv")


@pytest.fixture(scope="module")
def ireland() -> Batch:
    return read("racingpost", FIXTURES / "racingpost.csv")


@pytest.mark.parametrize("fixture", ["hong_kong", "japan", "ireland"])
def test_a_batch_has_exactly_the_canonical_columns_and_types(fixture: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(fixture)
    assert list(batch.rows.columns) == [c.name for c in COLUMNS]
    assert {name: str(kind) for name, kind in batch.rows.dtypes.items()} == dict(DTYPES)
    for part in (batch.rows, batch.raw, batch.file, batch.line, batch.reason):
        assert list(part.index) == list(range(len(batch.rows)))
    for column in (c for c in COLUMNS if c.required):
        assert batch.rows[column.name].notna().all(), column.name


def test_hong_kong_codes_have_their_racing_meaning(hong_kong: Batch) -> None:
    status = hong_kong.rows["status"].tolist()[:9]
    assert status == [
        *["finished"] * 4,
        "pulled_up",
        "did_not_finish",
        "disqualified",
        "withdrawn",
        "withdrawn",
    ]
    assert hong_kong.rows["position"][4:].isna()[:6].all()
    assert hong_kong.rows["field_size"][0] == 8  # the row with the unknown code is one more, the withdrawn are not


def test_hong_kong_dead_heats_are_marked_on_both_horses(hong_kong: Batch) -> None:
    assert hong_kong.rows["dead_heat"].tolist()[:4] == [False, True, True, False]


def test_an_unknown_place_code_and_an_unreadable_draw_are_reasons_and_not_errors(hong_kong: Batch) -> None:
    assert hong_kong.reason.dropna().to_dict() == {9: "unknown_position: 'XX'", 12: "unreadable_draw: '1-x'"}


def test_the_id_of_a_hong_kong_horse_is_taken_out_of_its_name(hong_kong: Batch) -> None:
    assert hong_kong.rows.loc[1, ["horse", "horse_id"]].tolist() == ["夏雨", "CM273"]


def test_hong_kong_weights_are_told_apart_and_converted(hong_kong: Batch) -> None:
    assert hong_kong.rows.loc[0, ["weight_kg", "body_weight_kg"]].tolist() == [57.61, 525.26]


def test_a_hong_kong_going_means_firm_on_turf_and_fast_on_sand(hong_kong: Batch) -> None:
    assert hong_kong.rows["going"].tolist()[:1] + hong_kong.rows["going"].tolist()[10:11] == ["firm", "fast"]
    assert hong_kong.rows["surface"].tolist()[10] == "all_weather"


def test_a_hong_kong_race_is_told_by_date_course_and_number_and_timed_by_its_number(hong_kong: Batch) -> None:
    second = hong_kong.rows.iloc[10]
    assert second["race_id"] == "HK-2024-01-01-ST-02"
    assert second["off"] == pd.Timestamp("2024-01-01 12:30", tz="Asia/Hong_Kong")
    assert second["off_estimated"]


def test_hong_kong_cup_races_lack_class_and_distance_and_keep_impossible_odds_for_the_check(hong_kong: Batch) -> None:
    cup = hong_kong.rows.iloc[10]
    assert pd.isna(cup["distance_m"])
    assert pd.isna(cup["race_class"])
    assert cup["odds"] == 1.0


def test_margins_in_words_become_lengths_and_a_winner_is_never_beaten(hong_kong: Batch) -> None:
    assert hong_kong.rows["beaten_lengths"][:3].tolist() == [0.0, 0.1, 0.1]
    assert hong_kong.rows["beaten_lengths"][3:10].isna().all()
    assert hong_kong.rows["beaten_lengths"][10] == 0.0


def test_the_last_call_leaves_the_finish_out_but_keeps_where_a_non_finisher_was(hong_kong: Batch) -> None:
    assert hong_kong.rows.loc[0, ["first_call", "last_call"]].tolist() == [7, 3]
    assert hong_kong.rows.loc[4, ["first_call", "last_call"]].tolist() == [4, 5]
    assert hong_kong.rows.loc[7, ["first_call", "last_call"]].isna().all()


def test_exact_duplicates_stay_for_the_check_and_do_not_swell_the_field(hong_kong: Batch) -> None:
    assert len(hong_kong.rows) == 13
    assert hong_kong.rows["field_size"][10] == 2
    assert hong_kong.line.tolist() == list(range(2, 15))


def test_sectional_times_and_gear_are_taken_from_the_files_beside(tmp_path: Path) -> None:
    day = "2024-01-01.csv"
    text = (FIXTURES / "hkjc_results_2024-01-01.csv").read_text("utf-8")
    (tmp_path / f"results_{day}").write_text(text, "utf-8-sig")
    who = "2024-01-01,沙田,1"
    (tmp_path / f"sectional_times_{day}").write_text(
        "date,venue,race_no,finish_pos,horse_no,horse_name,sec1_time,sec2_time,sec3_time\n"
        f"{who},1,6,春風 (D051),24.44,22.45,23.23 11.50    11.73\n{who},2,8,夏雨 (CM273),24.80,22.37,\n",
        "utf-8-sig",
    )
    (tmp_path / f"commentary_{day}").write_text(
        "date,venue,race_no,place,horse_no,horse_name,jockey,gear,commentary\n"
        f"{who},1,6,春風 (D051),甲,B/XB,好\n{who},2,8,夏雨 (CM273),丙,--,好\n",
        "utf-8-sig",
    )
    (tmp_path / f"dividends_{day}").write_text("date,venue,race_no,pool,combination,dividend_hkd\n", "utf-8-sig")
    rows = by_horse(read("hkjc", tmp_path)).query("race_number == 1")
    assert rows.loc[["春風", "夏雨"], "last_split_s"].tolist() == [23.23, 22.37]
    assert rows.loc["春風", "gear"] == "B/XB"
    assert pd.isna(rows.loc["夏雨", "gear"])


def test_japanese_codes_have_their_racing_meaning(japan: Batch) -> None:
    assert japan.rows["status"].tolist() == [
        *["finished"] * 5,
        "did_not_finish",
        "withdrawn",
        "withdrawn",
        "disqualified",
        "void",
        "void",
    ]
    assert japan.reason.isna().all()
    assert japan.rows["field_size"].tolist() == [7] * 9 + [0] * 2


def test_japanese_margins_are_added_up_behind_the_winner(japan: Batch) -> None:
    assert japan.rows["beaten_lengths"][:5].tolist() == [0.0, 0.05, 1.8, 1.8, 12.8]


def test_japanese_dead_heats_are_told_by_position_and_margin(japan: Batch) -> None:
    assert japan.rows["dead_heat"].tolist()[:5] == [False, False, True, True, False]


def test_japanese_ids_stay_text_and_bracket_and_popularity_stay_out(japan: Batch) -> None:
    assert japan.rows["jockey_id"][0] == "00641"
    assert japan.rows["draw"].tolist()[:3] == [1, 2, 3]
    assert japan.rows["trainer"].tolist()[:2] == ["調教一", "調教二"]


def test_japanese_age_sex_weight_prize_and_class_are_read(japan: Batch) -> None:
    assert japan.rows["sex"].tolist()[:5] == ["colt", "mare", "gelding", "horse", "filly"]
    assert japan.rows["age"].tolist()[:5] == [3, 5, 4, 5, 2]
    assert japan.rows["body_weight_kg"][:2].tolist() == [480.0, 450.0]
    assert pd.isna(japan.rows["body_weight_kg"][2])
    assert japan.rows["prize"][:9].tolist() == [22400.0] * 9  # 2,240 times 10,000 yen, in thousands
    assert japan.rows["race_class"].tolist()[0] == "GIII"
    assert japan.rows["off"][0] == pd.Timestamp("2024-03-03 01:05", tz="UTC")


def test_japanese_jump_races_are_told_by_their_name(japan: Batch) -> None:
    assert japan.rows["race_type"].tolist() == ["flat"] * 9 + ["hurdle"] * 2


def test_an_irish_race_is_told_by_course_and_off_since_race_ids_may_be_course_ids(ireland: Batch) -> None:
    assert list(dict.fromkeys(ireland.rows["race_id"])) == [
        "RP-183-20250708T1705",
        "RP-183-20250708T1140",
        "RP-183-20250708T1805",
        "RP-183-20250708T1905",
    ]
    assert ireland.rows["off"][0] == pd.Timestamp("2025-07-08 16:05", tz="UTC")
    assert ireland.rows["date"][0] == pd.Timestamp("2025-07-08")


def test_stray_words_and_web_marks_leave_the_names(ireland: Batch) -> None:
    first = ireland.rows.iloc[0]
    assert first[["horse", "jockey", "trainer"]].tolist() == ["Quiet Harbour", "A Reader", "B Keeper"]
    assert first["race_name"] == "Willow & Reed Handicap"
    assert pd.isna(ireland.rows["jockey"][1])
    assert pd.isna(ireland.rows["jockey_id"][1])


def test_a_position_of_nought_is_a_non_finisher_without_time_or_margin(ireland: Batch) -> None:
    lame = by_horse(ireland).loc["Lame Harbour"]
    assert lame["status"] == "pulled_up"
    assert lame[["position", "time_s", "beaten_lengths"]].isna().all()


def test_a_refusal_to_race_started_and_a_walkover_is_a_field_of_one(ireland: Batch) -> None:
    assert ireland.rows["status"].tolist()[5] == "refused"
    assert ireland.rows["field_size"].tolist()[4:] == [2, 2, 1, 3, 3, 3]


def test_irish_stones_are_believed_since_the_pounds_beside_them_count_sixteen_to_the_stone(tmp_path: Path) -> None:
    frame = pd.read_csv(FIXTURES / "racingpost.csv", dtype=str, keep_default_na=False).iloc[:2]
    frame["Weight"], frame["WeightInPounds"] = ["11-3", ""], ["179", "157"]
    frame.to_csv(tmp_path / "stones.csv", index=False)
    assert read("racingpost", tmp_path / "stones.csv").rows["weight_kg"].tolist() == [71.21, 71.21]


def test_favourite_marks_are_cut_off_the_odds_and_stones_become_kilograms(ireland: Batch) -> None:
    assert ireland.rows["odds"].round(3).tolist()[:5] == [3.5, 2.0, 4.333, 9.0, 2.0]
    assert ireland.rows["weight_kg"][0] == 58.51


def test_irish_dead_heats_are_level_horses_that_share_a_position(ireland: Batch) -> None:
    assert ireland.rows["dead_heat"].tolist()[:4] == [False, True, True, False]


def test_a_margin_of_nought_behind_the_winner_is_mended_from_the_horse_that_shares_the_position(ireland: Batch) -> None:
    late = by_horse(ireland).loc[["One", "Two", "Three"]]
    assert late["dead_heat"].tolist() == [False, True, True]
    assert late["beaten_lengths"].tolist() == [0.0, 0.5, 0.5]
    assert late["time_s"].tolist() == [58.0, 58.1, 58.1]


def test_other_means_flat_and_a_flat_race_for_jumpers_is_a_bumper(ireland: Batch) -> None:
    assert ireland.rows["race_type"].tolist() == ["flat"] * 4 + ["bumper"] * 2 + ["flat"] * 4


def test_ratings_written_after_the_race_stand_in_columns_known_with_the_result(ireland: Batch) -> None:
    known = {c.name: c.known.value for c in COLUMNS}
    assert ireland.rows.loc[0, ["performance_rating", "speed_rating"]].tolist() == [101.0, 88.0]
    assert (known["performance_rating"], known["speed_rating"], known["odds"]) == ("result", "result", "off")
