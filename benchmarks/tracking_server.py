"""What the guard costs: the same requests to MLflow's own basic authentication and to the app `oracle-auth`.

    python benchmarks/tracking_server.py [--rounds 60]

Both servers run with one worker on SQLite in a folder of their own, one after the other, asked by one connection. The
kinds of requests take turns. MLflow's own authentication remembers a password for a minute, as the guard does for good:
without that it hashes it on every request. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.tracking_server.people import registered, trained, welcome
from tests.tracking_server.running import PASSWORDS, ROOT, Served, serving

API = "api/2.0/mlflow"


def measured(served: Served, who: str, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each kind of request."""
    run, _, experiment = trained(served, who, 0.5)
    metrics = [{"key": f"m{i}", "value": 0.5, "timestamp": 1, "step": 0} for i in range(20)]
    asked: dict[str, tuple[str, str, Any]] = {
        "read": ("GET", f"{API}/runs/get?run_id={run}", {}),
        "log_batch_of_20": ("POST", f"{API}/runs/log-batch", {"json": {"run_id": run, "metrics": metrics}}),
        "upload_1_mb": (
            "PUT",
            f"api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.bin",
            {"content": bytes(1024**2)},
        ),
    }
    took: dict[str, list[float]] = {name: [] for name in asked}
    with httpx.Client(auth=(who, PASSWORDS[who]), timeout=60) as client:
        for _ in range(rounds):
            for name, (method, path, more) in asked.items():
                began = time.perf_counter()
                answer = client.request(method, f"{served.url}/{path}", **more)
                took[name].append(1000 * (time.perf_counter() - began))
                assert answer.status_code == 200, answer.text
    return {name: round(statistics.median(times), 2) for name, times in took.items()}


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    told: dict[str, Any] = {"rounds": rounds, "load": os.getloadavg()[0]}
    for app, *more in (("basic-auth", "auth_cache_ttl_seconds = 60"), ("oracle-auth",)):
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), app, *more) as served:
            if app == "oracle-auth":
                welcome(served)
                for number in range(3):
                    registered(served, "sam", f"v1.0.{number}")
            told[app] = {
                "ready_s": round(served.started, 1),
                **measured(served, ROOT if app == "basic-auth" else "sam", rounds),
            }
    told["ratio"] = {
        name: round(told["oracle-auth"][name] / told["basic-auth"][name], 2) for name in told["basic-auth"]
    }
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
