"""Rows as the tests write them: everything given but for what a test is about."""

from __future__ import annotations

import datetime as dt
import json

from oracle.store import (
    Alert,
    Check,
    Event,
    Experiment,
    Prediction,
    RaceResult,
    Retraining,
    Scoring,
    race_key,
)
from oracle.store.experiments import fingerprint

NOON = dt.datetime(2026, 5, 3, 12, 30, 15, 123456, tzinfo=dt.UTC)
OFF = dt.datetime(2026, 5, 3, 14, 35, tzinfo=dt.UTC)
PLAN = '{"name":"t1","share":0.1}'


def prediction(number: int | str = 1, **changes: object) -> Prediction:
    race_id = changes.get("race_id", "r1")
    course, off = changes.get("course", "Redmile"), changes.get("off", OFF)
    given: dict[str, object] = {
        "prediction_id": f"p{number}",
        "at": NOON,
        "race_id": race_id,
        "race_key": race_key(race_id, course, off),  # type: ignore[arg-type]  # as the test says
        "course": course,
        "off": off,
        "unit": "u1",
        "model_name": "equine-oracle",
        "model_version": "3",
        "card_key": "c1",
        "card": "{}",
        "answer": "[]",
    }
    return Prediction(**{**given, **changes})  # type: ignore[arg-type]  # as the test says


def scoring(card: str = "c1", version: str = "3", **changes: object) -> Scoring:
    given: dict[str, object] = {
        "card_key": card,
        "model_version": version,
        "race_id": "r1",
        "race_key": "r1",
        "course": "Redmile",
        "off": OFF,
        "at": NOON,
        "runners": '[[1,"h1","A",1.5,0.6,0.8],[2,"h2","B",0.5,0.4,0.7]]',
    }
    return Scoring(**{**given, **changes})  # type: ignore[arg-type]  # as the test says


def result(
    race_id: str | None = "r1", positions: tuple[int | None, ...] = (1, 2, 3, 4), **changes: object
) -> RaceResult:
    rows = [
        {"number": i, "horse_id": f"h{i}", "horse": chr(64 + i), "status": "finished" if p else "fell", "position": p}
        for i, p in enumerate(positions, 1)
    ]
    given: dict[str, object] = {
        "race_id": race_id,
        "race_key": race_key(race_id, "Redmile", OFF),
        "course": "Redmile",
        "off": OFF,
        "received_at": NOON + dt.timedelta(hours=3),
        "source": "test",
        "runners": json.dumps(rows),
    }
    return RaceResult(**{**given, **changes})  # type: ignore[arg-type]  # as the test says


def event(number: int = 1, prediction_id: str = "p1", **changes: object) -> Event:
    given: dict[str, object] = {
        "event_id": f"e{number}",
        "prediction_id": prediction_id,
        "kind": "view",
        "at": NOON,
        "received_at": NOON,
    }
    return Event(**{**given, **changes})  # type: ignore[arg-type]  # as the test says


def experiment(name: str = "t1", **changes: object) -> Experiment:
    plan = str(changes.get("plan", PLAN))
    given: dict[str, object] = {
        "name": name,
        "plan": plan,
        "fingerprint": fingerprint(plan),
        "control": "3",
        "treatments": (("treatment", "4"),),
        "shares": (0.1,),
        "started_at": NOON,
        "actor": "anna",
    }
    return Experiment(**{**given, **changes})  # type: ignore[arg-type]  # as the test says


def check(check_id: str = "c1", **changes: object) -> Check:
    given: dict[str, object] = {
        "check_id": check_id,
        "at": NOON,
        "kind": "monitor",
        "model_version": "3",
        "reference": "model",
        "races": 120,
        "verdict": "drift",
        "document": "{}",
    }
    return Check(**{**given, **changes})  # type: ignore[arg-type]  # as the test says


def retraining(retraining_id: str = "n1", **changes: object) -> Retraining:
    given: dict[str, object] = {
        "retraining_id": retraining_id,
        "event_id": f"event of {retraining_id}",
        "at": NOON,
        "cause": "{}",
        "production": "3",
    }
    return Retraining(**{**given, **changes})  # type: ignore[arg-type]  # as the test says


def alert(alert_id: str = "a1", **changes: object) -> Alert:
    given: dict[str, object] = {
        "alert_id": alert_id,
        "at": NOON,
        "kind": "drift",
        "severity": "warning",
        "title": "NDCG@3 fell",
        "document": "{}",
    }
    return Alert(**{**given, **changes})  # type: ignore[arg-type]  # as the test says
