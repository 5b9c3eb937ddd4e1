"""Evidently's data drift preset with the Kolmogorov-Smirnov test; prints its version and CPU seconds once loaded.

python benchmarks/peers/evidently_ks.py REFERENCE CURRENT COLUMNS
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import pandas as pd
from evidently import Report  # type: ignore[import-not-found]  # lives in an environment of its own
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]

if __name__ == "__main__":
    reference, current, count = sys.argv[1:]
    began = time.process_time()
    names = [f"f{i:02d}" for i in range(int(count))]
    now, before = (pd.read_parquet(path, columns=names) for path in (current, reference))
    Report([DataDriftPreset(num_method="ks")]).run(now, before)
    told = {"version": version("evidently"), "cpu_seconds": time.process_time() - began}
    sys.stdout.write(json.dumps(told) + "\n")
