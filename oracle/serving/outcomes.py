"""Results and events over HTTP: two addresses that the app takes in with one line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from oracle.serving import events, results
from oracle.serving.addresses import RESULTS_CARDS
from oracle.serving.events import EventsMessage, EventsReceipt
from oracle.serving.messages import RefusalMessage
from oracle.serving.result_messages import ResultsMessage, ResultsReceipt
from oracle.settings import CheckPolicy
from oracle.store import Store

MESSAGES: tuple[type[BaseModel], ...] = (ResultsMessage, EventsMessage)
"""What is sent to these addresses: their schemas belong into the OpenAPI document."""

Body = Callable[[Request, int], Awaitable[bytes]]
"""Reads the body of a request up to a number of bytes, and refuses what is not plain JSON."""
Guard = Callable[..., Any]
"""A dependency of FastAPI: raises where the caller may not."""


def _anybody() -> None:
    return None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def _at_once() -> None:
    return None


def routes(
    app: FastAPI,
    store: Store,
    *,
    body: Body,
    max_body_bytes: int,
    policy: CheckPolicy | None = None,
    may_tell_results: Guard = _anybody,
    may_tell_events: Guard = _anybody,
    now: Callable[[], dt.datetime] = _now,
    before: Callable[[], Awaitable[None]] = _at_once,
    after: Callable[[], object] = _anybody,
    ready: Callable[[], object] = _anybody,
    certain: Callable[[], None] = _anybody,
) -> None:
    """Add `POST /v1/results` and `POST /v1/events` to an app that answers errors in the house's shape.

    Args:
        app: The application.
        store: Where results and events are kept.
        body: Reads a body.
        max_body_bytes: Largest card; a list may be `RESULTS_CARDS` times as large.
        policy: Limits of what is possible in racing; the built-in ones by default.
        may_tell_results: Who may tell results.
        may_tell_events: Who may tell events.
        now: The clock, UTC.
        before: Awaited before results are taken.
        after: Done, on a worker thread, once they are: the form of this process moves on with the answer.
        ready: Raises where the store is known to be away: the sender can repeat, and nothing is acknowledged till then.
        certain: Raises where a prediction that is not in the store may still come in.
    """
    limit = RESULTS_CARDS * max_body_bytes

    @app.post(
        "/v1/results",
        summary="Tell results",
        response_model=ResultsReceipt,
        responses=_refusals("No race could be accepted, or the message is malformed."),
        openapi_extra=_body_of("ResultsMessage"),
        dependencies=[Depends(may_tell_results)],
    )
    async def tell_results(request: Request) -> Response:
        """Say what became of races, late ones and corrections included; the form of every replica moves on with it.

        Told again, a result adds nothing; told differently, it corrects the earlier telling. What the rules of racing
        refuse comes back with its reason, race by race.
        """
        sent = await body(request, limit)
        ready()
        await before()
        told = await run_in_threadpool(partial(results.take, sent, store, now(), policy))
        await run_in_threadpool(after)
        return Response(told.model_dump_json(), media_type="application/json")

    @app.post(
        "/v1/events",
        summary="Tell what users did",
        response_model=EventsReceipt,
        responses=_refusals("The message is malformed."),
        openapi_extra=_body_of("EventsMessage"),
        dependencies=[Depends(may_tell_events)],
    )
    async def tell_events(request: Request) -> Response:
        """Say what users did with their predictions; an event of an id that is known adds nothing."""
        sent = await body(request, limit)
        ready()
        told = await run_in_threadpool(partial(events.take, sent, store, now(), certain))
        return Response(told.model_dump_json(), media_type="application/json")


def _refusals(malformed: str) -> dict[int | str, dict[str, Any]]:
    said = {401: "Not allowed to.", 413: "The body is too large.", 422: malformed, 503: "The store does not answer."}
    return {status: {"model": RefusalMessage, "description": text} for status, text in said.items()}


def _body_of(message: str) -> dict[str, Any]:
    schema = {"schema": {"$ref": f"#/components/schemas/{message}"}}
    return {"requestBody": {"required": True, "content": {"application/json": schema}}}
