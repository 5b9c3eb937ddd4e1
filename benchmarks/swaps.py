"""Split changes and version swaps under load: what they cost the users, and how soon they are in force everywhere.

    python -m benchmarks.swaps [CHANGES] [SWAPS] [RATE]

Prints one JSON document. A small model of a simulated world is trained twice; the repository's own serve_config.yaml is
brought up on a cluster of its own with two replicas and one challenger, while users ask for RATE cards a second, each
over a connection of its own and sent once. `seconds_in_force` is from the `PUT` until both replicas say so. `flips` are
users who were moved against the ramp: treated before, and not any more while the share only went up.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from oracle.store import Prediction
from tests.serving import small_model
from tests.serving.conftest import as_body
from tests.serving.live import Asked, Live, Users, live


def split(share: float, version: str, name: str) -> dict[str, Any]:
    """Return the routing with one challenger."""
    return {"control": {}, "experiment": {"name": name, "treatments": [{"version": version, "share": share}]}}


def main(changes: int = 200, swaps: int = 20, rate: float = 50.0) -> dict[str, Any]:
    """Return what became of it."""
    results = small_model.history()
    card = json.loads(as_body(small_model.next_card(results)))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        for number in (1, 2):
            small_model.enter(home, results, Path(folder) / f"data-{number}")
        with live(home, Path(folder) / "log") as found:
            return story(found, card, changes, swaps, rate)


def story(found: Live, card: dict[str, Any], changes: int, swaps: int, rate: float) -> dict[str, Any]:
    """Ramp the share up in steps, and swap the challenger's and the control's version between them."""
    splits, versions = [], []
    found.put(split(0.0, "2", "ramp"))
    with Users(found, card, rate=rate) as users:
        began = time.monotonic()
        version, control = "2", "1"
        for number in range(1, changes + 1):
            share = number / changes
            splits.append(_in_force(found, {**split(share, version, "ramp"), "control": {"version": control}}))
            if swaps and number % (changes // swaps) == 0:
                if number // (changes // swaps) % 2:
                    control = "2" if control == "1" else "1"
                else:
                    version = "2" if version == "1" else "1"
                wanted = {**split(share, version, "ramp"), "control": {"version": control}}
                versions.append(_in_force(found, wanted))
        lasted = time.monotonic() - began
    rows = found.rows()
    latency = sorted((each.done - each.sent) * 1000 for each in users.asked)
    return {
        "requests": len(users.asked),
        "seconds": round(lasted, 1),
        "failed": len(users.failed),
        "why": sorted({each.why or str(each.status) for each in users.failed}),
        "split_changes": len(splits),
        "version_swaps": len(versions),
        "seconds_in_force": {"splits": _spread(splits), "versions": _spread(versions)},
        "latency_ms": {"p50": round(latency[len(latency) // 2], 1), "p99": round(latency[int(len(latency) * 0.99)], 1)},
        "flips": flips(users.asked, rows),
        "unkept": sum(each.told.get("prediction_id") not in rows for each in users.asked if each.status == 200),
        "fallbacks": sum(row.fallback is not None for row in rows.values()),
        "treated": sum(row.arm != "control" for row in rows.values()),
    }


def flips(asked: list[Asked], rows: dict[str, Prediction], settled: float = 2.0) -> int:
    """Return how many requests a control got whose user was treated before, and not just now."""
    treated: dict[str, float] = {}
    against = 0
    for each in sorted(asked, key=lambda a: a.sent):
        row = rows.get(each.told.get("prediction_id", ""))
        if row is not None and row.arm != "control":
            treated.setdefault(each.user, each.done)
        elif row is not None and each.sent > treated.get(each.user, np.inf) + settled:
            against += 1
    return against


def _in_force(found: Live, wanted: dict[str, Any]) -> float:
    """Give the routing and return the seconds until both replicas follow it, model included."""
    [treatment] = wanted["experiment"]["treatments"]

    def follows(told: dict[str, Any]) -> bool:
        slots = told["routing"]["slots"]
        return (
            len(slots) == 2
            and (slots[1]["version"], slots[1]["share"]) == (treatment["version"], treatment["share"])
            and slots[0]["version"] == wanted["control"]["version"] == told["model"]["version"]
        )

    began = time.monotonic()
    found.put(wanted)
    found.until(follows, 2)
    return time.monotonic() - began


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        name: round(float(np.quantile(seconds, q)), 2) for name, q in (("median", 0.5), ("p95", 0.95), ("most", 1.0))
    }


if __name__ == "__main__":
    numbers = [float(each) for each in sys.argv[1:]]
    print(json.dumps(main(*(int(n) for n in numbers[:2]), *numbers[2:]), indent=1))  # noqa: T201
