"""One model of the small world, fitted once for all tests of the ensemble."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from oracle import process

if TYPE_CHECKING:
    from oracle.ensemble.fit import Fitted
    from oracle.ensemble.race_model import RaceModel

process.settle()  # LightGBM, imported below, reads how its threads wait when it is loaded


@pytest.fixture(scope="session")
def fitted() -> Fitted:
    from tests.ensemble import small

    return small.fitted()


@pytest.fixture(scope="session")
def fresh() -> Callable[[], RaceModel]:
    """A function that returns the model with a state of its own."""
    from tests.ensemble import small

    return small.model


@pytest.fixture(scope="session")
def model(fresh: Callable[[], RaceModel]) -> RaceModel:
    """The model; no test may change its state."""
    return fresh()
