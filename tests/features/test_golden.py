"""The numbers of every feature on an invented history are those of the version it declares."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def now():
    return runpy.run_path(str(HERE / "golden.py"))["summary"]()


def test_no_feature_moves_without_a_new_version(now):
    golden = json.loads((HERE / "golden.json").read_text("utf-8"))["features"]
    moved = [
        name
        for name, (version, *numbers) in now.items()
        if name in golden
        and golden[name][0] == version
        and not np.allclose(numbers, golden[name][1:], rtol=1e-3, atol=1e-4)
    ]
    assert not moved, "raise their version, then run: python tests/features/golden.py"


def test_every_feature_has_its_golden_numbers_and_says_something(now):
    golden = json.loads((HERE / "golden.json").read_text("utf-8"))["features"]
    assert {n: v[0] for n, v in golden.items()} == {n: v[0] for n, v in now.items()}, "run: tests/features/golden.py"
    constant = [name for name, (_, _, spread, missing) in now.items() if not (spread > 0 and missing < 1)]
    assert not constant
