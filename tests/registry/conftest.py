import pytest

from oracle.tracking.connection import Tracking
from tests.tracking.stores import fresh_tracking


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return fresh_tracking(tmp_path_factory)
