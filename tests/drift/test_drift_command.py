"""`oracle drift`: one document, exit code 10 on an alarm, and the windows that a user can name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oracle.cli import output
from oracle.cli.app import app
from tests.drift.invented import races

pytestmark = pytest.mark.slow


@pytest.fixture
def past(tmp_path: Path) -> str:
    """Three springs, the last with heavier horses."""
    folder = tmp_path / "past"
    folder.mkdir()
    for i, year in enumerate((2022, 2023, 2024)):
        table = races(200, seed=i, begin=f"{year}-03-01")
        if year == 2024:
            heavier = pa.array(table["weight_kg"].to_numpy() + 2.0)
            table = table.set_column(table.column_names.index("weight_kg"), "weight_kg", heavier)
        pq.write_table(table, folder / f"{year}.parquet")
    return str(folder)


@pytest.fixture
def oracle(oracle_home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(output._Result, "claim", staticmethod(lambda: None))  # standard output stays where pytest reads
    monkeypatch.setattr(output._Result, "fd", 1)

    def call(*words: str) -> tuple[int, Any]:
        capfd.readouterr()
        code = output.run(app, ["drift", *words, "--json"])
        return code, json.loads(capfd.readouterr().out)

    return call


def test_equal_windows_end_with_0_and_a_moved_one_with_10(oracle: Any, past: str, tmp_path: Path) -> None:
    one, two, moved = (f"{past}/{year}.parquet" for year in (2022, 2023, 2024))
    code, calm = oracle("--reference", one, "--current", two)
    assert (code, calm["verdict"]) == (0, "no drift")
    page = tmp_path / "page.html"
    code, told = oracle("--reference", one, "--current", moved, "--html", str(page))
    assert (code, told["verdict"]) == (10, "drift")
    assert told["causes"][0]["feature"] == "weight_kg"
    assert told["features"]["weight_kg"]["drifted"] is True
    assert told["rows"] == 4000
    assert told["max_ks_error"] <= 1e-3
    assert told["cpu_seconds"] > 0
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_a_window_is_cut_by_date_and_compared_with_what_was_before_or_with_the_same_weeks(
    oracle: Any, past: str
) -> None:
    _, before = oracle("--reference", past, "--current", past, "--since", "2024-03-01")
    assert before["reference"]["last"] < "2024-03-01" <= before["current"]["first"]
    _, same = oracle("--reference", "same-weeks", "--current", past, "--since", "2024-03-08", "--until", "2024-03-14")
    assert same["reference"]["rows"] == before["reference"]["rows"]
    assert same["current"]["last"] == "2024-03-14"


def test_a_kept_reference_says_the_same_and_is_not_read_again(oracle: Any, past: str, tmp_path: Path) -> None:
    one, moved, kept = f"{past}/2022.parquet", f"{past}/2024.parquet", str(tmp_path / "reference.sketch")
    _, first = oracle("--reference", one, "--current", moved, "--keep", kept)
    Path(one).unlink()
    code, again = oracle("--reference", kept, "--current", moved)
    assert code == 10
    for part in ("features", "causes", "prediction", "concept", "outcome", "reference", "current", "max_ks_error"):
        assert again[part] == first[part], part
    Path(kept).write_bytes(b"PAR1")
    code, told = oracle("--reference", kept, "--current", moved)
    assert (code, told["error"]["value"]) == (2, kept)
    code, told = oracle("--reference", moved, "--current", moved, "--keep", str(tmp_path / "nowhere" / "r.sketch"))
    assert code == 2


def test_what_cannot_be_compared_ends_with_2_and_says_what_to_do(oracle: Any, past: str) -> None:
    code, told = oracle("--current", past)
    assert (code, told["error"]["allowed"]) == (2, "--reference A --current B")
    code, told = oracle("--reference", past, "--current", f"{past}/nothing.parquet")
    assert code == 2
    code, told = oracle("--reference", "same-weeks", "--current", f"{past}/2022.parquet")
    assert code == 2
    assert "--history" in told["error"]["next_step"]
    code, told = oracle("--reference", past, "--current", past, "--cluster", "hors")
    assert code == 2


def test_the_check_measures_itself_and_a_past(oracle: Any, past: str) -> None:
    code, told = oracle("selftest", "--reps", "2", "--races", "200")
    assert code == 0
    assert {"false_alarm_rate", "found_rate", "first_rate"} <= told.keys()
    code, told = oracle("calibrate", "--history", past, "--weeks", "2", "--reference-weeks", "8", "--step", "26")
    assert code == 0
    assert {"choices", "advice", "policy"} <= told.keys()


@pytest.mark.cluster
def test_a_cluster_of_its_own_says_the_same(oracle: Any, past: str) -> None:
    """In a process of its own: Ray reads how it is to authenticate when it is first imported."""
    words = ("--reference", f"{past}/2022.parquet", "--current", f"{past}/2024.parquet")
    code, here = oracle(*words)
    script = "from oracle.cli.app import main; main()"
    command = [sys.executable, "-c", script, "drift", *words, "--address", "local", "--json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=240)
    assert code == done.returncode == 10, done.stderr.decode()[-2000:]
    there = json.loads(done.stdout)
    beside = ("seconds", "cpu_seconds", "compared")
    assert {k: v for k, v in here.items() if k not in beside} == {k: v for k, v in there.items() if k not in beside}
