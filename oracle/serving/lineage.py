"""Where the answers to a race came from: which versions answered, trained on what, wanted and approved by whom.

One address that the app takes in with one line. It reads our store and asks no registry, so that it answers while
MLflow is away.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from oracle.governance import lineage
from oracle.serving.messages import RefusalMessage
from oracle.serving.refusals import NoSuchRace
from oracle.store import Prediction, Store

MOST = 1000
"""Answers told of one race, the latest."""
LONGEST = 200
"""Characters of a race's name."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnswerLineage(_Message):
    """One answer to a card of the race."""

    prediction_id: str
    at: dt.datetime
    version: str
    """That answered; a mark behind a `+` where it answered under other weights."""
    arm: str
    experiment: str | None
    fallback: str | None
    in_service: int | None
    """The version in service at that moment by the record; null before any record."""


class Said(_Message):
    """Who said something, when and why."""

    by: str
    at: dt.datetime
    reason: str
    decision: str | None = None


class TrainedOn(_Message):
    """What a version is made of."""

    run_id: str | None
    data_fingerprint: str | None
    git_commit: str | None
    features: str | None
    package_sha256: str | None


class VersionLineage(_Message):
    """One version that answered, and where it came from."""

    version: str
    semver: str | None = None
    answers: int
    first: dt.datetime
    last: dt.datetime
    known_by: str | None
    """`promotion`, `request` (it was tested and never came into service), or null where nothing is on record."""
    kind: str | None = None
    in_service_from: dt.datetime | None = None
    trained_on: TrainedOn | None = None
    request: str | None = None
    requested: Said | None = None
    approved: Said | None = None
    carried_out_by: str | None = None
    evidence_sha256: str | None = None
    told: str | None = None


class LineageMessage(_Message):
    """Which versions answered a race, when, and where each came from."""

    race: str
    answers: tuple[AnswerLineage, ...]
    versions: tuple[VersionLineage, ...]


def _anybody() -> None:
    return None


def routes(app: FastAPI, store: Store, *, may_read: Callable[..., Any] = _anybody) -> None:
    """Add `GET /v1/races/{race}/lineage` to an app that answers errors in the house's shape.

    Args:
        app: The application.
        store: Where answers, requests and promotions are kept.
        may_read: A dependency of FastAPI: raises where the caller may not.
    """

    @app.get(
        "/v1/races/{race}/lineage",
        summary="Which version answered a race, and where it came from",
        response_model=LineageMessage,
        responses={
            404: {"model": RefusalMessage, "description": "No answer to a card of that race is kept."},
            503: {"model": RefusalMessage, "description": "The store does not answer."},
        },
        dependencies=[Depends(may_read)],
    )
    async def race_lineage(race: str) -> Response:
        """Say which versions answered a race and when, trained on what, and who asked for and approved each.

        The race is the card's race_id, or course and off as `Redmile|2026-05-03T12:35Z`. Nobody who asked for a
        prediction is named.
        """
        told = await run_in_threadpool(partial(of_race, store, race[:LONGEST]))
        return Response(told.model_dump_json(), media_type="application/json")


def of_race(store: Store, race: str) -> LineageMessage:
    """Return the lineage of a race.

    Raises:
        NoSuchRace: no answer to a card of it is kept.
        Unavailable: the store did not answer.
    """
    kept = store.predictions.of_race(race, MOST) if "\0" not in race else []  # PostgreSQL knows no such text
    if not kept:
        raise NoSuchRace(
            "no answer to a card of that race is kept",
            value=race,
            allowed="the race_id of an answered card, or course and off: Redmile|2026-05-03T12:35Z",
            next_step="oracle predictions lists what is kept",
        )
    answers, model = [_answered(each) for each in kept], kept[-1].model_name
    promotions = store.promotions.all(model)
    found = lineage.of_race(race, answers, promotions, _requests(store, model, answers))
    known = VersionLineage.model_fields
    versions = [_version({k: v for k, v in each.items() if k in known}, each) for each in found["versions"]]
    return LineageMessage.model_validate({**found, "versions": versions})


def _version(told: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """Return a version with whoever approved it, also where it is known by its request alone."""
    decided = whole.get("decided")
    return told | ({"approved": decided} if decided and decided["decision"] == "approved" else {})


def _answered(kept: Prediction) -> lineage.Answered:
    return lineage.Answered(kept.prediction_id, kept.at, kept.arm, kept.model_version, kept.experiment, kept.fallback)


def _requests(store: Store, model: str, answers: list[lineage.Answered]) -> dict[int, dict[str, Any]]:
    """Return the last request for each version that answered."""
    found = {}
    for number in {each.number for each in answers} - {None}:
        asked = store.approvals.of_version(model, number) if number is not None else []
        if asked and number is not None:
            found[number] = lineage.of_request(asked[-1], store.approvals.rulings(asked[-1].request_id))
    return found
