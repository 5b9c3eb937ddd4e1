"""Files that are broken, absent or in another layout raise one error that names them; nothing else ever comes out."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.sources import SOURCES, reading
from oracle.data.sources.base import Batch
from oracle.errors import UnreadableFile

FIXTURES = Path(__file__).parent / "fixtures"
GOOD = {
    "hkjc": FIXTURES / "hkjc_results_2024-01-01.csv",
    "netkeiba": FIXTURES / "netkeiba_20240303.csv",
    "racingpost": FIXTURES / "racingpost.csv",
}


def batches(name: str, *paths: Path) -> list[Batch]:
    return list(SOURCES[name].read(paths))


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_path_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="nowhere"):
        batches(name, tmp_path / "nowhere")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_folder_without_a_file_of_the_layout_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=tmp_path.name):
        batches(name, tmp_path)


@pytest.mark.parametrize("name", sorted(SOURCES))
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x00\x01\x02\x03" * 300,
        bytes(range(256)) * 40,
        b"a,b,c\n1,2,3\n",
        "date,place\n1,2\n".encode("utf-16"),
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"PK\x03\x04" + b"\x00" * 200,
        b"{}",
        b'"never closed',
    ],
    ids=["empty", "blank", "zeros", "binary", "other-header", "utf-16", "pdf", "zip", "json", "open-quote"],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_junk_is_refused_with_its_name(name: str, content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"junk{suffix}"
    file.write_bytes(content)
    with pytest.raises(UnreadableFile, match="junk"):
        batches(name, file)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_file_in_another_layout_says_which_columns_are_missing(name: str) -> None:
    other = next(path for key, path in GOOD.items() if key != name)
    with pytest.raises(UnreadableFile, match="missing"):
        batches(name, other)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_another_encoding_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_bytes(GOOD[name].read_text("utf-8").replace("Quiet", "Quïet").encode("big5hkscs", errors="replace"))
    if file.read_bytes().isascii():
        file.write_bytes(GOOD[name].read_text("utf-8").replace("Quiet", "Quïet").encode("latin-1"))
    with pytest.raises(UnreadableFile, match="other"):
        batches(name, file)


def test_a_truncated_gzip_and_a_truncated_parquet_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(GOOD["racingpost"].read_bytes())
    (tmp_path / "half.csv.gz").write_bytes(packed[: len(packed) // 2])
    pd.read_csv(GOOD["racingpost"], dtype=str).to_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    for half in ("half.csv.gz", "half.parquet"):
        with pytest.raises(UnreadableFile, match=half):
            batches("racingpost", tmp_path / half)


def test_gzip_parquet_and_windows_line_ends_give_the_same_rows(tmp_path: Path) -> None:
    (expected,) = batches("racingpost", GOOD["racingpost"])
    raw = GOOD["racingpost"].read_bytes()
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n"))
    pd.read_csv(GOOD["racingpost"], dtype=str, keep_default_na=False).to_parquet(tmp_path / "c.parquet")
    for name in ("a.csv.gz", "b.csv", "c.parquet"):
        (batch,) = batches("racingpost", tmp_path / name)
        pd.testing.assert_frame_equal(batch.rows, expected.rows)


def test_rows_with_too_few_or_too_many_fields_are_kept_with_a_reason(tmp_path: Path) -> None:
    lines = GOOD["hkjc"].read_text("utf-8").splitlines()
    lines[3] = lines[3].rsplit(",", 4)[0]
    lines[5] += ",more"
    file = tmp_path / "ragged.csv"
    file.write_text("\n".join(lines), "utf-8")
    (batch,) = batches("hkjc", file)
    assert len(batch.rows) == len(lines) - 1
    wrong = batch.reason.fillna("").str.startswith("wrong_number_of_fields")
    assert sorted(batch.line[wrong]) == [4, 6]
    assert batch.raw.iloc[:, 0][wrong].tolist() == [lines[3], lines[5]]


def test_a_quotation_mark_that_is_never_closed_refuses_the_file_instead_of_swallowing_it(tmp_path: Path) -> None:
    lines = GOOD["racingpost"].read_text("utf-8").splitlines()
    file = tmp_path / "swallowed.csv"
    file.write_text("\n".join([lines[0], '"' + lines[1], *lines[2:] * 60]), "utf-8")
    with pytest.raises(UnreadableFile, match="swallowed"):
        batches("racingpost", file)


def test_a_header_may_differ_in_case_spaces_and_order(tmp_path: Path) -> None:
    frame = pd.read_csv(GOOD["racingpost"], dtype=str, keep_default_na=False)
    frame = frame[frame.columns[::-1]].rename(columns=lambda c: f" {c.upper()} ")
    frame.to_csv(tmp_path / "odd.csv", index=False)
    (batch,) = batches("racingpost", tmp_path / "odd.csv")
    (expected,) = batches("racingpost", GOOD["racingpost"])
    pd.testing.assert_frame_equal(batch.rows, expected.rows)


def test_a_table_in_no_known_layout_inside_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(GOOD["netkeiba"].read_bytes())
    (tmp_path / "b.csv").write_text("something,else\n1,2\n")
    with pytest.raises(UnreadableFile, match=r"b\.csv"):
        batches("netkeiba", tmp_path)


@settings(max_examples=12)
@given(
    cells=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 38), st.text(max_size=12)), min_size=1, max_size=6),
    name=st.sampled_from(sorted(GOOD)),
)
def test_no_value_in_a_row_can_raise(
    cells: list[tuple[int, int, str]], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    frame = pd.read_csv(GOOD[name], dtype=str, keep_default_na=False)
    for row, column, value in cells:
        frame.iloc[row % len(frame), column % len(frame.columns)] = value
    file = tmp_path_factory.mktemp("any") / "any.csv"
    frame.to_csv(file, index=False)
    assert sum(len(batch.rows) for batch in batches(name, file)) >= 1


@pytest.mark.parametrize("day", ["", "0000-01-01", "0001-01-01", "2024-02-30", "99999-01-01", "2024-1-1", "1/1/2024"])
@pytest.mark.parametrize(("name", "real"), [("hkjc", "2024-01-01"), ("netkeiba", "2024-03-03")])
def test_a_day_that_never_was_is_a_reason(name: str, real: str, day: str, tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text(GOOD[name].read_text("utf-8").replace(real, day), "utf-8")
    (batch,) = batches(name, tmp_path / "day.csv")
    assert batch.reason.notna().all()


def _long_file(path: Path, order: np.ndarray) -> None:
    frame = pd.read_csv(GOOD["racingpost"], dtype=str, keep_default_na=False).iloc[:4]
    races = [frame.assign(CourseId=str(course)) for course in range(200)]
    pd.concat(races, ignore_index=True).iloc[order].to_csv(path, index=False)


@pytest.mark.parametrize("scattered", [False, True], ids=["races stand together", "races are scattered"])
def test_a_large_file_comes_in_several_batches_and_no_race_is_cut(
    scattered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = np.arange(800)
    _long_file(tmp_path / "long.csv", np.random.default_rng(1).permutation(order) if scattered else order)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(reading, "BATCH_ROWS", 150)
    pieces = list(reading.read([tmp_path / "long.csv"], _racingpost_layout(), rows=150))
    assert len(pieces) > 3
    races = [set(piece.cells["CourseId"]) for piece in pieces]
    assert sum(len(race) for race in races) == 200
    assert sum(len(piece.line) for piece in pieces) == 800
    assert sorted(line for piece in pieces for line in piece.line) == list(range(2, 802))


def _racingpost_layout() -> reading.Layout:
    from oracle.data.sources.racingpost import RESULTS

    return RESULTS
