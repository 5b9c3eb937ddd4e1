"""One model of the small world, fitted once for all tests of the ensemble."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oracle.ensemble.fit import Fitted
from oracle.ensemble.race_model import RaceModel
from tests.ensemble import small


@pytest.fixture(scope="session")
def fitted() -> Fitted:
    return small.fitted()


@pytest.fixture(scope="session")
def fresh() -> Callable[[], RaceModel]:
    """A function that returns the model with a state of its own."""
    return small.model


@pytest.fixture(scope="session")
def model() -> RaceModel:
    """The model; no test may change its state."""
    return small.model()
