"""The dataset on disk: what is appended is what is read, and a crash leaves what was."""

from __future__ import annotations

import datetime as dt
import itertools
import subprocess
import sys
from pathlib import Path

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.dataset import Appended, Dataset
from oracle.data.folder import Folder
from oracle.errors import BadInput, NoSuchDataset, OracleError, Unavailable
from oracle.race import RUNNERS


def season(race, races=6, first="2020-01-20", step=9, **changes):
    days = pd.date_range(first, periods=races, freq=f"{step}D")
    return pd.concat([race(f"r{i}", str(day.date()), 4, **changes) for i, day in enumerate(days)], ignore_index=True)


def files(path):
    return {f.relative_to(path).as_posix(): f.read_bytes() for f in Path(path).rglob("*") if f.is_file()}


def test_what_is_appended_is_what_is_read(race, tmp_path):
    rows = season(race)
    assert Dataset(tmp_path / "d").append(rows) == Appended(24, 0, 6, 0)
    pd.testing.assert_frame_equal(Dataset(tmp_path / "d").read(), rows)


def test_months_are_hive_partitions_of_the_canonical_schema_alone(race, tmp_path):
    Dataset(tmp_path / "d").append(season(race))
    parts = sorted(p.relative_to(tmp_path / "d").as_posix() for p in (tmp_path / "d").rglob("*.parquet"))
    assert parts == ["month=2020-01/part-0.parquet", "month=2020-02/part-0.parquet", "month=2020-03/part-0.parquet"]
    found = pq.read_schema(tmp_path / "d" / parts[0])
    on_disk = RUNNERS.set(RUNNERS.get_field_index("off"), pa.field("off", pa.timestamp("ms", tz="UTC"), nullable=False))
    assert found == on_disk  # Parquet knows no timestamps of whole seconds
    assert Dataset(tmp_path / "d").months() == ["2020-01", "2020-02", "2020-03"]


def test_rows_come_by_off_time_whatever_the_order_of_appending(race, tmp_path):
    rows = season(race)
    dataset = Dataset(tmp_path / "d")
    for name in ("r4", "r0", "r3", "r1", "r5", "r2"):
        dataset.append(rows[rows["race_id"] == name])
    pd.testing.assert_frame_equal(dataset.read(), rows)


def test_reading_selects_columns_and_dates(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(season(race))
    read = dataset.read(["horse", "date"], start=dt.date(2020, 1, 29), end=dt.date(2020, 2, 16))
    assert list(read.columns) == ["horse", "date"]
    assert sorted({str(d.date()) for d in read["date"]}) == ["2020-01-29", "2020-02-07", "2020-02-16"]
    assert dataset.read(start=dt.date(2030, 1, 1)).empty
    with pytest.raises(BadInput, match="no such column"):
        dataset.read(["colour"])


def test_appending_the_same_again_adds_nothing_and_touches_no_file(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(season(race))
    before = files(tmp_path / "d")
    assert dataset.append(season(race)) == Appended(0, 24, 0, 0)
    assert files(tmp_path / "d") == before


def test_a_corrected_race_replaces_the_old_one_whole(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(season(race))
    corrected = race("r1", "2020-01-29", 3, position=[2, 1, 3])
    assert dataset.append(corrected) == Appended(3, 0, 0, 1)
    read = dataset.read()
    assert len(read) == 23
    assert read.loc[read["race_id"] == "r1", "position"].tolist() == [2, 1, 3]


def test_a_corrected_date_moves_the_race_to_its_month(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(race("r1", "2020-01-29"))
    assert dataset.append(race("r1", "2020-02-01")).races_replaced == 1
    assert dataset.months() == ["2020-02"]
    assert len(dataset.read()) == 6
    assert not (tmp_path / "d" / "month=2020-01").exists()


def test_the_fingerprint_knows_the_content_and_not_the_way_it_came(race, tmp_path):
    rows = season(race)
    one, other = Dataset(tmp_path / "one"), Dataset(tmp_path / "other")
    one.append(rows)
    for name in ("r5", "r2", "r0", "r1", "r4", "r3"):
        other.append(rows[rows["race_id"] == name])
    assert one.fingerprint() == other.fingerprint()
    other.append(race("r5", "2020-03-05", 4, odds=3.0))
    assert one.fingerprint() != other.fingerprint()
    other.append(rows[rows["race_id"] == "r5"])
    assert one.fingerprint() == other.fingerprint()


def test_a_fingerprint_means_the_same_for_years(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(race())
    assert dataset.fingerprint()[:16] == "03c6477fb1841992"


@settings(max_examples=5)
@given(order=st.permutations(range(6)), cuts=st.sets(st.integers(1, 5)))
def test_any_order_and_any_cut_of_the_races_makes_the_same_dataset(race, tmp_path_factory, order, cuts):
    rows = season(race)
    dataset = Dataset(tmp_path_factory.mktemp("any"))
    bounds = [0, *sorted(cuts), 6]
    for low, high in itertools.pairwise(bounds):
        dataset.append(rows[rows["race_id"].isin([f"r{i}" for i in order[low:high]])])
    pd.testing.assert_frame_equal(dataset.read(), rows)


def test_the_summary_counts_rows_races_and_months(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(season(race))
    summary = dataset.summary()
    assert (summary.rows, summary.races, summary.months) == (24, 6, 3)
    assert (summary.first_date, summary.last_date) == (dt.date(2020, 1, 20), dt.date(2020, 3, 5))


def test_pandas_reads_the_folder_and_sees_the_table_alone(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    with dataset.writing() as writer:
        writer.append(season(race))
        writer.keep("_quarantine/refused.jsonl", b"{}\n")
    read = pd.read_parquet(tmp_path / "d")
    assert len(read) == 24
    assert set(read.columns) == {*RUNNERS.names, "month"}


@pytest.fixture
def ray(monkeypatch):
    """A cluster of one core, of this test alone."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray leaves a token in the user's home
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # here: it reads the environment while it is imported

    ray.init(address="local", num_cpus=1, include_dashboard=False)
    yield ray
    ray.shutdown()


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # Ray Data warns of its own settings
def test_ray_reads_the_folder_and_sees_the_table_alone(ray, race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    with dataset.writing() as writer:
        writer.append(season(race))
        writer.keep("_quarantine/refused.jsonl", b"{}\n")
    read = ray.data.read_parquet(str(tmp_path / "d"))
    assert read.count() == 24
    assert set(RUNNERS.names) <= set(read.schema().names)


def test_what_is_no_dataset_is_named_with_the_next_step(tmp_path):
    for read in (Dataset.read, Dataset.months, Dataset.fingerprint, Dataset.summary):
        with pytest.raises(NoSuchDataset, match=r"nowhere.*oracle ingest"):
            read(Dataset(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("hello")
    with pytest.raises(NoSuchDataset):
        Dataset(tmp_path / "file").read()


def test_a_folder_with_other_files_is_not_written_into(race, tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(BadInput, match="holds other files"):
        Dataset(tmp_path).append(race())
    with pytest.raises(BadInput):
        Dataset(tmp_path / "thesis.doc").append(race())
    assert sorted(f.name for f in tmp_path.iterdir()) == ["thesis.doc"]


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[1]", b'{"format": 99, "columns": [], "months": {}}'])
def test_a_manifest_that_makes_no_sense_is_no_dataset(tmp_path, manifest):
    (tmp_path / "_manifest.json").write_bytes(manifest)
    with pytest.raises(NoSuchDataset):
        Dataset(tmp_path).months()


def test_a_lost_month_is_an_error_and_never_a_shorter_history(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(season(race))
    (tmp_path / "d/month=2020-02/part-0.parquet").unlink()
    with pytest.raises(OracleError, match="lost its month 2020-02"):
        dataset.read()


def test_a_lost_index_is_made_again(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(season(race))
    for index in (tmp_path / "d/_index").iterdir():
        index.unlink()
    assert dataset.append(season(race)) == Appended(0, 24, 0, 0)


def test_rows_without_a_required_value_are_not_written(race, tmp_path):
    with pytest.raises(OracleError, match="required column"):
        Dataset(tmp_path / "d").append(race(horse_id=None))
    assert not Dataset(tmp_path / "d").exists()


def test_an_error_between_two_appends_leaves_the_old_state(race, tmp_path):
    dataset = Dataset(tmp_path / "d")
    dataset.append(season(race))
    before = files(tmp_path / "d")

    def interrupted():
        with dataset.writing() as writer:
            writer.append(season(race, first="2020-02-01", odds=9.0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files(tmp_path / "d") == before
    assert dataset.append(season(race)) == Appended(0, 24, 0, 0)


CRASH = """
import os, sys
import pandas as pd
from pathlib import Path
from oracle.data.dataset import Dataset
from oracle.data import folder

step, path, rows = int(sys.argv[1]), sys.argv[2], pd.read_pickle(sys.argv[3])
real, moves = Path.replace, [0]

def replace(self, target):
    if moves[0] == step:
        os._exit(9)
    moves[0] += 1
    return real(self, target)

Path.replace = replace
Dataset(path).append(rows)
"""


@pytest.mark.parametrize("step", [0, 3, 7, 8, 10, 13])
def test_a_process_killed_at_any_step_leaves_the_old_or_the_new_state(race, tmp_path, step):
    old, new = season(race), season(race, odds=9.0)
    dataset, target = Dataset(tmp_path / "d"), Dataset(tmp_path / "new")
    dataset.append(old)
    target.append(new)
    fingerprints = {dataset.fingerprint(), target.fingerprint()}
    new.to_pickle(tmp_path / "rows.pickle")
    command = [sys.executable, "-c", CRASH, str(step), str(tmp_path / "d"), str(tmp_path / "rows.pickle")]
    assert subprocess.run(command, check=False, timeout=60).returncode == 9
    with dataset.writing():
        pass  # the next writer finishes or forgets what the dead one began
    assert dataset.fingerprint() in fingerprints
    pd.testing.assert_frame_equal(dataset.read(), new if dataset.fingerprint() == target.fingerprint() else old)
    assert not (tmp_path / "d/_staging").exists()


def test_a_second_writer_is_turned_away_and_told_who_writes(race, tmp_path):
    with Dataset(tmp_path / "d").writing(), pytest.raises(Unavailable, match=r"process \d+ is writing"):
        Dataset(tmp_path / "d").append(race())
    assert Dataset(tmp_path / "d").append(race()).races_new == 1


def test_the_lock_of_a_dead_process_holds_nobody_up(race, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/_lock").write_text("999999")
    assert Dataset(tmp_path / "d").append(race()).races_new == 1


@pytest.mark.parametrize("path", ["gs://bucket/prefix", "s3://", "http://example.org/d"])
def test_a_place_that_is_neither_a_folder_nor_s3_is_refused(path):
    with pytest.raises(BadInput, match=r"s3://bucket/prefix"):
        Folder(path)


def test_the_manifest_says_what_each_month_holds(race, tmp_path):
    Dataset(tmp_path / "d").append(season(race))
    months = orjson.loads((tmp_path / "d/_manifest.json").read_bytes())["months"]
    assert {name: month["races"] for name, month in months.items()} == {"2020-01": 2, "2020-02": 3, "2020-03": 1}
