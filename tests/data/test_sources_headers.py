"""The layouts of joined tables, and the two that are known by their headers only."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oracle.data.sources import SOURCES, Batch
from oracle.data.sources.base import DTYPES
from oracle.errors import UnreadableFile

FIXTURES = Path(__file__).parent / "fixtures"


def read(name: str, *paths: Path) -> Batch:
    (batch,) = SOURCES[name].read(paths)
    assert {column: str(kind) for column, kind in batch.rows.dtypes.items()} == dict(DTYPES)
    return batch


@pytest.fixture(scope="module")
def rpscrape() -> Batch:
    return read("rpscrape", FIXTURES / "rpscrape.csv")


def test_form_book_codes_have_their_racing_meaning(rpscrape: Batch) -> None:
    assert rpscrape.reason.isna().all()
    assert rpscrape.rows["status"].tolist() == [
        *["finished"] * 3,
        "disqualified",
        "pulled_up",
        "refused",
        "withdrawn",
        "void",
        "finished",
    ]
    assert rpscrape.rows["field_size"].tolist() == [6] * 7 + [0, 1]


def test_twelve_hour_times_are_in_the_afternoon_and_local_to_the_country(rpscrape: Batch) -> None:
    offs = rpscrape.rows.drop_duplicates("race_id").set_index("country")["off"]
    assert offs["GB"] == pd.Timestamp("2023-05-06 13:30", tz="UTC")
    assert offs["IE"] == pd.Timestamp("2023-05-06 16:45", tz="UTC")
    assert offs["JP"] == pd.Timestamp("2023-05-07 00:50", tz="UTC")
    assert rpscrape.rows["race_id"][0] == "RP-2023-05-06-newbrook-1430"


def test_values_come_from_the_first_column_that_holds_one(rpscrape: Batch) -> None:
    assert rpscrape.rows["time_s"].tolist()[0] == 96.5
    assert rpscrape.rows["distance_m"].tolist()[-2:] == [4124, 1200]
    assert rpscrape.rows["distance_m"][0] == 1609
    assert rpscrape.rows["prize"][0] == pytest.approx(391.05)
    assert rpscrape.rows["race_class"][0] == "Class 1 Group 1"


def test_level_horses_that_share_a_position_are_a_dead_heat(rpscrape: Batch) -> None:
    assert rpscrape.rows["dead_heat"].tolist() == [False, True, True] + [False] * 6


def test_sex_is_told_by_age_and_a_draw_of_nought_is_none(rpscrape: Batch) -> None:
    assert rpscrape.rows["sex"].tolist()[:3] == ["colt", "mare", "gelding"]
    assert rpscrape.rows["draw"].isna().tolist()[:3] == [False, False, True]
    assert rpscrape.rows["official_rating"].isna().tolist()[:3] == [False, False, True]


def test_runs_are_joined_with_their_races_and_a_run_without_one_has_a_reason() -> None:
    batch = read("hkracing", FIXTURES / "hkracing")
    assert batch.rows["race_id"].tolist()[:2] == ["HK-1997-06-02-HV-01"] * 2
    assert batch.rows["last_split_s"].tolist()[:2] == [24.62, 24.0]
    assert batch.rows["last_call"].tolist()[:2] == [6, 13]
    assert batch.rows["sex"][0] == "gelding"
    assert pd.isna(batch.rows["sex"][1])  # the column says Brown
    assert batch.rows["weight_kg"][0] == 60.33
    assert batch.reason.tolist()[2] == "unknown_race: '7'"


def test_the_two_files_may_be_named_instead_of_the_folder_and_one_alone_is_refused() -> None:
    folder = FIXTURES / "hkracing"
    named = read("hkracing", folder / "races.csv", folder / "runs.csv")
    pd.testing.assert_frame_equal(named.rows, read("hkracing", folder).rows)
    with pytest.raises(UnreadableFile, match="two tables"):
        list(SOURCES["hkracing"].read([folder / "runs.csv"]))


def test_reports_over_several_lines_do_not_disturb_the_join() -> None:
    batch = read("hkjc-2014", FIXTURES / "hkjc-2014")
    assert batch.reason.isna().all()
    assert batch.rows["race_id"].unique().tolist() == ["HK-2024-01-01-ST-01"]
    assert batch.rows["time_s"][0] == 82.33
    assert batch.rows["dead_heat"].tolist() == [True, True, False, False, False]
    assert batch.rows["beaten_lengths"].tolist()[:3] == [0.0, 0.0, 0.3]
    assert batch.rows["status"].tolist()[3:] == ["pulled_up", "withdrawn"]
    assert batch.rows["last_call"].tolist()[:4] == [2, 9, 9, 14]


def test_both_hong_kong_layouts_give_a_race_and_a_horse_the_same_id() -> None:
    daily = read("hkjc", FIXTURES / "hkjc_results_2024-01-01.csv").rows.iloc[0]
    joined = read("hkjc-2014", FIXTURES / "hkjc-2014").rows.iloc[0]
    for name in ("race_id", "course", "horse_id", "off", "track", "surface", "country"):
        assert daily[name] == joined[name], name
