"""Runner rows with columns of somebody's own: a dataset that others added to, a plain table, a file beside either.

Nothing is checked or corrected here as ingestion does it: the rows serve to look at the extra columns, not to learn
from. A table needs to say which race, which horse, when and how it ended; whatever else is canonical is used where it
is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oracle.data.dataset import Dataset
from oracle.errors import BadInput, NoSuchDataset, UnreadableFile
from oracle.race import COLUMNS, ESTIMATED_GAP, KNOWN_AT, Known, Status

READABLE = (".parquet", ".csv", ".csv.gz")
NOON = pd.Timedelta(hours=12)
NUMERIC_SHARE = 0.9
"""Share of the texts of a column that must be numbers for it to be read as numbers."""
PLUMBING = frozenset({"month", "year", "race_number", "off_estimated", "field_size"})
"""Numbers that say where a row stands and nothing of its runner."""


@dataclass(frozen=True)
class Table:
    """Runner rows, and what else stands in them."""

    name: str
    frame: pd.DataFrame
    """Canonical columns, as far as they are there; ready for `oracle.features.races.from_frame`."""
    columns: Mapping[str, np.typing.NDArray[np.float64]]
    """float64 of each numeric column that is known at the off or is nobody's: what a scan looks at."""
    passed_over: tuple[str, ...]
    """Extra columns that are no numbers."""


def read(path: str) -> Table:
    """Return the rows at a path: an ingested dataset, a folder of Parquet or CSV files, or one such file.

    Raises:
        NoSuchDataset: there is nothing at the path.
        UnreadableFile: a file is no table, or lacks a column that is needed.
    """
    return table(_rows(path), Path(path.rstrip("/")).name)


def table(rows: pd.DataFrame, name: str = "rows") -> Table:
    """Return rows in memory as a table; see `read`."""
    frame = _canonical(rows, name)
    numbers, passed_over = _numbers(rows)
    return Table(name, frame, numbers, passed_over)


def beside(found: Table, path: str) -> Table:
    """Return the table with the numeric columns of a file joined to it, by race and horse (or number), and no others.

    Raises:
        UnreadableFile: the file cannot be joined: no race, no horse, a runner twice, or no runner in common.
    """
    rows = _read_file(Path(path))
    key = next((k for k in ("horse_id", "horse", "number") if k in rows and k in found.frame), None)
    if "race_id" not in rows or key is None:
        raise UnreadableFile(
            "the columns cannot be joined to the runners",
            value=path,
            allowed="race_id and one of horse_id, horse, number, beside any numeric columns",
        )
    index = _keys(rows, key)
    if index.has_duplicates:
        twice = index[index.duplicated()][0]
        raise UnreadableFile(
            "a runner stands twice in the file", value=", ".join(map(str, twice)), next_step="keep one row each"
        )
    wanted = _keys(found.frame, key)
    at = index.get_indexer(wanted)
    if not (at >= 0).any():
        raise UnreadableFile(
            "no runner of the file is in the dataset",
            value=f"{index[0][0]}, {index[0][1]}" if len(index) else "an empty file",
            allowed=f"such as {wanted[0][0]}, {wanted[0][1]}",
        )
    numbers, passed_over = _numbers(rows.drop(columns=["race_id", *(k for k in ("horse_id", "horse") if k in rows)]))
    joined = {n: np.where(at >= 0, values[at], np.nan) for n, values in numbers.items() if n != key}
    return Table(found.name, found.frame, joined, passed_over)


def _keys(rows: pd.DataFrame, key: str) -> pd.MultiIndex:
    named = pd.to_numeric(rows[key], errors="coerce").astype("float64") if key == "number" else rows[key].astype(str)
    return pd.MultiIndex.from_arrays([rows["race_id"].astype(str), named])


def only(found: Table, names: list[str]) -> Table:
    """Return the table with some of its columns.

    Raises:
        BadInput: it has no such numeric column.
    """
    for name in names:
        if name not in found.columns:
            raise BadInput("no such numeric column to scan", value=name, allowed=list(found.columns) or "none")
    return Table(found.name, found.frame, {n: found.columns[n] for n in names}, found.passed_over)


def _rows(path: str) -> pd.DataFrame:
    if "://" in path:
        return Dataset(path).read()
    where = Path(path)
    if where.is_file():
        return _read_file(where)
    files = sorted(f for f in where.rglob("*") if f.is_file() and _is_table(f.relative_to(where)))
    if not files:
        raise NoSuchDataset(
            "there is no dataset and no table of runners",
            value=path,
            allowed="an ingested dataset, or Parquet or CSV with race_id, date, horse_id, position",
            next_step="make one with `oracle ingest PATH --format FORMAT --out DATASET` or `oracle simulate`",
        )
    return pd.concat([_read_file(f) for f in files], ignore_index=True)


def _is_table(file: Path) -> bool:
    hidden = any(part.startswith(("_", ".")) for part in file.parts)
    return not hidden and file.name.lower().endswith(READABLE)


def _read_file(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise UnreadableFile("there is no such file", value=str(file), allowed=READABLE)
    if not file.name.lower().endswith(READABLE):
        raise UnreadableFile("the file is no table that is read here", value=str(file), allowed=READABLE)
    try:
        if file.suffix.lower() == ".parquet":
            return pd.read_parquet(file, partitioning=None)
        ids: dict[Any, Any] = {c.name: str for c in COLUMNS if str(c.type) == "string"}
        return pd.read_csv(file, dtype=ids, encoding="utf-8-sig", low_memory=False)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"the file cannot be read: {error}", value=str(file), allowed=READABLE) from error


def _canonical(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    frame = rows[[c.name for c in COLUMNS if c.name in rows]].copy()
    if "horse_id" not in frame and "horse" in frame:
        frame["horse_id"] = frame["horse"]
    for who in ("jockey", "trainer"):
        if f"{who}_id" not in frame and who in frame:
            frame[f"{who}_id"] = frame[who]
    for needed in ("race_id", "date", "horse_id", "position"):
        if needed not in frame:
            raise UnreadableFile(
                "the rows lack a column",
                value=needed,
                allowed="race_id, date, horse_id (or horse) and position; see docs/data.md for all",
                next_step=f"name the columns of {name} as docs/data.md does",
            )
    position = pd.to_numeric(frame["position"], errors="coerce")
    frame["position"] = position.where(position > 0)
    frame["date"] = pd.to_datetime(frame["date"], errors="coerce")
    if frame["date"].isna().any():
        raise UnreadableFile("a row has no date that can be read", value=name, allowed="such as 2024-05-31")
    for key in ("race_id", "horse_id"):
        if frame[key].isna().any():
            raise UnreadableFile("a row lacks a value", value=key, allowed="a value in every row")
        frame[key] = frame[key].astype(str)
    if "status" not in frame:
        frame["status"] = _status(frame)
    if "course" not in frame:
        frame["course"] = "unknown"
    if "off" not in frame:
        frame["off"] = frame["date"] + NOON + _turn(frame) * pd.Timedelta(ESTIMATED_GAP)
    frame["off"] = pd.to_datetime(frame["off"], utc=True)
    for column in COLUMNS:
        if column.name in frame and str(column.type) in ("int16", "int32", "double") and column.name != "position":
            frame[column.name] = pd.to_numeric(frame[column.name], errors="coerce")
    return frame.reset_index(drop=True)


def _status(frame: pd.DataFrame) -> np.typing.NDArray[np.object_]:
    """Return what became of each runner as far as the table says: without position and odds it did not start."""
    unplaced = frame["position"].isna()
    priced = pd.to_numeric(frame["odds"], errors="coerce").notna() if "odds" in frame else ~unplaced
    gone = np.where(priced | ("odds" not in frame), str(Status.DID_NOT_FINISH), str(Status.WITHDRAWN))
    return np.asarray(np.where(unplaced, gone, str(Status.FINISHED)), dtype=object)


def _turn(frame: pd.DataFrame) -> pd.Series:
    """Return the number of the race on its day: the card's own, or the order in which races appear."""
    if "race_number" in frame:
        return pd.to_numeric(frame["race_number"], errors="coerce").fillna(1.0) - 1.0
    first = ~frame.duplicated("race_id")
    turn = first.groupby(frame["date"]).cumsum() - 1
    return turn.groupby(frame["race_id"]).transform("min").astype(float)


def _numbers(rows: pd.DataFrame) -> tuple[dict[str, np.typing.NDArray[np.float64]], tuple[str, ...]]:
    """Return the columns a scan looks at, and the names of extra ones that are no numbers."""
    numbers, passed_over = {}, []
    for name in map(str, rows.columns):
        if name in PLUMBING or KNOWN_AT.get(name) is Known.RESULT:
            continue
        values = _as_number(rows[name])
        if values is not None:
            numbers[name] = values
        elif name not in KNOWN_AT:
            passed_over.append(name)
    return numbers, tuple(passed_over)


def _as_number(column: pd.Series) -> np.typing.NDArray[np.float64] | None:
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    elif pd.api.types.is_datetime64_any_dtype(column):
        return None
    else:
        read = pd.to_numeric(column, errors="coerce")
        if read.notna().sum() < max(1.0, NUMERIC_SHARE * column.notna().sum()):
            return None
        values = read.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(np.where(np.isfinite(values), values, np.nan))
