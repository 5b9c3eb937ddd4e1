"""`oracle monitor`: one of two ways to look, an exit code that means something, and an end when it is asked for."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.cli.monitor import _code, _stopping, told
from oracle.retraining.monitor import Tick
from oracle.store import Check

NOW = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
DRIFTED = Check(
    check_id="c", at=NOW, kind="monitor", model_version="7", reference="own", races=412, verdict="drift", document="{}"
)


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("words", [[], ["--once", "--every", "1h"], ["--every", "often"]])
def test_what_is_no_way_to_look_is_refused_before_anything_is_opened(
    oracle_home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
):
    written: list[Any] = []
    monkeypatch.setattr(output._Result, "claim", lambda: None)
    monkeypatch.setattr(output._Result, "write", written.append)
    assert output.run(app, ["monitor", *words, "--json"]) == 2
    assert json.loads(written[0])["error"]["allowed"]
    assert not (oracle_home / "oracle.db").exists()


def test_drift_has_an_exit_code_and_trouble_a_stronger_one():
    assert _code(Tick(at=NOW)) == 0
    assert _code(Tick(at=NOW, check=DRIFTED)) == 10
    assert _code(Tick(at=NOW, check=DRIFTED, trouble=["deciding: the store is away"])) == 1
    assert "trouble   deciding" in told(Tick(at=NOW, check=DRIFTED, trouble=["deciding: the store is away"]))
    assert "drift, 412 races of version 7" in told(Tick(at=NOW, check=DRIFTED))


def test_the_first_signal_waits_for_the_look_and_the_second_does_not(handlers: None):
    stop = _stopping()
    assert not stop.is_set()
    signal.raise_signal(signal.SIGTERM)
    assert stop.wait(0.0)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
