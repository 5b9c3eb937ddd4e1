"""A retraining that is killed again and again ends as one that nobody killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import retraining_kills

REPOSITORY = Path(__file__).parents[2]


def test_kills_are_spread_over_all_places() -> None:
    places = [f"p{i}" for i in range(10)]
    assert retraining_kills.spread(places, 4) == ["p0", "p3", "p6", "p9"]
    assert retraining_kills.spread(places, 10) == places
    assert len(retraining_kills.spread(places, 30)) == 30


@pytest.mark.services
def test_a_retraining_killed_in_every_step_ends_as_one_that_nobody_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.retraining_kills", "14"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == 14
    assert told["disturbed"] == told["undisturbed"]
    assert told["disturbed"]["retraining"][:2] == ["promoted", "2"]
    assert [version[3] for version in told["disturbed"]["versions"]] == ["archived", "production"]
    assert set(told["disturbed"]["done"].values()) == {1}
    assert [promotion[:3] for promotion in told["disturbed"]["promotions"]] == [[1, "first", None], [2, "promote", 1]]
    assert set(told["disturbed"]["allowed"].values()) == {1}
