"""Answers as Parquet: what Ray Data and pyarrow read is what was kept, a day whole or not at all."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import oracle.store.export
from oracle.errors import BadInput
from oracle.store import Store, embedded
from oracle.store.export import PREDICTIONS, SCORINGS, export
from tests.store.rows import NOON, OFF, prediction, result, scoring

DAY = dt.timedelta(days=1)
CARD = {
    "course": "Redmile",
    "off": OFF.isoformat(),
    "distance_m": 1400,
    "going": "good",
    "runners": [
        {"number": 1, "horse": "A", "horse_id": "h1", "odds": 1.6, "draw": 4, "weight_kg": 60.5},
        {"number": 2, "horse": "b", "odds": 3.4},
        {"number": 3, "horse": "C", "withdrawn": True},
        {"number": 4, "horse": "Renamed"},
        {"number": 9, "horse": "Late"},
    ],
}


def answered(number: int | str = 1, **changes: object):
    said = [
        {
            **{"number": r["number"], "horse": r["horse"], "horse_id": r.get("horse_id"), "odds": r.get("odds")},
            **{"withdrawn": r.get("withdrawn", False), "known": True, "rank": i + 1},
            **{"score": -0.5 * i, "win": 0.25, "place": 0.5, "fair_odds": 4.0, "edge": None},
        }
        for i, r in enumerate(CARD["runners"])
    ]
    answer = {"prediction_id": f"p{number}", "ensemble": "market", "runners": said}
    return prediction(number, card=json.dumps(CARD), answer=json.dumps(answer), **changes)


def read(folder: Path, name: str = "predictions") -> pa.Table:
    return ds.dataset(folder / name, partitioning="hive").to_table()


def test_each_runner_of_each_prediction_is_a_row_with_what_was_said_and_what_became_of_it(store: Store, tmp_path: Path):
    store.predictions.add([answered(experiment="t1", arm="treatment", user="u", latency_ms=2.5, form=7)])
    store.results.add([result(positions=(2, 1, None, 4))])
    done = export(store, tmp_path / "out")
    assert (done.dates, done.predictions, done.scorings, done.rows) == (("2026-05-03",), 1, 0, 5)
    rows = read(tmp_path / "out").to_pylist()
    first = rows[0]
    assert {k: first[k] for k in ("prediction_id", "at", "race_key", "arm", "model_version", "experiment", "form")} == {
        **{"prediction_id": "p1", "at": NOON, "race_key": "r1", "arm": "treatment", "model_version": "3"},
        **{"experiment": "t1", "form": 7},
    }
    assert (first["horse_id"], first["score"], first["win"], first["odds"], first["draw"]) == ("h1", 0.0, 0.25, 1.6, 4)
    assert (first["distance_m"], first["going"], first["ensemble"], first["declared"]) == (1400, "good", "market", 5)
    ends = [(r["horse"], r["status"], r["position"]) for r in rows]
    by_id, by_name, gone, by_number, unknown = ends
    assert by_id == ("A", "finished", 2)
    assert by_name == ("b", "finished", 1)
    assert gone == ("C", "fell", None)
    assert by_number == ("Renamed", "finished", 4)
    assert unknown == ("Late", None, None)
    assert {r["date"] if isinstance(r["date"], str) else str(r["date"]) for r in rows} == {"2026-05-03"}


def test_scorings_of_both_arms_stand_beside_them(store: Store, tmp_path: Path):
    store.scorings.add([scoring(), scoring(version="4", arm="treatment")])
    store.results.add([result()])
    done = export(store, tmp_path / "out")
    assert (done.predictions, done.scorings, done.rows) == (0, 2, 4)
    rows = read(tmp_path / "out", "scorings").to_pylist()
    assert [(r["model_version"], r["horse"], r["score"], r["position"]) for r in rows] == [
        ("3", "A", 1.5, 1),
        ("3", "B", 0.5, 2),
        ("4", "A", 1.5, 1),
        ("4", "B", 0.5, 2),
    ]


def test_days_are_those_of_utc_and_only_those_asked_for_are_written(store: Store, tmp_path: Path):
    midnight = dt.datetime(2026, 5, 4, tzinfo=dt.UTC)
    just_before = (midnight - dt.timedelta(microseconds=1)).astimezone(dt.timezone(dt.timedelta(hours=9)))
    moments = [NOON - DAY, just_before, midnight, NOON + 3 * DAY]
    store.predictions.add([answered(i, at=m) for i, m in enumerate(moments)])
    done = export(store, tmp_path / "part", dt.date(2026, 5, 3), dt.date(2026, 5, 4))
    assert done.dates == ("2026-05-03", "2026-05-04")
    assert set(read(tmp_path / "part")["prediction_id"].to_pylist()) == {"p1", "p2"}
    assert export(store, tmp_path / "all").predictions == 4
    assert export(store, tmp_path / "none", until=dt.date(2020, 1, 1)).dates == ()
    assert not (tmp_path / "none").exists()


def test_exporting_again_replaces_the_day_with_what_is_known_now(store: Store, tmp_path: Path):
    store.predictions.add([answered()])
    export(store, tmp_path / "out")
    first = (tmp_path / "out/predictions/date=2026-05-03/part-0.parquet").read_bytes()
    export(store, tmp_path / "out")
    assert (tmp_path / "out/predictions/date=2026-05-03/part-0.parquet").read_bytes() == first
    store.results.add([result()])
    export(store, tmp_path / "out")
    assert read(tmp_path / "out")["position"].to_pylist() == [1, 2, 3, 4, None]
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["part-0.parquet"]


def test_an_export_that_breaks_leaves_the_day_as_it_was(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store.predictions.add([answered(n) for n in range(5)])
    export(store, tmp_path / "out")
    before = read(tmp_path / "out")
    monkeypatch.setattr(oracle.store.export, "AT_ONCE", 2)
    real = store.results.of_races
    calls: list[int] = []

    def breaks(names: set[str]):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError("in the middle")
        return real(names)

    monkeypatch.setattr(store.results, "of_races", breaks)
    with pytest.raises(MemoryError):
        export(store, tmp_path / "out")
    assert read(tmp_path / "out").equals(before)
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["part-0.parquet"]


def test_answers_that_are_none_of_ours_make_no_rows_and_no_failure(store: Store, tmp_path: Path):
    store.predictions.add([prediction(1, card="no card", answer="no answer"), prediction(2, card="[]", answer="{}")])
    done = export(store, tmp_path / "out")
    assert (done.predictions, done.rows) == (2, 0)
    assert read(tmp_path / "out").schema.names[:-1] == PREDICTIONS.names


def test_memory_does_not_grow_with_what_is_exported(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(oracle.store.export, "AT_ONCE", 25)
    monkeypatch.setattr(oracle.store.predictions, "AT_ONCE", 25)

    def peak(number: int) -> int:
        tracemalloc.start()
        export(store, tmp_path / f"out-{number}")
        tracemalloc.stop() if (used := tracemalloc.get_traced_memory()[1]) else None
        return used

    store.predictions.add([answered(n) for n in range(100)])
    small = peak(1)
    store.predictions.add([answered(n) for n in range(100, 700)])
    assert peak(2) < 2 * small


def test_a_folder_that_cannot_be_written_and_days_in_the_wrong_order_are_refused(store: Store, tmp_path: Path):
    store.predictions.add([answered()])
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="--out"):
        export(store, tmp_path / "file" / "out")
    with pytest.raises(BadInput, match="before the first"):
        export(store, tmp_path / "out", dt.date(2026, 5, 4), dt.date(2026, 5, 3))


READER = """
import json, sys, ray
ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", address="local")
found = ray.data.read_parquet(sys.argv[1] + "/predictions")
told = {"rows": found.count(), "score": found.mean("score"), "names": found.schema().names}
told["scorings"] = ray.data.read_parquet(sys.argv[1] + "/scorings").schema().names
print(json.dumps(told))
"""


@pytest.mark.cluster
def test_ray_data_reads_it(tmp_path: Path):
    store = embedded(tmp_path)
    store.predictions.add([answered(n, at=NOON + n * DAY) for n in range(3)])
    store.scorings.add([scoring()])
    export(store, tmp_path / "out")
    store.close()
    done = subprocess.run(
        [sys.executable, "-c", READER, tmp_path / "out"], capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["rows"], told["score"]) == (15, pytest.approx(-1.0))
    assert set(PREDICTIONS.names) | {"date"} == set(told["names"])
    assert set(SCORINGS.names) | {"date"} == set(told["scorings"])
