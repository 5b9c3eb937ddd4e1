"""`oracle alerts`: what was told, whether it arrived, and how to try it out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oracle.cli import output
from oracle.cli.app import app
from tests.alerts.receiver import receiving


@pytest.fixture
def alerts(oracle_home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command of the group and returns its exit code and document."""
    written: list[bytes] = []
    monkeypatch.setattr(output._Result, "claim", lambda: None)
    monkeypatch.setattr(output._Result, "write", written.append)

    def run(*words: str) -> tuple[int, Any]:
        written.clear()
        code = output.run(app, ["alerts", *words])
        return code, json.loads(written[0]) if "--json" in words else written[0].decode()

    return run


def test_alerts_are_tried_out_listed_and_tried_again(alerts: Any, monkeypatch: pytest.MonkeyPatch):
    with receiving(500) as receiver:
        monkeypatch.setenv("ORACLE_ALERTS__WEBHOOKS", json.dumps([receiver.address]))
        monkeypatch.setenv("ORACLE_ALERTS__SECRET", "a secret of some length")
        code, document = alerts("test", "--json")
        assert (code, document["failed"]) == (1, 1)
        _, listed = alerts("list", "--json")
        assert listed["alerts"][0]["deliveries"][0]["error"] == "HTTP 500: said"
        assert "to be tried again, 1 tries: HTTP 500" in alerts("list")[1]
        assert alerts("retry", "--json") == (0, {"open": 1, "delivered": 1, "failed": 0, "given_up": 0})
        assert "delivered" in alerts("list")[1]
    assert json.loads(receiver.accepted[0][1])["kind"] == "test"


def test_with_nobody_to_tell_the_trial_says_so(alerts: Any):
    code, document = alerts("test", "--json")
    assert code == 2
    assert "nobody is to be told" in document["error"]["message"]
    assert alerts("list")[1] == "nothing was told yet\n"
