"""Seasons in layouts of which only the header is known, and in two never seen: nearly nothing may be refused."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from oracle.data.dataset import Dataset
from oracle.data.ingest import IngestReport, ingest
from oracle.data.sources import SOURCES, Source
from oracle.data.sources.mapping import mapped

_SPEC = importlib.util.spec_from_file_location("invented", Path(__file__).with_name("invented.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
invented: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["invented"] = invented
_SPEC.loader.exec_module(invented)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def take(folder: Path, source: Source) -> tuple[IngestReport, Any]:
    dataset = Dataset(folder / "dataset")
    report = ingest([folder / "in"], source, dataset, NOW)
    assert not report.learnt_nothing, report.reasons
    return report, dataset.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def nearly_all(report: IngestReport, races: int) -> None:
    assert report.rows_quarantined <= 0.002 * report.rows_read, report.reasons
    assert report.races >= 0.99 * races


@pytest.mark.parametrize("choice", invented.WRITERS)
def test_a_british_season_is_taken_in_whatever_columns_its_user_chose(choice: str, folder: Path) -> None:
    (folder / "in" / "season.csv").write_text(invented.WRITERS[choice](), "utf-8")
    report, rows = take(folder, SOURCES["rpscrape"])
    nearly_all(report, 60 if choice == "hardly a column" else 300)
    assert set(report.notes) <= {"gap_in_positions"}
    assert rows["off"].dt.tz_convert("Europe/London").dt.hour.isin(range(13, 17)).all()
    if choice != "hardly a column":
        for column in ("odds", "weight_kg", "distance_m", "going", "time_s", "age", "sex", "country"):
            assert rows.loc[rows["status"] == "finished", column].notna().all(), column
        assert rows["distance_m"].between(1000, 2420).all()
        assert rows["prize"].between(1, 12).all()


def test_a_hong_kong_pair_is_taken_in(folder: Path) -> None:
    for name, text in zip(("runs.csv", "races.csv"), invented.hkracing(), strict=True):
        (folder / "in" / name).write_text(text, "utf-8")
    report, rows = take(folder, SOURCES["hkracing"])
    nearly_all(report, 300)
    assert rows["weight_kg"].between(50, 76).all()


def test_an_australian_table_is_taken_in_through_a_mapping(folder: Path) -> None:
    (folder / "in" / "far.csv").write_text(invented.australian(), "utf-8")
    (folder / "map.toml").write_text(invented.AUSTRALIAN, "utf-8")
    report, rows = take(folder, mapped(folder / "map.toml"))
    nearly_all(report, 200)
    assert set(report.notes) <= {"gap_in_positions", "unknown_going"}
    assert {"good", "soft", "heavy", "firm", "synthetic"} == set(rows["going"])
    assert rows["prize"].eq(27.5).all()
    assert rows.loc[rows["status"] == "finished", "odds"].gt(1).all()
    assert rows["off"].dt.tz_convert("Australia/Sydney").dt.hour.isin(range(13, 17)).all()


def test_a_german_table_is_taken_in_through_a_mapping(folder: Path) -> None:
    (folder / "in" / "fern.csv").write_bytes(invented.german())
    (folder / "map.toml").write_text(invented.GERMAN, "utf-8")
    report, rows = take(folder, mapped(folder / "map.toml"))
    nearly_all(report, 200)
    assert set(report.notes) <= {"gap_in_positions", "unknown_going"}
    assert "klebrig" in set(rows["going"])
    assert rows["distance_m"].between(1000, 2400).all()
    assert rows["prize"].eq(12.5).all()
    assert rows["dead_heat"].sum() >= 4
    assert "Köln" in set(rows["course"])
