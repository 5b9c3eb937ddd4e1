"""A mapping file reads any table, and says what is wrong with itself."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oracle.data.sources import Batch
from oracle.data.sources.base import DTYPES
from oracle.data.sources.mapping import mapped
from oracle.errors import BadInput, UnreadableFile

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SMALL = """
name = "club"
[columns]
date = "day"
course = "track"
race_number = "no"
horse = "horse"
position = "pos"
"""
ROWS = "day,track,no,horse,pos,x\n2024-05-01,Elm,1,A,1,{0}\n2024-05-01,Elm,1,B,2,{1}\n"


def write(folder: Path, mapping: str, rows: str = ROWS) -> tuple[Path, Path]:
    (folder / "map.toml").write_text(mapping, "utf-8")
    (folder / "rows.csv").write_text(rows, "utf-8")
    return folder / "map.toml", folder / "rows.csv"


def read(folder: Path, mapping: str, rows: str = ROWS) -> Batch:
    file, table = write(folder, mapping, rows)
    (batch,) = mapped(file).read([table])
    assert {name: str(kind) for name, kind in batch.rows.dtypes.items()} == dict(DTYPES)
    return batch


def test_the_example_of_the_docs_gives_the_rows_the_docs_show() -> None:
    (batch,) = mapped(EXAMPLES / "mapping.toml").read([EXAMPLES / "results.csv"])
    rows = batch.rows
    assert batch.reason.isna().all()
    assert rows["race_id"].unique().tolist() == ["lindenau-2023-05-07-Lindenau-3"]
    assert rows["off"][0] == pd.Timestamp("2023-05-07 12:20", tz="UTC")
    assert rows["status"].tolist() == ["finished", "finished", "finished", "pulled_up", "withdrawn"]
    assert rows["position"][:3].tolist() == [1, 2, 2]
    assert rows["dead_heat"].tolist() == [False, True, True, False, False]
    assert rows["beaten_lengths"][:3].tolist() == [0.0, 1.5, 1.5]
    assert rows["time_s"][:2].tolist() == [98.2, 98.45]
    assert rows["sex"].tolist() == ["colt", "filly", "gelding", "filly", "gelding"]
    assert rows["field_size"].tolist() == [4] * 5
    assert rows.loc[0, ["distance_m", "going", "prize", "country"]].tolist() == [1600, "good", 12.0, "DE"]
    assert pd.isna(rows["jockey"][4])


def test_a_small_mapping_is_enough_and_estimates_the_off(tmp_path: Path) -> None:
    batch = read(tmp_path, SMALL)
    assert batch.rows["race_id"].tolist() == ["club-2024-05-01-Elm-1"] * 2
    assert batch.rows["off_estimated"].all()
    assert batch.rows["race_type"].tolist() == ["flat"] * 2


@pytest.mark.parametrize(
    ("column", "key", "unit", "text", "value"),
    [
        ("weight_kg", "weight", "kg", "57.5", 57.5),
        ("weight_kg", "weight", "lb", "126", 57.15),
        ("weight_kg", "weight", "st-lb", "9-0", 57.15),
        ("body_weight_kg", "body_weight", "lb", "1000", 453.59),
        ("distance_m", "distance", "m", "1200", 1200),
        ("distance_m", "distance", "km", "1.2", 1200),
        ("distance_m", "distance", "furlong", "6", 1207),
        ("distance_m", "distance", "mile", "1.5", 2414),
        ("distance_m", "distance", "yard", "1320", 1207),
        ("distance_m", "distance", "imperial", "2m4½f", 4124),
        ("time_s", "time", "clock", "1:10.5", 70.5),
        ("time_s", "time", "seconds", "70.5", 70.5),
        ("time_s", "time", "milliseconds", "70500", 70.5),
        ("odds", "odds", "decimal", "3.5", 3.5),
        ("odds", "odds", "fractional", "5/2F", 3.5),
        ("odds", "odds", "american", "+250", 3.5),
        ("prize", "prize", "units", "12,000", 12.0),
        ("prize", "prize", "thousands", "12", 12.0),
    ],
)
def test_every_unit_is_converted(column: str, key: str, unit: str, text: str, value: float, tmp_path: Path) -> None:
    mapping = SMALL + f'{column} = "x"\n[units]\n{key} = "{unit}"\n'
    batch = read(tmp_path, mapping, ROWS.format(f'"{text}"', ""))
    assert batch.reason.isna().all()
    assert batch.rows[column][0] == pytest.approx(value)
    assert pd.isna(batch.rows[column][1])


def test_codes_blanks_and_a_status_column_are_told_by_the_mapping(tmp_path: Path) -> None:
    mapping = (
        SMALL + 'status = "x"\n[position]\nblank = "withdrawn"\n[position.codes]\n'
        'gone = "pulled_up"\ndisq = "disqualified"\n'
    )
    rows = "day,track,no,horse,pos,x\n" + "".join(
        f"2024-05-01,Elm,1,{horse},{pos},{x}\n"
        for horse, pos, x in [("A", "1st", "ok"), ("B", "Gone", ""), ("C", "2", "disq"), ("D", "", ""), ("E", "zz", "")]
    )
    batch = read(tmp_path, mapping, rows)
    assert batch.rows["status"].tolist()[:4] == ["finished", "pulled_up", "disqualified", "withdrawn"]
    assert batch.reason.notna().tolist() == [False] * 4 + [True]


def test_a_full_timestamp_needs_no_date_column_and_a_zone_makes_it_utc(tmp_path: Path) -> None:
    mapping = SMALL.replace('date = "day"', 'off = "day"').replace('race_number = "no"\n', "") + (
        '[formats]\noff = "%Y-%m-%d %H:%M"\ntime_zone = "Asia/Tokyo"\n'
    )
    batch = read(tmp_path, mapping, ROWS.replace("2024-05-01", "2024-05-01 08:30"))
    assert batch.rows["off"][0] == pd.Timestamp("2024-04-30 23:30", tz="UTC")
    assert batch.rows["date"][0] == pd.Timestamp("2024-05-01")
    assert batch.rows["race_id"][0] == "club-2024-05-01-Elm-0830"


def test_shared_positions_without_marks_are_dead_heats(tmp_path: Path) -> None:
    batch = read(tmp_path, SMALL, ROWS.replace("B,2", "B,1"))
    assert batch.rows["dead_heat"].tolist() == [True, True]


def test_a_parquet_table_is_read_like_a_csv(tmp_path: Path) -> None:
    file, _ = write(tmp_path, SMALL + 'odds = "x"\n[formats]\ndate = "%Y-%m-%d"\n')
    frame = pd.DataFrame(
        {"day": pd.to_datetime(["2024-05-01"] * 2).date, "track": "Elm", "no": [1, 1], "horse": ["A", "B"]}
    ).assign(pos=[1.0, 2.0], x=[2.5, None])
    frame.to_parquet(tmp_path / "rows.parquet")
    (batch,) = mapped(file).read([tmp_path / "rows.parquet"])
    assert batch.reason.isna().all()
    assert batch.rows["odds"][0] == 2.5
    assert batch.rows["position"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("change", "named", "allowed"),
    [
        ('nmae = "x"', "nmae", "columns"),
        ('[columns]\nhors = "h"', "hors", "horse_id"),
        ('[columns]\nfield_size = "n"', "field_size", "race_number"),
        ('[units]\nweight = "stone"', "weight", "st-lb"),
        ('[units]\nwieght = "kg"', "wieght", "body_weight"),
        ('[formats]\ntime_zone = "Mars/Base"', "Mars/Base", "IANA"),
        ('encoding = "klingon"', "klingon", "utf-8"),
        ('[position.codes]\nPU = "stopped"', "stopped", "pulled_up"),
        ('[words.going]\ngut = "nice"', "nice", "good_to_firm"),
        ('[words.surface]\nGras = "lawn"', "lawn", "all_weather"),
        ('[constants]\nrace_type = "trot"', "trot", "hurdle"),
        ('[constants]\ncourse = "Elm"', "course", "one of the two"),
        ('[constants]\ndistance_m = "far"', "far", "a number"),
        ('race_id = "{date}-{horse}"', "horse", "course"),
        ('race_id = "{date}-{race_name}"', "race_name", "columns.race_name"),
        ('delimiter = "::"', "::", ""),
        ("[columns", "map.toml", "TOML"),
    ],
)
def test_an_error_names_the_key_the_value_and_what_is_allowed(
    change: str, named: str, allowed: str, tmp_path: Path
) -> None:
    top, _, table = change.partition("\n")
    mapping = SMALL
    if change == "[columns":
        mapping = change
    elif top == "[columns]":
        mapping = SMALL + table
    elif top.startswith("["):
        mapping = SMALL + change
    else:
        mapping = change + ("\n" + SMALL if "name =" in SMALL else "")
    file, _ = write(tmp_path, mapping)
    with pytest.raises(BadInput) as error:
        mapped(file)
    assert named in str(error.value)
    assert allowed in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("lost", ["date", "course", "horse", "position"])
def test_a_mapping_without_what_a_race_needs_is_refused(lost: str, tmp_path: Path) -> None:
    mapping = "\n".join(line for line in SMALL.splitlines() if not line.startswith(f"{lost} ="))
    file, _ = write(tmp_path, mapping)
    with pytest.raises(BadInput, match=lost):
        mapped(file)


def test_a_table_without_a_mapped_column_and_a_missing_mapping_are_named(tmp_path: Path) -> None:
    file, table = write(tmp_path, SMALL + 'odds = "SP"')
    with pytest.raises(UnreadableFile, match="SP"):
        list(mapped(file).read([table]))
    with pytest.raises(BadInput, match="nowhere"):
        mapped(tmp_path / "nowhere.toml")


def test_another_encoding_and_a_tab_are_read_when_the_mapping_says_so(tmp_path: Path) -> None:
    file, table = write(tmp_path, 'encoding = "cp1252"\ndelimiter = "\\t"\n' + SMALL)
    table.write_bytes(ROWS.replace(",", "\t").replace("Elm", "Königswald").encode("cp1252"))
    (batch,) = mapped(file).read([table])
    assert batch.rows["course"].tolist() == ["Königswald"] * 2


def test_decimal_commas_are_read_and_an_ambiguous_point_is_a_reason(tmp_path: Path) -> None:
    mapping = 'decimal = ","\n' + SMALL + 'odds = "x"\n'
    batch = read(tmp_path, mapping, ROWS.format('"1.234,5"', "3.5"))
    assert batch.rows["odds"][0] == 1234.5
    assert batch.reason[1] == "unreadable_odds: '3.5'"
