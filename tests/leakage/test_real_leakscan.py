"""On the real races of four sources: every planted leak is caught, and the shipped features are silent."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from oracle.data import extra
from oracle.data.dataset import Dataset
from oracle.data.ingest import ingest
from oracle.data.sources import SOURCES
from oracle.features import build
from oracle.features.races import from_frame
from oracle.leakage.court import convene
from oracle.leakage.scan import scan
from oracle.settings import LeakPolicy
from oracle.training.leakscan import leakscan
from tests.leakage import planted

pytestmark = pytest.mark.realdata

FOLDERS = {
    "hkjc": "hkjc",
    "hkjc-2014": "hkjc-2014",
    "netkeiba": "netkeiba/race_results",
    "racingpost": "racingpost-ie",
}


@pytest.mark.parametrize("layout", FOLDERS)
def test_leaks_are_caught_and_features_silent(layout: str, real_data: Path, tmp_path: Path) -> None:
    path = tmp_path / layout
    moment = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    ingest([real_data / FOLDERS[layout]], SOURCES[layout], Dataset(str(path)), moment)
    found = leakscan(extra.read(str(path)), LeakPolicy(), 7)
    assert found.scan.suspects == ()
    assert found.scan.basis == "market"
    races = from_frame(Dataset(str(path)).read())
    court = convene(races, build.history(races, "form"))
    leaks = planted.leaks(races)
    caught = {s.feature for s in scan(leaks.items(), court, LeakPolicy()).suspects}
    assert set(leaks) - caught == set()
    assert scan(planted.honest(races).items(), court, LeakPolicy()).suspects == ()
