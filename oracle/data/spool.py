"""Translated rows set down on disk, to be taken up again by runs of months.

Raw files come in any order: one per day, one per year, a race in one file and its correction in another. The check
wants to see a race whole and the dataset wants to write a month once. The spool stands between them: batches go in as
they are read, runs of months come out, and memory follows the larger of a batch and a month.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from oracle.data.fingerprint import text_hashes
from oracle.data.sources.base import DTYPES, Batch
from oracle.race import COLUMNS

NAMES = [c.name for c in COLUMNS]
UNDATED = ""
"""The month of rows that have no date."""
RUN_ROWS = 50_000
"""Rows after which a run of months is closed: large enough that the work per run is small beside the work per row."""


@dataclass(frozen=True)
class Spooled:
    """Rows of a run of months in the order in which they were read, and where their raw text is.

    Attributes:
        batch: The rows as a batch of their own; its raw text is left out (see `Spool.raw`).
        version: 0 for the first telling of a race; 1 for its telling in a later file, and so on.
        origin: Number of the batch each row came in.
        at: Position of each row in that batch.
    """

    batch: Batch
    version: npt.NDArray[np.int64]
    origin: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]

    def of_version(self, version: int) -> Spooled:
        """Return the rows of one telling."""
        chosen = np.flatnonzero(self.version == version)
        part = Batch(
            rows=self.batch.rows.iloc[chosen].reset_index(drop=True),
            raw=pd.DataFrame(index=range(len(chosen))),
            file=self.batch.file.iloc[chosen].reset_index(drop=True),
            line=self.batch.line.iloc[chosen].reset_index(drop=True),
            reason=self.batch.reason.iloc[chosen].reset_index(drop=True),
        )
        return Spooled(part, self.version[chosen], self.origin[chosen], self.at[chosen])


class Spool:
    """Batches in, runs of months out.

    Args:
        folder: An existing empty folder that the caller removes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._batches = 0
        self._slices: dict[str, list[tuple[int, int, int]]] = {}
        self._races: dict[str, list[npt.NDArray[np.uint64]]] = {}
        self._moved: dict[np.uint64, str] | None = None

    def add(self, batch: Batch) -> int:
        """Set a batch down; return its number of rows."""
        rows = batch.rows[NAMES].reset_index(drop=True)
        month = rows["date"].dt.strftime("%Y-%m").fillna(UNDATED).to_numpy(dtype=object)
        held = rows.assign(
            _file=batch.file.astype("str").to_numpy(),
            _line=batch.line.to_numpy(dtype=np.int64),
            _reason=batch.reason.astype("str").to_numpy(),
            _at=np.arange(len(rows)),
            _race=text_hashes(rows["race_id"]),
            off=rows["off"].dt.tz_convert(None),  # pyarrow's own conversion of zones is deprecated in pandas
        )
        order = np.argsort(month.astype(str), kind="stable")
        _write(self._folder / f"rows-{self._batches}.arrow", held.iloc[order])
        _write(self._folder / f"raw-{self._batches}.arrow", batch.raw)
        names, starts, sizes = np.unique(month[order].astype(str), return_index=True, return_counts=True)
        for name, start, size in zip(names.tolist(), starts.tolist(), sizes.tolist(), strict=True):
            self._slices.setdefault(name, []).append((self._batches, start, size))
            self._races.setdefault(name, []).append(np.unique(held["_race"].to_numpy()[order][start : start + size]))
        self._batches += 1
        return len(rows)

    def runs(self, rows: int = RUN_ROWS) -> list[tuple[str, ...]]:
        """Return runs of the months that have rows, ascending, `UNDATED` first, about `rows` rows in each."""
        sizes = {month: sum(size for _, _, size in slices) for month, slices in sorted(self._slices.items())}
        before = np.cumsum([0, *sizes.values()])
        runs: dict[int, tuple[str, ...]] = {}
        for month, start in zip(sizes, before.tolist(), strict=False):
            runs[start // rows] = (*runs.get(start // rows, ()), month)
        return list(runs.values())

    def _homes(self) -> dict[np.uint64, str]:
        """Return the first month of each race that has rows in several: a slip in a date must not split a race."""
        if self._moved is None:
            each = {m: np.unique(np.concatenate(self._races[m])) for m in sorted(self._races) if m != UNDATED}
            keys, counts = np.unique(np.concatenate([*each.values(), np.zeros(0, np.uint64)]), return_counts=True)
            several = keys[counts > 1]
            self._moved = {}
            for month in reversed(each):
                self._moved.update(dict.fromkeys(each[month][np.isin(each[month], several)], month))
        return self._moved

    def load(self, run: Sequence[str]) -> Spooled:
        """Return the rows of a run of months; all rows of a race come with the first month that it has rows in."""
        homes = self._homes()
        mine = [race for race, home in homes.items() if home in run]
        rows = self._rows_of(run)
        rows = rows[~rows["_race"].isin(list(homes)) | rows["_race"].isin(mine) | rows["date"].isna()]
        strayed = np.array(mine, dtype=np.uint64)
        others = [m for m in self._races if m not in (*run, UNDATED)]
        if holders := [m for m in others if any(np.isin(part, strayed).any() for part in self._races[m])]:
            away = self._rows_of(holders)
            rows = pd.concat([rows, away[away["_race"].isin(mine)]], ignore_index=True)
        return _spooled(rows.sort_values(["_origin", "_at"], ignore_index=True))

    def _rows_of(self, months: Sequence[str]) -> pd.DataFrame:
        slices = [
            _table(self._folder / f"rows-{batch}.arrow")
            .slice(start, size)
            .append_column("_origin", pa.array(np.full(size, batch, dtype=np.int64)))
            for month in months
            for batch, start, size in self._slices[month]
        ]
        rows: pd.DataFrame = pa.concat_tables(slices, promote_options="permissive").to_pandas()
        return rows.assign(off=rows["off"].dt.tz_localize("UTC")).astype(dict(DTYPES))

    def raw(self, origin: int, at: npt.NDArray[np.int64]) -> Iterator[dict[str, str | None]]:
        """Yield the raw text of rows of one batch."""
        yield from _table(self._folder / f"raw-{origin}.arrow").take(pa.array(at)).to_pylist()


def _spooled(rows: pd.DataFrame) -> Spooled:
    reason = rows["_reason"].astype(object)
    batch = Batch(
        rows=rows[NAMES],
        raw=pd.DataFrame(index=rows.index),
        file=rows["_file"],
        line=rows["_line"],
        reason=reason.where(reason.notna(), None),
    )
    origin, at = rows["_origin"].to_numpy(dtype=np.int64), rows["_at"].to_numpy(dtype=np.int64)
    return Spooled(batch, _versions(rows), origin, at)


def _versions(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return which telling of its race each row belongs to: one per file, in the order read.

    Files that share no horse of a race tell it together (a table cut in pieces), and are one telling.
    """
    version = np.zeros(len(rows), dtype=np.int64)
    pairs = rows[["_race", "_file"]].drop_duplicates()
    several = pairs[pairs["_race"].duplicated(keep=False)]
    if several.empty:
        return version
    told = rows[["_race", "_file", "horse_id"]].drop_duplicates()
    overlapping = told.loc[told.duplicated(["_race", "horse_id"]) & told["horse_id"].notna(), "_race"]
    several = several[several["_race"].isin(overlapping)]
    ranks = several.assign(version=several.groupby("_race").cumcount())
    found = rows[["_race", "_file"]].merge(ranks, on=["_race", "_file"], how="left")["version"]
    return found.fillna(0).to_numpy(dtype=np.int64)


def _write(file: Path, frame: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _table(file: Path) -> pa.Table:
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all()
