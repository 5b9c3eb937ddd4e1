"""Evidently's data drift preset with the Kolmogorov-Smirnov test, in its own environment; prints the version.

python benchmarks/peers/evidently_ks.py REFERENCE CURRENT COLUMNS
"""

from __future__ import annotations

import sys
from importlib.metadata import version

import pandas as pd
from evidently import Report  # type: ignore[import-not-found]  # lives in an environment of its own
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

if __name__ == "__main__":
    reference, current, count = sys.argv[1:]
    names = [f"f{i:02d}" for i in range(int(count))]
    now, before = (pd.read_parquet(path, columns=names) for path in (current, reference))
    Report([DataDriftPreset(num_method="ks")]).run(now, before)
    sys.stdout.write(version("evidently") + "\n")
