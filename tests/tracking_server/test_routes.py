"""Every route of the server that is installed is known to the guard, under both kinds of server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oracle.tracking_server.attempt import Asked, read
from oracle.tracking_server.launch import launch, without_ours
from oracle.tracking_server.routes import CLOSED, SAFE, find
from tests.tracking.stores import fresh_home
from tests.tracking_server.running import PASSWORDS, settings

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = fresh_home(tmp_path_factory)
    users, backend = f"sqlite:///{home / 'users.db'}", f"sqlite:///{home / 'mlflow.db'}"
    start = launch(
        settings(home),
        home,
        backend=backend,
        users=users,
        artifacts=str(home),
        admin=("root", PASSWORDS["root"]),
        port=1,
    )
    told_by_mlflow = {
        "_MLFLOW_SERVER_FILE_STORE": backend,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "gunicorn",
    }
    env = {**without_ours(os.environ), **start.environment, **told_by_mlflow}
    env["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), env.get("PYTHONPATH", "")])
    command = [sys.executable, "-W", "ignore", "-m", "tests.tracking_server.all_routes"]
    done = subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.services
def test_every_route_that_may_change_something_is_placed(told: Any) -> None:
    unplaced = [(method, path) for method, path, there in told["routes"] if not read(Asked(method, there)).kind]
    assert len(told["routes"]) > 300
    assert not unplaced, f"place them in oracle/tracking_server/routes.py: {unplaced}"


@pytest.mark.services
def test_no_route_is_read_by_another_method_than_those_that_were_looked_at(told: Any) -> None:
    """What is asked by POST and lets the guard pass is listed by hand; none slips in by a pattern."""
    passing = {
        there for method, _, there in told["routes"] if method not in SAFE and not read(Asked(method, there)).mutating
    }
    words = {path.rpartition("mlflow/")[2] for path in passing}
    assert words == {
        *("runs/search", "experiments/search", "experiments/search-datasets", "logged-models/search"),
        *("registered-models/get-latest-versions", "traces/search", "traces/batchGetInfos", "traces/metrics"),
        *("traces/calculate-filter-correlation", "datasets/search", "issues/search"),
        *("prompt-optimization/jobs/search", "/ajax-api/3.0/jobs/search", "artifacts/presigned-download-url"),
        "ui-telemetry",
    }


@pytest.mark.services
def test_plain_wsgi_servers_stand_behind_the_same_gate(told: Any) -> None:
    said = told["answers"]
    assert said == {
        **{"admin": 403, "nobody": 401, "about": 200, "stranger": 401, "user": 200, "search": 200, "closed": 403}
    }
    lines = [(e["actor"], e["action"], e["outcome"]) for e in told["audit"]]
    assert ("root", "mlflow alias.set", "refused") in lines
    assert ("(unauthenticated)", "mlflow alias.set", "refused") in lines
    assert ("root", "people", "allowed") in lines


def test_each_closed_family_is_closed_to_every_method() -> None:
    for word in CLOSED:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert getattr(find(method, f"{word}/anything"), "kind", None) == "closed"
