"""PostgreSQL away for some seconds under load, on a real Ray: the short version of benchmarks/outage.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import outage
from benchmarks.outage_bench.plant import plant
from tests.serving.conftest import World

pytestmark = [pytest.mark.cluster, pytest.mark.services]


def test_every_card_is_answered_and_kept_while_postgresql_is_frozen(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outage, "QUIET", 1.0)
    with plant(tmp_path, replicas=1, made=(world.home, world.card)) as found:
        told = outage.measure(found, ["frozen"], seconds=8.0, rate=20.0)
    frozen = told["outages"]["frozen"]
    assert frozen["faults"] == []
    assert frozen["answers"]["acknowledged"] > 150
    assert told["left_in_the_spool"] == []
