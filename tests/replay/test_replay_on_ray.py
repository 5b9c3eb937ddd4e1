"""The whole loop on a small world whose draw bias flips: the real server, store, monitor, retraining and report."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from oracle.data.dataset import Dataset
from oracle.data.simulate import Shock, simulate

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST, FLIPS = dt.date(2015, 2, 6), dt.date(2015, 2, 10)
RACES = 1100
"""Up to the 20th of February."""
QUICK = {
    "ORACLE_CANDIDATE__HOLDOUT_DAYS": "6",
    "ORACLE_CANDIDATE__LIVE": "never",
    "ORACLE_RETRAINING__ON": '["prediction", "concept", "outcome"]',
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `oracle replay --json` printed, and its page."""
    folder = tmp_path_factory.mktemp("replay")
    shocks = [Shock("draw_effect", dt.date(2015, 1, 1), 12.0), Shock("draw_effect", FLIPS, -1.0)]
    with Dataset(folder / "world").writing() as writer:
        for block in simulate(RACES, seed=7, shocks=shocks, block_months=3):
            writer.append(block.runners)
    words = ["replay", "--data", "world", "--from", str(FIRST), "--every", "4", "--cooldown", "30", "--asks", "2"]
    words += [
        "--recipe",
        str(REPOSITORY / "scripts/demo_recipe.json"),
        "--home",
        "home",
        "--html",
        "page.html",
        "--json",
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORACLE_", "RAY_", "MLFLOW_"))}
    done = subprocess.run(
        [sys.executable, "-c", "from oracle.cli.app import main; main()", *words],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**kept, **QUICK, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    document: dict[str, Any] = orjson.loads(done.stdout)
    return document | {"page": (folder / "page.html").read_text("utf-8")}


def test_every_race_was_served_with_the_features_of_a_training(told: dict[str, Any]):
    leak = told["leak"]
    assert leak["races"] == leak["equal"] > 200
    assert leak["unserved"] == 0


def test_the_flip_is_noticed_and_a_retraining_follows_from_it(told: dict[str, Any]):
    alarms = [event for event in told["events"] if event["kind"] == "alarm"]
    assert any("concept" in event["what"] for event in alarms if event["at"] > str(FLIPS))
    [first, *_] = told["retrainings"]
    assert first["at"] > str(FLIPS)
    why = [event["what"] for event in told["events"] if event["kind"] == "retraining"]
    assert "prediction drift: " in why[0] or "concept drift: decay" in why[0]
    assert {step["step"] for step in first["steps"]} >= {"snapshot", "train", "validate"}
    assert first["status"] in ("promoted", "rejected"), first["reason"]
    assert told["trouble"] == []


def test_what_was_served_is_compared_with_the_frozen_model_and_the_market(told: dict[str, Any]):
    [*_, whole] = told["periods"]
    assert whole["races"] > 200
    assert {"maintained", "frozen", "market"} <= set(whole)
    assert told["ahead"]["ndcg_at_3"]["meetings"] > 10
    assert sum(told["versions"].values()) == told["leak"]["races"]
    assert "<svg" in told["page"]


def test_the_seconds_of_each_phase_and_the_memory_of_all_processes_are_told(told: dict[str, Any]):
    assert {"first training", "cards", "results", "monitor", "retraining", "report"} <= set(told["seconds"])
    assert 0 < told["peak_memory_mb"] < 8000
