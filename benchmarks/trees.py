"""CPU time of a card's trees: our walk of the forest beside LightGBM's own, alternating in one run.

    python benchmarks/trees.py [PACKAGE]

PACKAGE is the folder of a registered model; without it only the made forests are measured: three of 300 trees of 31
leaves on 60 features. Prints one JSON document with microseconds of CPU per call and `ratio`, LightGBM's over ours
(above 1: ours is cheaper), for a card of 12 runners, a field of 40 and a thousand runners, both with one thread.
`equal` says that every score was the same to the last bit; the exit code is 1 where one was not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from oracle.models.forest import Forest, parse

ROWS = (12, 40, 1_000)
ROUNDS = 15
MADE, TREES, LEAVES, FEATURES = 3, 300, 31, 60

Values = npt.NDArray[np.float32]


def main(package: str | None = None) -> int:
    """Measure and print; 0 if all scores are equal."""
    forests = {f"made {at + 1}": _made(at) for at in range(MADE)}
    if package is not None:
        forests |= {str(f.parent.relative_to(package)): f.read_text() for f in Path(package).rglob("forest.txt")}
    chance = np.random.default_rng(0)
    report, totals = {}, {rows: np.zeros(2) for rows in ROWS}
    equal = True
    for name, text in forests.items():
        ours, theirs = parse(text), lgb.Booster(model_str=text)
        told: dict[str, object] = {"trees": len(ours), "deepest": int(ours.depth.max())}
        for rows in ROWS:
            values = _values(chance, rows, len(ours.features))
            equal &= bool((ours.score(values) == theirs.predict(values, raw_score=True, num_threads=1)).all())
            both = _alternating(ours, theirs, values)
            totals[rows] += both
            told[f"{rows} runners"] = _told(both)
        report[name] = told
    whole = {f"{rows} runners": _told(both) for rows, both in totals.items()}
    print(json.dumps({"forests": report, "all together": whole, "equal": equal}, indent=2))  # noqa: T201
    return 0 if equal else 1


def _made(seed: int) -> str:
    chance = np.random.default_rng(seed)
    x = _values(chance, 5_000, FEATURES)
    y = np.nansum(x[:, :8], axis=1) + chance.standard_normal(len(x))
    parameters = {"num_leaves": LEAVES, "verbose": -1, "num_threads": 1, "seed": seed, "learning_rate": 0.05}
    return str(lgb.train(parameters, lgb.Dataset(x, label=y), TREES).model_to_string())


def _values(chance: np.random.Generator, rows: int, features: int) -> Values:
    x = chance.standard_normal((rows, features)).astype(np.float32)
    x[chance.random(x.shape) < 0.2] = np.nan
    return x


def _alternating(ours: Forest, theirs: lgb.Booster, values: Values) -> npt.NDArray[np.float64]:
    """Return the median microseconds of CPU per call, ours and theirs, measured in turns."""
    calls: tuple[Callable[[], object], ...] = (
        lambda: ours.score(values),
        lambda: theirs.predict(values, raw_score=True, num_threads=1),
    )
    times = max(2, 2_000 // len(values))
    rounds = [[_microseconds(call, times) for call in calls] for _ in range(ROUNDS)]
    return np.array([median(column) for column in zip(*rounds, strict=True)])


def _microseconds(call: Callable[[], object], times: int) -> float:
    begin = process_time()
    for _ in range(times):
        call()
    return (process_time() - begin) / times * 1e6


def _told(both: npt.NDArray[np.float64]) -> dict[str, float]:
    ours, theirs = both.tolist()
    return {"ours_us": round(ours, 1), "lightgbm_us": round(theirs, 1), "ratio": round(theirs / ours, 2)}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
