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
    """Read both windows and test them column by column; rows are taken for independent."""
    from scipy.stats import ks_2samp

    reference, current = (pq.read_table(path, columns=["race_id", *names]) for path in paths)
    for name in names:
        ks_2samp(reference[name].to_numpy(), current[name].to_numpy())


if __name__ == "__main__":
    _, what, *both, count = sys.argv
    {"read": read, "scipy": scipy}[what](both, [f"f{i:02d}" for i in range(int(count))])
