"""Fixtures of every room: the real races where they are present, an isolated home, and invented races."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from oracle import process
from oracle.data.sources.base import DTYPES, Batch
from oracle.race import COLUMNS, RaceType, Status

process.settle()  # as every edge does, before a library starts its threads


settings.register_profile(
    "oracle",
    deadline=None,  # two slow cores shared by many
    derandomize=True,  # a red test is red again
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("oracle")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real races, read-only."""
    folder = Path(os.environ.get("ORACLE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "hkjc").is_dir():
        pytest.skip(f"no real races at {folder}: set ORACLE_TEST_DATA to the folder that holds hkjc/, netkeiba/, ...")
    return folder


@pytest.fixture
def oracle_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own: no setting, file or database of the machine is seen, and none is left behind."""
    for name in [n for n in os.environ if n.startswith(("ORACLE_", "MLFLOW_"))]:
        if name != "ORACLE_TEST_DATA":
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("ORACLE_HOME", str(home))
    (home / "oracle.toml").touch()
    monkeypatch.setenv("ORACLE_CONFIG", str(home / "oracle.toml"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    return home


def _race(race_id: str = "r1", day: str = "2020-03-04", runners: int = 6, **changes: Any) -> pd.DataFrame:
    """Return an invented race: horse 1 wins, horse 2 is second, and so on; `changes` set whole columns."""
    date = pd.Timestamp(day)
    rows = pd.DataFrame(index=range(runners), columns=[c.name for c in COLUMNS], dtype=object)
    given: dict[str, Any] = {
        "race_id": race_id,
        "date": date,
        "off": (date + dt.timedelta(hours=12)).tz_localize("UTC"),
        "off_estimated": False,
        "course": "Meadow Park",
        "country": "IE",
        "race_type": RaceType.FLAT.value,
        "surface": "turf",
        "going": "good",
        "distance_m": 1600,
        "field_size": runners,
        "number": list(range(1, runners + 1)),
        "horse_id": [f"h{i}" for i in range(1, runners + 1)],
        "horse": [f"Horse {i}" for i in range(1, runners + 1)],
        "jockey_id": [f"j{i % 3}" for i in range(runners)],
        "trainer_id": [f"t{i % 2}" for i in range(runners)],
        "draw": list(range(runners, 0, -1)),
        "weight_kg": 57.5,
        "age": 4,
        "sex": "gelding",
        "odds": [2.0 + i for i in range(runners)],
        "status": Status.FINISHED.value,
        "position": list(range(1, runners + 1)),
        "dead_heat": False,
        "time_s": [96.0 + 0.2 * i for i in range(runners)],
        "beaten_lengths": [1.0 * i for i in range(runners)],
        "source": "invented",
    }
    for name, value in (given | changes).items():
        rows[name] = value
    return rows.astype(dict(DTYPES))


def _batch(*races: pd.DataFrame, file: str = "invented.csv", reasons: dict[int, str] | None = None) -> Batch:
    """Return the races as a batch read from one file; `reasons` are the source's own, by row."""
    rows = pd.concat(races, ignore_index=True)
    reason = pd.Series([(reasons or {}).get(i) for i in range(len(rows))], dtype=object)
    raw = rows[["race_id", "horse", "position"]].astype("str")
    return Batch(rows, raw, pd.Series([file] * len(rows), dtype="str"), pd.Series(range(2, len(rows) + 2)), reason)


@pytest.fixture(scope="session")
def race() -> Callable[..., pd.DataFrame]:
    """A function that invents a race in the canonical columns."""
    return _race


@pytest.fixture(scope="session")
def batch() -> Callable[..., Batch]:
    """A function that makes a batch of invented races."""
    return _batch
