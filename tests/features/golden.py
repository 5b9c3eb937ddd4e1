"""Makes golden.json: version, mean and spread of every feature on an invented history.

    python tests/features/golden.py

A feature whose numbers move while its version stays would slip under models that were trained on the old ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oracle.data.sources.base import DTYPES
from oracle.features import build, registry
from oracle.features.races import from_frame
from oracle.race import COLUMNS

GOLDEN = Path(__file__).with_name("golden.json")
RACES, HORSES = 160, 60


def invent() -> pd.DataFrame:
    """Return races of sixty horses, three days a week, eight races a day; a better horse has a lower number."""
    chance = np.random.Generator(np.random.PCG64(3))
    rows = [row for r in range(RACES) for row in _race(r, chance)]
    return pd.DataFrame(rows, columns=[c.name for c in COLUMNS], dtype=object).astype(dict(DTYPES))


def _race(r: int, chance: np.random.Generator) -> list[dict[str, Any]]:
    starters = 8 + r % 3
    horse = np.sort(chance.permutation(HORSES)[:starters])
    day = pd.Timestamp("2020-01-01") + pd.Timedelta(days=7 * (r // 24) + 2 * (r // 8 % 3))
    order = np.argsort(np.argsort(horse + chance.integers(-20, 21, starters) + chance.random(starters)))
    position = np.where(order == starters - 1, None, order + 1)
    distance = int(chance.choice([1200, 1600, 2400]))
    time = distance * 0.0615 + order * 0.17 + chance.integers(0, 9) / 10
    number = chance.integers
    given: dict[str, Any] = {
        "race_id": f"r{r:03}",
        "date": day,
        "off": (day + pd.Timedelta(minutes=12 * 60 + 25 * (r % 8))).tz_localize("UTC"),
        "off_estimated": False,
        "course": ["Upper Field", "Lower Field"][r // 8 % 2],
        "race_type": ["flat", "flat", "flat", "hurdle"][r % 4],
        "surface": ["turf", "dirt"][r % 2],
        "going": ["firm", "good", "soft"][r // 8 % 3],
        "distance_m": distance,
        "race_class": f"class {r % 3}",
        "prize": float(5 + 5 * (r % 3)),
        "field_size": starters,
        "number": np.arange(1, starters + 1),
        "horse_id": [f"h{h}" for h in horse],
        "horse": [f"Horse {h}" for h in horse],
        "jockey_id": [f"j{j}" for j in number(0, 12, starters)],
        "trainer_id": [f"t{h % 7}" for h in horse],
        "sire": [f"Sire {h % 5}" for h in horse],
        "draw": chance.permutation(starters) + 1,
        "weight_kg": 52.0 + number(0, 16, starters) / 2,
        "body_weight_kg": 440.0 + 2 * horse + number(-5, 6, starters),
        "age": 2 + horse % 6,
        "sex": [["filly", "gelding", "colt"][h % 3] for h in horse],
        "official_rating": 100.0 - horse + number(-4, 5, starters),
        "odds": 1.5 + np.argsort(np.argsort(horse)) + number(0, 8, starters) / 4,
        "status": np.where(order == starters - 1, "pulled_up", "finished"),
        "position": position,
        "dead_heat": False,
        "beaten_lengths": np.where(order == starters - 1, np.nan, order * 1.0),
        "time_s": np.where(order == starters - 1, np.nan, time),
        "last_split_s": 22.0 + number(0, 20, starters) / 10,
        "first_call": chance.permutation(starters) + 1,
        "speed_rating": np.where(order == starters - 1, np.nan, 90.0 - 2 * order),
        "performance_rating": np.where(order == starters - 1, np.nan, 100.0 - horse - order),
        "source": "invented",
    }
    return [{k: v[i] if isinstance(v, np.ndarray | list) else v for k, v in given.items()} for i in range(starters)]


def summary() -> dict[str, list[float]]:
    """Return version, mean, spread and share of missing values of every feature."""
    matrix = build.history(from_frame(invent()), "market")
    values = matrix.values.astype(np.float64)
    moments = (np.nanmean(values, axis=0), np.nanstd(values, axis=0), np.isnan(values).mean(axis=0))
    return {
        f.name: [f.version, *(float(f"{m[i]:.6g}") for m in moments)] for i, f in enumerate(registry.features("market"))
    }


if __name__ == "__main__":
    document = {"made_by": "tests/features/golden.py", "features": summary()}
    text = json.dumps(document, indent=1).replace("\n   ", " ").replace("\n  ]", "]")
    GOLDEN.write_text(text + "\n", "utf-8")
