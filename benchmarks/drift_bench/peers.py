"""The peers that live in our environment: reading the same columns, and scipy's test column by column.

python -m benchmarks.drift_bench.peers read|scipy REFERENCE CURRENT COLUMNS
"""

from __future__ import annotations

import sys

import pyarrow.parquet as pq


def read(paths: list[str], names: list[str]) -> None:
    """Read both windows, one after the other, as `pyarrow.parquet.read_table` does."""
    for path in paths:
        pq.read_table(path, columns=["race_id", *names])


def scipy(paths: list[str], names: list[str]) -> None:
    """Test column by column, exact, with rows taken for independent."""
    from scipy.stats import ks_2samp

    for name in names:
        reference, current = (pq.read_table(path, columns=[name])[name].to_numpy() for path in paths)
        ks_2samp(reference, current, method="asymp")


if __name__ == "__main__":
    _, what, *both, count = sys.argv
    {"read": read, "scipy": scipy}[what](both, [f"f{i:02d}" for i in range(int(count))])
