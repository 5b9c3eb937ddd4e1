"""The front door: who may come in, and that the short way for cards is the long way to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from oracle.serving import http
from oracle.serving.door import Door, Guard
from oracle.serving.gateway import Gateway
from tests.serving import hostile
from tests.serving.calls import Answer, call
from tests.serving.conftest import World

JSON = {"content-type": "application/json"}


def door(gateway: Gateway, app: FastAPI) -> Callable[..., Answer]:
    whole: Any = Door(app, gateway, guard=Guard(), pseudonym=gateway.kit.pseudonym, max_body_bytes=262_144)
    return lambda method, path, body=b"", headers=None: call(whole, method, path, body, headers)


@pytest.fixture
def short(standing: Gateway, app: FastAPI) -> Callable[..., Answer]:
    return door(standing, app)


def plain(answer: Answer) -> tuple[int, Any]:
    told = answer.json()
    return answer.status, {k: v for k, v in told.items() if k not in ("prediction_id", "at")}


def test_the_short_way_is_the_long_way(short: Callable[..., Answer], ask: Callable[..., Answer], world: World):
    for query in ("", "?exotics=2", "?explain=true&top=1", "?exotics=1&explain=1"):
        path = f"/v1/predict{query}"
        assert plain(short("POST", path, world.body, JSON)) == plain(ask("POST", path, world.body, JSON))


def test_the_short_way_refuses_as_the_long_way_does(short: Callable[..., Answer], ask: Callable[..., Answer]):
    for each in hostile.every():
        one, other = (way("POST", "/v1/predict", each.body, each.headers) for way in (short, ask))
        assert (one.status, one.body) == (other.status, other.body), each.name


def test_everything_else_goes_on_to_the_application(short: Callable[..., Answer], world: World):
    told = short("POST", "/v1/predict", world.body, JSON)
    again = short("GET", f"/v1/predictions/{told.json()['prediction_id']}")
    assert (again.status, again.body) == (200, told.body)
    assert short("GET", "/v1/health").json()["status"] == "ok"
    assert short("GET", "/openapi.json").status == 200
    assert short("GET", "/v1/predict").status == 405
    assert short("GET", "/v1/nothing").status == 404


def test_a_user_is_kept_under_a_pseudonym_and_never_by_name(
    short: Callable[..., Answer], standing: Gateway, world: World
):
    told = short("POST", "/v1/predict", world.body, JSON | {"x-user-id": "Jane Doe"})
    row = standing.store.predictions.get(told.json()["prediction_id"])
    assert row
    assert row.user == row.unit == standing.kit.pseudonym("Jane Doe")
    assert "Jane" not in repr(row)


@pytest.mark.parametrize("name", ["x-user-id", "x-request-id"])
@pytest.mark.parametrize("value", ["x" * 201, "a\tb"])
def test_a_header_that_is_not_readable_is_refused_without_repeating_it(
    short: Callable[..., Answer], world: World, name: str, value: str
):
    told = short("POST", "/v1/predict", world.body, JSON | {name: value})
    assert told.status == 422
    assert value not in told.body.decode()


def test_a_repeated_request_gets_the_same_answer_and_makes_no_second_row(
    short: Callable[..., Answer], standing: Gateway, world: World
):
    first, again = (short("POST", "/v1/predict", world.body, JSON | {"x-request-id": "same"}) for _ in range(2))
    assert first.body == again.body
    other = json.loads(world.body) | {"race_id": "another"}
    told = short("POST", "/v1/predict", json.dumps(other).encode(), JSON | {"x-request-id": "same"})
    assert told.json()["prediction_id"] != first.json()["prediction_id"]


def test_an_unforeseen_error_is_a_500_that_says_nothing_of_the_inside(
    standing: Gateway, app: FastAPI, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> bytes:
        raise RuntimeError("secret path")

    monkeypatch.setattr(standing, "respond", broken)
    told = door(standing, app)("POST", "/v1/predict", b"{}", JSON)
    assert told.status == 500
    assert b"secret" not in told.body


def test_a_caller_that_hangs_up_gets_nothing_and_harms_nobody(standing: Gateway, app: FastAPI):
    import asyncio

    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "query_string": b"", "headers": []}
    whole = Door(app, standing, guard=Guard(), pseudonym=str, max_body_bytes=1000)
    asyncio.run(whole(scope, receive, send))
    assert not sent


def test_the_application_has_the_addresses_of_results_and_events(standing: Gateway):
    paths = {route.path for route in http.build(standing, max_body_bytes=1000).routes}  # type: ignore[attr-defined]
    assert {"/v1/results", "/v1/events"} <= paths
