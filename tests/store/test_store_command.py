"""`oracle store`: what a new release will do to the tables can be seen, and done, before it is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from oracle.cli import output
from oracle.cli.app import app
from oracle.cli.output import run
from tests.store import earlier


@pytest.fixture(autouse=True)
def _output_stays_where_pytest_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output._Result, "claim", classmethod(lambda _: None))


def test_a_look_changes_nothing_and_alarms_then_the_same_is_done(oracle_home: Path, capfd: pytest.CaptureFixture[str]):
    oracle_home.mkdir(exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{oracle_home / 'oracle.db'}")
    before = earlier.release(engine, 5, rows=3)
    assert run(app, ["store", "migrate", "--check", "--json"]) == 10
    told = json.loads(capfd.readouterr().out)
    assert (told["was"], told["done"], told["revisions"][0]["brings"]) == ("0005", False, "governance")
    assert earlier.kept(engine) == before
    assert run(app, ["store", "migrate", "--json"]) == 0
    done = json.loads(capfd.readouterr().out)
    assert (done["was"], done["done"], done["revisions"]) == ("0005", True, told["revisions"])
    assert run(app, ["store", "migrate", "--check"]) == 0
    assert "nothing is missing" in capfd.readouterr().out
    engine.dispose()
