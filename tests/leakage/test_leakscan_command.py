"""`oracle leakscan`: exit code 0 and silence, or 3 and the suspects, on whatever shape the rows come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.data.dataset import Dataset
from tests.models import world

Told = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Runs the command in this process, and returns its exit code and its one document."""
    said: list[bytes] = []
    monkeypatch.setattr(output._Result, "claim", lambda: None)
    monkeypatch.setattr(output._Result, "write", said.append)

    def run(*words: object) -> tuple[int, dict[str, Any]]:
        said.clear()
        code = output.run(app, ["leakscan", *map(str, words), "--json"])
        (document,) = said
        return code, json.loads(document)

    return run


@pytest.fixture
def rows(oracle_home: Path) -> pd.DataFrame:
    found = world.results()
    return found.assign(my_time=found["time_s"], my_weight=found["weight_kg"] * 2.0, note="fast")


@pytest.mark.slow
def test_an_ingested_dataset_is_silent(rows: pd.DataFrame, tmp_path: Path, told: Told) -> None:
    Dataset(str(tmp_path / "d")).append(world.results())
    code, document = told(tmp_path / "d")
    assert (code, document["suspects"]) == (0, [])
    assert document["columns"] > 150


def test_a_column_written_into_the_files_of_a_dataset_is_found(rows: pd.DataFrame, tmp_path: Path, told: Told) -> None:
    Dataset(str(tmp_path / "d")).append(world.results())
    for part in (tmp_path / "d").glob("month=*/*.parquet"):
        month = pd.read_parquet(part, partitioning=None)
        month.assign(secret=-month["beaten_lengths"], fair=month["draw"] * 3).to_parquet(part)
    code, document = told(tmp_path / "d")
    assert code == 3
    assert [(s["feature"], s["source"]) for s in document["suspects"]] == [("secret", "column")]
    assert "fair" in document["own_columns"]


def test_a_plain_table_will_do_and_what_is_no_number_is_named(rows: pd.DataFrame, tmp_path: Path, told: Told) -> None:
    kept = ["race_id", "date", "horse_id", "position", "odds", "my_time", "my_weight", "note"]
    rows[kept].to_csv(tmp_path / "mine.csv", index=False)
    code, document = told(tmp_path / "mine.csv")
    assert code == 3
    assert [s["feature"] for s in document["suspects"]] == ["my_time"]
    assert document["not_scanned"] == ["note"]
    assert told(tmp_path / "mine.csv", "--columns", "my_weight")[0] == 0


def test_columns_stand_in_a_file_of_their_own(rows: pd.DataFrame, tmp_path: Path, told: Told) -> None:
    Dataset(str(tmp_path / "d")).append(world.results())
    rows[["race_id", "horse_id", "my_time", "my_weight"]].to_parquet(tmp_path / "mine.parquet")
    code, document = told(tmp_path / "d", "--columns", tmp_path / "mine.parquet")
    assert code == 3
    assert [s["feature"] for s in document["suspects"]] == ["my_time"]
    assert document["own_columns"] == ["my_time", "my_weight"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("nowhere",), "NoSuchDataset"),
        (("rows.csv", "--columns", "nothing.csv"), "UnreadableFile"),
        (("rows.csv", "--columns", "no_such_column"), "BadInput"),
        (("rows.csv", "--columns", "keyless.csv"), "UnreadableFile"),
        (("rows.csv", "--columns", "strangers.csv"), "UnreadableFile"),
        (("headless.csv",), "UnreadableFile"),
        (("empty.csv",), "UnreadableFile"),
        (("few.csv",), "NotEnoughData"),
    ],
)
def test_bad_input_is_one_error_with_exit_code_2(
    rows: pd.DataFrame,
    tmp_path: Path,
    words: tuple[str, ...],
    kind: str,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    rows.to_csv("rows.csv", index=False)
    rows[["horse_id", "my_time"]].to_csv("keyless.csv", index=False)
    rows[["race_id", "horse_id", "my_time"]].assign(race_id="x").drop_duplicates(["race_id", "horse_id"]).to_csv(
        "strangers.csv", index=False
    )
    rows.drop(columns="position").to_csv("headless.csv", index=False)
    rows.head(50).to_csv("few.csv", index=False)
    Path("empty.csv").write_text("")
    code, document = told(*words)
    assert code == 2
    assert document["error"]["kind"] == kind
    assert document["error"]["allowed"]
