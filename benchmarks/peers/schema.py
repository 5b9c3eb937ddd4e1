"""A card and its answer as an ordinary FastAPI or BentoML app declares them: pydantic models, nothing tuned."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel


class RunnerIn(BaseModel):
    """One runner of a card."""

    horse: str
    horse_id: str | None = None
    jockey: str | None = None
    jockey_id: str | None = None
    trainer: str | None = None
    trainer_id: str | None = None
    sire: str | None = None
    number: int | None = None
    draw: int | None = None
    weight_kg: float | None = None
    body_weight_kg: float | None = None
    age: int | None = None
    sex: str | None = None
    official_rating: float | None = None
    gear: str | None = None
    odds: float | None = None
    withdrawn: bool = False


class CardIn(BaseModel):
    """A card."""

    course: str
    off: dt.datetime
    runners: list[RunnerIn]
    distance_m: int | None = None
    going: str | None = None
    surface: str | None = None
    race_type: str = "flat"
    race_class: str | None = None
    track: str | None = None
    country: str | None = None
    prize: float | None = None
    race_number: int | None = None
    race_name: str | None = None
    race_id: str | None = None


class RunnerOut(BaseModel):
    """What is said of one runner."""

    horse: str
    number: int | None
    rank: int | None
    score: float | None
    win: float
    place: float
    fair_odds: float | None
    edge: float | None
    known: bool


class AnswerOut(BaseModel):
    """The answer to a card."""

    race_id: str | None
    ensemble: str
    places: int
    notes: list[str]
    runners: list[RunnerOut]
