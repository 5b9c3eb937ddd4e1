"""A window in files is the sketch of its rows: however they are cut into files and row groups, here or on Ray."""

from __future__ import annotations

import datetime as dt
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oracle.data.dataset import Dataset
from oracle.drift import files, grid, parquet, sketch
from oracle.drift.columns import layout
from oracle.drift.racing import RaceSums
from oracle.errors import BadInput, UnreadableFile

N = 3000
CHANCE = np.random.default_rng(3)
RACE = np.repeat(np.arange(N), CHANCE.integers(3, 12, N))[:N]
TABLE = pa.table(
    {
        "race_id": pa.array([f"r{i:04d}" for i in RACE]),
        "date": pa.array([dt.date(2023, 1, 1) + dt.timedelta(days=int(i)) for i in RACE]),
        "form": pa.array(np.where(CHANCE.random(N) < 0.1, np.nan, CHANCE.normal(size=N)), from_pandas=True),
        "age": pa.array(CHANCE.integers(2, 9, N), pa.int16()),
        "going": pa.array(CHANCE.choice(["good", "soft", "heavy"], N)),
        "season": pa.array(np.arange(N) / N),
    }
)
LAYOUT = layout(TABLE.schema)
WHOLE = sketch.of(TABLE, LAYOUT, grid.of_sample(TABLE, LAYOUT))


def written(folder: Path, table: pa.Table = TABLE, rows: int = 700, group: int = 97) -> Path:
    """Write a table as several files of small row groups, as cut as may be."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, at in enumerate(range(0, table.num_rows, rows)):
        pq.write_table(table.slice(at, rows), folder / f"part-{i:02d}.parquet", row_group_size=group)
    return folder


def test_files_and_row_groups_that_cut_races_are_the_sketch_of_the_whole_table(tmp_path: Path) -> None:
    found = files.of(written(tmp_path / "d"))
    assert found.rows == N
    assert found == WHOLE
    one = tmp_path / "one.parquet"
    pq.write_table(TABLE, one)
    assert files.of(one, WHOLE.grid) == WHOLE
    assert files.of([*sorted((tmp_path / "d").glob("*"))], WHOLE.grid) == WHOLE
    assert files.of(str(tmp_path / "d" / "part-*.parquet"), WHOLE.grid) == WHOLE


def test_pieces_large_groups_and_single_columns_are_ways_of_reading_that_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path / "d")
    for module, name, value in (
        (files, "PIECE", 500),
        (parquet, "VALUES_AT_ONCE", 1),
        (parquet, "LARGEST_GROUP", 50),
        (parquet, "BATCH", 31),
    ):
        monkeypatch.setattr(module, name, value)
        assert files.of(folder, WHOLE.grid) == WHOLE


def test_days_choose_rows_and_the_grid_is_made_of_what_they_chose(tmp_path: Path) -> None:
    folder = written(tmp_path / "d")
    first = np.datetime64("2023-03-01").astype(np.int64)
    found = files.of(folder, keep=lambda days: days >= first)
    rows = TABLE.filter(pa.array(TABLE["date"].to_numpy() >= np.datetime64("2023-03-01")))
    assert found == sketch.of(rows, LAYOUT, grid.of_sample(rows, LAYOUT))


def test_a_sample_that_saw_too_little_of_a_column_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FEW", 2000), ("SAMPLE", 256), ("READ", 512)):
        monkeypatch.setattr(files, name, value)
    found = files.of(written(tmp_path / "d")).closed()
    bins, counts = found.grid.columns["season"], found.vector[found.grid.slices["season"]]
    assert counts[: bins.bins][~bins.single].max() <= N / 300


def test_files_with_other_columns_and_other_types_of_numbers_are_one_window(tmp_path: Path) -> None:
    folder = written(tmp_path / "d")
    later = TABLE.drop_columns("going").set_column(3, "age", TABLE["age"].cast(pa.float64()))
    pq.write_table(later, folder / "part-99.parquet")
    found = files.of(folder)
    assert found.rows == 2 * N
    assert [c.name for c in found.layout.columns] == TABLE.column_names


def test_a_dataset_of_ours_is_read_without_what_stands_beside_its_data(race, tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "d")
    with dataset.writing() as writer:
        writer.append(race("a"))
        writer.append(race("b", "2020-05-01"))
        writer.keep("_quarantine/refused.parquet", b"no Parquet")
    found = files.of(tmp_path / "d")
    assert (found.rows, found.race_count) == (12, 2)


def test_what_cannot_be_read_or_compared_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="no Parquet file"):
        files.of(tmp_path / "nowhere")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UnreadableFile, match="not Parquet"):
        files.of(tmp_path / "text.parquet")
    folder = written(tmp_path / "d")
    pq.write_table(pa.table({"race_id": ["x"], "age": ["old"]}), folder / "part-99.parquet")
    with pytest.raises(BadInput, match="disagree on the column age"):
        files.of(folder)
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "undated.parquet")
    with pytest.raises(BadInput, match="no date"):
        files.of(tmp_path / "undated.parquet", keep=lambda days: days > 0)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster of two processors, of this test alone."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray leaves a token in the user's home
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # here: it reads the environment while it is imported

    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # Ray Data warns of its own settings
def test_a_cluster_counts_what_this_process_counts_to_the_last_bit(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oracle.drift import on_ray

    monkeypatch.setattr(files, "PIECE", 300)
    place = np.concatenate([CHANCE.permutation(n) + 1 for n in np.bincount(RACE)])
    judged = TABLE.append_column("win", pa.array(CHANCE.random(N))).append_column("position", pa.array(place))
    folder = written(tmp_path / "d", judged)
    seconds: list[float] = []
    counting = functools.partial(on_ray.counting, spent=seconds.append)
    here, there = (files.of(folder, counter=RaceSums, counting=each) for each in (files.here, counting))
    assert here.races
    assert here == there
    assert here.closed().to_bytes() == there.closed().to_bytes()
    assert sum(seconds) > 0


MEASURED = """
import resource, sys
from oracle.drift import files
for path in sys.argv[1:]:
    files.of(path)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    rows = 1 << 17
    table = pa.table({"race_id": np.arange(rows) // 10, **{f"f{i}": CHANCE.normal(size=rows) for i in range(8)}})
    paths = [tmp_path / f"{times}.parquet" for times in (1, 4)]
    for path, times in zip(paths, (1, 4), strict=True):
        with pq.ParquetWriter(path, table.schema) as writer:
            for _ in range(times):
                writer.write_table(table)
    done = subprocess.run([sys.executable, "-c", MEASURED, *paths], capture_output=True, text=True, check=True)
    once, four_times = map(int, done.stdout.split())
    assert four_times < 1.3 * once
