"""One production for all tests here that need one: it takes most of a minute to come up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.houses import Deployment, deployed, folder, surroundings


@pytest.fixture(scope="session")
def announced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that announces this checkout's parts of MLflow, as an installation of the package does."""
    found = tmp_path_factory.mktemp("announced")
    package = found / "announced-0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 0\n")
    (package / "entry_points.txt").write_text(
        "[mlflow.artifact_repository]\nsealed+s3 = oracle.artifacts.plugin:sealed_repository\n"
        "[mlflow.app]\noracle-auth = oracle.tracking_server.app:create_app\n"
    )
    return found


@pytest.fixture(scope="session")
def deployment(announced: Path) -> Iterator[Deployment]:
    """A production that is up."""
    with folder() as home, deployed(home, surroundings(announced)) as found:
        yield found
