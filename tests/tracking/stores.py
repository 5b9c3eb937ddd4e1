"""A tracking store in a fresh home, without waiting for MLflow's migrations each time."""

from __future__ import annotations

import fcntl
import importlib.metadata
import shutil
from pathlib import Path

import pytest

from oracle.settings import Settings
from oracle.tracking.connection import Tracking, connect


def fresh_home(factory: pytest.TempPathFactory) -> Path:
    """Return a new home that holds an empty MLflow database of the current schema.

    The schema costs seconds; it is made once and copied, also between the workers of one test run.
    """
    home = factory.mktemp("home", numbered=True)
    template = factory.getbasetemp().parent / f"mlflow-{importlib.metadata.version('mlflow')}.db"
    with template.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            maker = factory.mktemp("template")
            connect(Settings(home=maker, tracking={"experiment": "template"}))
            shutil.move(maker / "mlflow.db", template)
    shutil.copy(template, home / "mlflow.db")
    return home


def fresh_tracking(factory: pytest.TempPathFactory) -> Tracking:
    """Return a connection to an experiment of its own in a fresh home."""
    return connect(Settings(home=fresh_home(factory), tracking={"experiment": "of-a-test"}))
