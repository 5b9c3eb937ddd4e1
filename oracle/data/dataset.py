"""The dataset: every accepted race, as Parquet partitioned by month, on a local disk or on S3.

```
DATASET/month=2019-02/part-0.parquet   the canonical runner table (oracle.race.RUNNERS), nothing else
        _manifest.json                 rows, races, dates and content hash of each month
        _index/2019-02.npy             hash of the id and of the content of each race in the month
        _quarantine/*.jsonl            rows that were refused, with their reasons
```

Names that begin with `_` are passed over by Ray, pandas and Arrow, so `read_parquet(DATASET)` sees the table alone. A
race is the unit of change: one that says the same as the one that stands is left alone, one that says something else
replaces it whole, also where the correction moves it to another month. Work goes month by month, so memory follows the
largest month and never the dataset.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from oracle.data.fingerprint import digest, race_hashes, row_hashes, text_hashes
from oracle.data.folder import Folder
from oracle.data.sources.base import DTYPES
from oracle.errors import BadInput, NoSuchDataset, OracleError
from oracle.race import COLUMNS, RUNNERS

NAMES = [c.name for c in COLUMNS]
MANIFEST = "_manifest.json"
FORMAT = 1
INDEX = np.dtype([("race", "<u8"), ("content", "<u8")])

_TO_PANDAS = {pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype()}.get


class Month(TypedDict):
    """What the manifest says of one partition."""

    rows: int
    races: int
    first_date: str
    last_date: str
    content: str


@dataclass(frozen=True)
class Appended:
    """What an append did; `a + b` is what both did, one after the other."""

    rows_new: int = 0
    """Rows of races that were new or had changed."""
    rows_identical: int = 0
    """Rows of races that stood already and said the same."""
    races_new: int = 0
    races_replaced: int = 0

    def __add__(self, other: Appended) -> Appended:
        return Appended(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Summary:
    """A dataset in a few numbers."""

    rows: int
    races: int
    months: int
    first_date: dt.date | None
    last_date: dt.date | None
    fingerprint: str


class Dataset:
    """Races on disk or S3, in the order of their off times.

    Args:
        path: Local folder or `s3://bucket/prefix`. It need not exist before the first append.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._folder = Folder(path)

    def exists(self) -> bool:
        """Return whether anything was ever appended here."""
        return self._folder.read(MANIFEST) is not None

    def _manifest(self) -> dict[str, Month]:
        content = self._folder.read(MANIFEST)
        if content is None:
            raise NoSuchDataset(
                "there is no dataset",
                value=self.path,
                next_step="make one with `oracle ingest PATH --format FORMAT --out DATASET` or `oracle simulate`",
            )
        return _months_of(content, self.path)

    def months(self) -> list[str]:
        """Return the months that hold races, such as `2019-02`, ascending."""
        return sorted(self._manifest())

    def fingerprint(self) -> str:
        """Return the hash of all races: equal for equal content, however and in whatever order it was written."""
        return _fingerprint(self._manifest())

    def summary(self) -> Summary:
        """Return counts, dates and fingerprint, from the manifest alone."""
        months = self._manifest()
        return Summary(
            rows=sum(m["rows"] for m in months.values()),
            races=sum(m["races"] for m in months.values()),
            months=len(months),
            first_date=min((dt.date.fromisoformat(m["first_date"]) for m in months.values()), default=None),
            last_date=max((dt.date.fromisoformat(m["last_date"]) for m in months.values()), default=None),
            fingerprint=_fingerprint(months),
        )

    def read(
        self, columns: Sequence[str] | None = None, start: dt.date | None = None, end: dt.date | None = None
    ) -> pd.DataFrame:
        """Return runners by off and race_id, each race in the order of its card.

        Args:
            columns: Canonical columns wanted, in this order; all by default.
            start: First local date wanted.
            end: Last local date wanted.

        Returns:
            One row per runner with the dtypes of `oracle.data.sources.base.DTYPES`.

        Raises:
            NoSuchDataset: nothing was ever appended here.
        """
        wanted = list(NAMES if columns is None else columns)
        if unknown := sorted(set(wanted) - set(NAMES)):
            raise BadInput("the dataset has no such column", value=unknown[0], allowed=NAMES)
        needed = list(dict.fromkeys([*wanted, "date", "off", "race_id"]))
        low, high = str(start or dt.date.min), str(end or dt.date.max)
        months = [m for m in self.months() if low[:7] <= m <= high[:7]]
        empty = pa.schema([RUNNERS.field(name) for name in needed]).empty_table()
        rows = _as_pandas(pa.concat_tables([empty, *(self._part(m, needed).cast(empty.schema) for m in months)]))
        if start is not None or end is not None:
            rows = rows[(rows["date"] >= pd.Timestamp(low)) & (rows["date"] <= pd.Timestamp(high))]
        return _in_order(rows)[wanted].reset_index(drop=True)

    def _part(self, month: str, columns: Sequence[str]) -> pa.Table:
        content = self._folder.read(_part_name(month))
        if content is None:
            raise OracleError(
                f"the dataset has lost its month {month}", value=self.path, next_step="ingest the results again"
            )
        return pq.read_table(io.BytesIO(content), columns=list(columns), partitioning=None)

    def append(self, rows: pd.DataFrame) -> Appended:
        """Add whole races, all or nothing: new ones, and corrections of those that stand.

        Args:
            rows: Runners in the canonical columns, each race whole; other columns are left out.

        Raises:
            Unavailable: another process is writing here.
            BadInput: the path holds something else than a dataset, or cannot be written to.
        """
        with self.writing() as writer:
            return writer.append(rows)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writer]:
        """Hold the dataset for several appends that take effect together at the end, or not at all."""
        self._refuse_foreign_folder()
        with self._folder.writing():
            writer = Writer(self, self._folder)
            yield writer
            writer.close()

    def _refuse_foreign_folder(self) -> None:
        foreign = [name for name in self._folder.children() if not name.startswith(("_", "."))]
        if foreign and not self.exists():
            raise BadInput(
                "the folder holds other files and is not a dataset", value=self.path, next_step="name a new folder"
            )


class Writer:
    """Several appends under one lock. Made by `Dataset.writing`."""

    def __init__(self, dataset: Dataset, folder: Folder) -> None:
        content = folder.read(MANIFEST)
        self._months = {} if content is None else _months_of(content, dataset.path)
        self._dataset, self._folder = dataset, folder
        self._index = {month: self._load_index(month) for month in self._months}

    def _load_index(self, month: str) -> npt.NDArray[np.void]:
        content = self._folder.read(_index_name(month))
        if content is None:
            return _index_of(_as_pandas(self._dataset._part(month, NAMES)))
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))

    def _standing(self, races: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.object_]]:
        """Return, for each race, the content and the month in which it stands (0 and None where it is new)."""
        content, month = np.zeros(len(races), dtype=np.uint64), np.full(len(races), None, dtype=object)
        for name, index in self._index.items():
            order = np.argsort(index["race"])
            at = np.searchsorted(index["race"], races, sorter=order).clip(max=len(index) - 1)
            hit = index["race"][order[at]] == races if len(index) else np.zeros(len(races), dtype=bool)
            content[hit], month[hit] = index["content"][order[at[hit]]], name
        return content, month

    def append(self, rows: pd.DataFrame) -> Appended:
        """Add whole races; see `Dataset.append`. Takes effect when the writer is closed."""
        rows = _conform(rows)
        if rows.empty:
            return Appended()
        code, ids = pd.factorize(rows["race_id"])
        told = _index_of(rows)
        content, stands_in = self._standing(told["race"])
        stands = np.array([month is not None for month in stands_in], dtype=bool)
        changed = ~stands | (content != told["content"])
        goes_to = rows["date"].dt.strftime("%Y-%m").groupby(code).first().to_numpy(dtype=object)
        table = as_arrow(rows)
        for month in sorted({*stands_in[stands & changed], *goes_to[changed]}):
            gone, come = stands & changed & (stands_in == month), changed & (goes_to == month)
            self._rewrite(month, ids[gone], told[gone], table.filter(pa.array(come[code])), told[come])
        sizes = np.bincount(code)
        return Appended(
            rows_new=int(sizes[changed].sum()),
            rows_identical=int(sizes[~changed].sum()),
            races_new=int((~stands).sum()),
            races_replaced=int((stands & changed).sum()),
        )

    def _rewrite(
        self, month: str, gone_ids: pd.Index, gone: npt.NDArray[np.void], rows: pa.Table, come: npt.NDArray[np.void]
    ) -> None:
        """Take races out of a month and put others in, in the table and in the index."""
        index = come
        if month in self._months:
            old = self._dataset._part(month, NAMES).cast(RUNNERS)
            left = pc.invert(pc.is_in(old["race_id"], value_set=pa.array(gone_ids, type=pa.string())))
            rows = pa.concat_tables([old.filter(left), rows])
            standing = self._index[month]
            index = np.concatenate([standing[~np.isin(standing["race"], gone["race"])], come])
        if not rows.num_rows:
            del self._months[month], self._index[month]
            self._folder.stage_removal(_part_name(month))
            self._folder.stage_removal(_index_name(month))
            return
        self._index[month] = index = np.sort(index, order=["race", "content"])
        dates = pc.min_max(rows["date"])
        self._months[month] = Month(
            rows=rows.num_rows,
            races=len(index),
            first_date=str(dates["min"]),
            last_date=str(dates["max"]),
            content=digest(index.tobytes()),
        )
        self._folder.stage(_part_name(month), _as_parquet(rows))
        self._folder.stage(_index_name(month), _as_npy(index))

    def keep(self, name: str, content: bytes) -> str:
        """Put a file beside the data, under a name that begins with `_`, and return its full path."""
        self._folder.stage(name, content)
        return f"{self._dataset.path.rstrip('/')}/{name}"

    def close(self) -> None:
        """Write the manifest; it goes last, so that it never promises what is not there."""
        if not self._months and not self._dataset.exists():
            return
        document = {"format": FORMAT, "columns": NAMES, "months": dict(sorted(self._months.items()))}
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        if content != self._folder.read(MANIFEST):
            self._folder.stage(MANIFEST, content)


def _part_name(month: str) -> str:
    return f"month={month}/part-0.parquet"


def _index_name(month: str) -> str:
    return f"_index/{month}.npy"


def _months_of(manifest: bytes, path: str) -> dict[str, Month]:
    try:
        document: dict[str, Any] = orjson.loads(manifest)
        months, found = document["months"], document["format"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise NoSuchDataset(f"{MANIFEST} cannot be read", value=path, next_step="ingest into a new folder") from error
    if found != FORMAT or document.get("columns") != NAMES:
        raise NoSuchDataset(
            "the dataset was written in another format", value=found, allowed=[FORMAT], next_step="ingest again"
        )
    return dict(months)


def _fingerprint(months: Mapping[str, Month]) -> str:
    parts = [",".join(NAMES), *(f"{name}={month['content']}" for name, month in sorted(months.items()))]
    return digest(*(part.encode() for part in parts))


def _conform(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the canonical columns alone, in their order and dtypes; a required value that is missing raises."""
    if absent := [c for c in NAMES if c not in rows.columns]:
        raise OracleError("rows lack a canonical column", value=absent[0], allowed=NAMES)
    rows = rows[NAMES].astype(dict(DTYPES)).reset_index(drop=True)
    for column in COLUMNS:
        if column.required and rows[column.name].isna().any():
            raise OracleError("a required column has missing values", value=column.name)
    return rows


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by off and race_id; a stable sort, so each race keeps the order of its card."""
    return rows.sort_values(["off", "race_id"], kind="stable", ignore_index=True)


def _index_of(rows: pd.DataFrame) -> npt.NDArray[np.void]:
    """Return the hashes of id and content of each race, in the order in which the races appear."""
    code, ids = pd.factorize(rows["race_id"])
    index = np.zeros(len(ids), dtype=INDEX)
    index["race"] = text_hashes(pd.Series(ids))
    index["content"] = race_hashes(code, row_hashes(rows, NAMES), len(ids))
    return index


def as_arrow(rows: pd.DataFrame) -> pa.Table:
    """Return canonical rows as an Arrow table of the schema `RUNNERS`."""
    naive = RUNNERS.set(RUNNERS.get_field_index("off"), pa.field("off", pa.timestamp("s"), nullable=False))
    rows = rows.assign(off=rows["off"].dt.tz_convert(None))  # pyarrow's own conversion of zones is deprecated in pandas
    return pa.Table.from_pandas(rows, schema=naive, preserve_index=False).replace_schema_metadata(None).cast(RUNNERS)


def _as_pandas(table: pa.Table) -> pd.DataFrame:
    rows: pd.DataFrame = table.to_pandas(types_mapper=_TO_PANDAS)
    return rows.astype({name: DTYPES[name] for name in table.column_names})


def _as_parquet(table: pa.Table) -> bytes:
    """Return the rows by off and race_id; the sort is stable, so each race keeps the order of its card."""
    order = pc.sort_indices(table, sort_keys=[("off", "ascending"), ("race_id", "ascending")])
    sink = io.BytesIO()
    pq.write_table(table.take(order), sink, compression="zstd")
    return sink.getvalue()


def _as_npy(index: npt.NDArray[np.void]) -> bytes:
    sink = io.BytesIO()
    np.save(sink, index, allow_pickle=False)
    return sink.getvalue()
