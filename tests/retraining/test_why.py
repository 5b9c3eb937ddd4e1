"""Why a retraining was started or not: told from what was kept, by rule, whichever of its names one asks by."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from oracle import store
from oracle.cli import output
from oracle.cli.app import app
from oracle.retraining.trigger import DRIFT, KINDS, NO_DRIFT, UNMEASURED, Decision, Evidence, Part, Past, decide
from oracle.settings import RetrainingPolicy
from oracle.store import Check, Retraining, Step
from oracle.store import Decision as Kept

NOW = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
QUIET = {kind: Part(NO_DRIFT) for kind in KINDS}


def kept(home: Path, decision: Decision, check_id: str | None = None) -> None:
    opened = store.embedded(home)
    told = orjson.dumps(decision.as_dict() | {"check_id": check_id}).decode()
    if decision.retraining_id is not None:
        opened.retrainings.start(
            Retraining(
                retraining_id=decision.retraining_id, event_id=decision.event_id, at=NOW, cause=told, production="7"
            )
        )
        opened.retrainings.step(
            Step(retraining_id=decision.retraining_id, step="train", status="done", at=NOW, seconds=61.5)
        )
    if check_id is not None:
        document = {"verdict": "drift", "causes": [{"part": "concept", "feature": "course", "strength": 2.5}]}
        opened.checks.add(
            Check(
                check_id=check_id, at=NOW, kind="monitor", model_version="7", reference="own", races=412,
                verdict="drift", document=orjson.dumps(document).decode(),
            )
        )  # fmt: skip
    opened.retrainings.decide(
        Kept(
            event_id=decision.event_id, at=NOW, decision=decision.decision, causes=told, check_id=check_id,
            retraining_id=decision.retraining_id,
        )
    )  # fmt: skip
    opened.close()


@pytest.fixture
def why(oracle_home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks, and returns exit code, document and text."""
    written: list[bytes] = []
    monkeypatch.setattr(output._Result, "claim", lambda: None)
    monkeypatch.setattr(output._Result, "write", written.append)

    def ask(*words: str) -> tuple[int, Any, str]:
        written.clear()
        code = output.run(app, ["retrain", "why", *words, "--json"])
        document = json.loads(written[0])
        output.run(app, ["retrain", "why", *words])
        return code, document, written[-1].decode()

    return ask


def test_a_retraining_says_what_was_for_it_and_how_it_went(oracle_home: Path, why: Any):
    drifted = {**QUIET, "concept": Part(DRIFT, "NDCG@3 fell by 4%"), "outcome": Part(UNMEASURED, "12 races")}
    decision = decide(Evidence(model_version="7", drift=drifted, new_races=500), RetrainingPolicy(), NOW)
    kept(oracle_home, decision, "check-1")
    for word in (decision.event_id, str(decision.retraining_id), "check-1", "latest"):
        code, document, text = why(word)
        assert code == 0
        assert document["decision"] == "retrain"
        assert [c["rule"] for c in document["because"]] == ["concept_drift"]
        assert document["check"]["races"] == 412
        assert [s["step"] for s in document["retraining"]["steps"]] == ["train"]
        for words in ("because concept drift: NDCG@3 fell by 4%", "12 races", "412 races", "train done in 61.5 s"):
            assert words in text


def test_what_was_held_back_names_the_rule_that_held_it(oracle_home: Path, why: Any):
    past = (Past("r1", NOW - dt.timedelta(days=2), NOW - dt.timedelta(days=1)),)
    drifted = {**QUIET, "data": Part(DRIFT, "going")}
    evidence = Evidence(model_version="7", drift=drifted, new_races=500, past=past)
    kept(oracle_home, decide(evidence, RetrainingPolicy(), NOW))
    _, document, text = why()
    assert document["decision"] == "wait"
    assert [c["rule"] for c in document["because"]] == ["cooldown"]
    assert document["retraining"] is None
    assert "nothing was started, for now" in text
    assert "for it         data_drift" in text


def test_an_event_that_never_was_ends_with_2_and_says_which_there_are(oracle_home: Path, why: Any):
    code, document, _ = why("event-x")
    assert code == 2
    assert document["error"]["allowed"] == "no decision was made yet"
