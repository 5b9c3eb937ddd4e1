"""Live traffic in our store, as replicas write it: predictions, scorings of both versions, results, events."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np

from oracle.experiment.assignment import arm as arm_of
from oracle.experiment.assignment import position
from oracle.store import Event, Prediction, RaceResult, Scoring, Store, place_key
from tests.experiment.seen import START

KEY = b"of the tests"
RUNNERS = 8
DAY = dt.timedelta(days=1)


def off_of(race: int) -> dt.datetime:
    """Eight races a day, half an hour apart, from the day of the start on."""
    return START + (race // 8) * DAY + dt.timedelta(hours=6, minutes=30 * (race % 8))


def said(scores: Any) -> str:
    win = np.exp(scores) / np.exp(scores).sum()
    rows = [
        [i + 1, f"h{i}", f"Horse {i}", float(s), float(w), float(min(1.0, 3 * w))]
        for i, (s, w) in enumerate(zip(scores, win, strict=True))
    ]
    return json.dumps(rows)


def scorings(race: int, chance: np.random.Generator, *, better: float = 0.0) -> tuple[list[Scoring], list[int]]:
    """Both versions' scorings of a race and its finishing order; `better` is how much more the treatment knows."""
    true = chance.normal(size=RUNNERS)
    shared = chance.normal(size=RUNNERS)
    order = np.argsort(np.argsort(-(true + chance.gumbel(size=RUNNERS)))) + 1
    control, treatment = true + shared, true + (1.0 - better) * shared
    told = [
        Scoring(
            card_key=f"c{race}",
            model_version=version,
            race_id=f"r{race}",
            race_key=f"r{race}",
            course="Redmile",
            off=off_of(race),
            at=off_of(race) - dt.timedelta(minutes=10),
            arm=name,
            runners=said(scores),
        )
        for name, version, scores in (("control", "3", control), ("treatment", "4", treatment))
    ]
    return told, order.tolist()


def result(race: int, order: list[int | None], **changes: Any) -> RaceResult:
    rows = [
        {
            "number": i + 1,
            "horse_id": f"h{i}",
            "horse": f"Horse {i}",
            "status": "finished" if place else "fell",
            "position": place,
            "date": f"{off_of(race):%Y-%m-%d}",
        }
        for i, place in enumerate(order)
    ]
    told: dict[str, Any] = {
        "race_id": f"r{race}",
        "race_key": f"r{race}",
        "course": "Redmile",
        "off": off_of(race),
        "received_at": off_of(race) + dt.timedelta(minutes=15),
        "source": "test",
        "runners": json.dumps(rows),
    }
    return RaceResult(**told | changes)


def prediction(number: int, race: int, user: str | None, *, share: float, **changes: Any) -> Prediction:
    unit = user or f"r{race}"
    treated = arm_of(position("spring", unit, KEY), [share]) == 1
    told: dict[str, Any] = {
        "prediction_id": f"p{number}",
        "at": off_of(race) - dt.timedelta(minutes=10, seconds=-number % 60),
        "race_id": f"r{race}",
        "race_key": f"r{race}",
        "course": "Redmile",
        "off": off_of(race),
        "experiment": "spring",
        "arm": "treatment" if treated else "control",
        "unit": unit,
        "user": user,
        "model_name": "equine-oracle",
        "model_version": "4" if treated else "3",
        "card_key": f"c{race}",
        "latency_ms": 2.0 + (number % 7) / 10,
        "card": "{}",
        "answer": "{}",
    }
    return Prediction(**told | changes)


def fill(store: Store, races: int, users: int, *, share: float = 0.1, better: float = 0.0, seed: int = 1) -> None:
    """Let so many users ask for every fifth race each, and every race be run."""
    chance = np.random.default_rng(seed)
    run = [(race, *scorings(race, chance, better=better)) for race in range(races)]
    store.scorings.add([scoring for _, both, _ in run for scoring in both])
    store.results.add([result(race, list(order)) for race, _, order in run])
    asked = [(u, race) for u in range(users) for race in range(u % 5, races, 5)]
    rows = [prediction(i, race, f"user-{u}", share=share) for i, (u, race) in enumerate(asked)]
    store.predictions.add(rows)
    events = [
        Event(event_id=f"e{i}", prediction_id=row.prediction_id, kind="click", at=row.at, received_at=row.at)
        for i, row in enumerate(rows)
        if chance.random() < 0.3
    ]
    store.events.add(events)


__all__ = ["fill", "off_of", "place_key", "prediction", "result", "scorings"]
