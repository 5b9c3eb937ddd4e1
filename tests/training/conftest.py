"""Homes with models in them: of real races, and of a simulated world."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle import process
from tests.training.real import RealTraining, real_training

process.settle()  # LightGBM reads how its threads wait when it is loaded


@pytest.fixture(scope="session")
def hong_kong(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealTraining:
    return real_training("hkjc", real_data, tmp_path_factory)


@pytest.fixture(scope="session")
def japan(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealTraining:
    return real_training("netkeiba", real_data, tmp_path_factory)


@pytest.fixture(scope="session")
def ireland(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealTraining:
    return real_training("racingpost", real_data, tmp_path_factory)
