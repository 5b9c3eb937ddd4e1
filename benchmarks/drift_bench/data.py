"""Two windows of made-up starters, as large as one likes and written block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 1 << 17
RUNNERS = 10


def window(path: Path, rows: int, columns: int, seed: int) -> Path:
    """Return the file of a window, made where it is not there: race_id, and columns of normal numbers.

    Half of each number is its race's, as form is half the horse's and half the company's. A file is complete or absent.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    chance, half = np.random.default_rng(seed), path.with_suffix(".half")
    schema = pa.schema([("race_id", pa.string()), *((f"f{i:02d}", pa.float64()) for i in range(columns))])
    with pq.ParquetWriter(half, schema) as writer:
        for at in range(0, rows, ROW_GROUP):
            race = np.arange(at, min(at + ROW_GROUP, rows)) // RUNNERS
            values = [_column(chance, race - race[0]) for _ in range(columns)]
            ids = pa.array([f"race-{r:08d}" for r in race])
            writer.write_table(pa.table([ids, *values], schema=schema), row_group_size=ROW_GROUP)
    half.replace(path)
    return path


def _column(chance: np.random.Generator, race: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    shared = chance.standard_normal(int(race[-1]) + 1)[race]
    return pa.array(np.sqrt(0.5) * (shared + chance.standard_normal(race.size)))
