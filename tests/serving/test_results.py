"""What is told of races that were run: what is accepted, what comes back with a reason, what a second telling is."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI, HTTPException, Request
from hypothesis import given
from hypothesis import strategies as st

from oracle.race import COLUMNS
from oracle.serving import http, outcomes
from oracle.serving.messages import EXAMPLE as CARD
from oracle.serving.messages import RefusalMessage
from oracle.serving.result_messages import EXAMPLE, MAX_RACES
from oracle.serving.results import MalformedResults, read_results, take
from oracle.store import Store, embedded
from tests.serving.calls import Answer, call

NOW = dt.datetime(2025, 6, 2, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = embedded(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = embedded(tmp_path)
    yield store
    store.close()


def message(**race: Any) -> dict[str, Any]:
    """Return the example with some fields of its race changed."""
    told = copy.deepcopy(EXAMPLE)
    told["races"][0].update(race)
    return told


def with_runner(at: int, **changes: Any) -> dict[str, Any]:
    told = copy.deepcopy(EXAMPLE)
    told["races"][0]["runners"][at].update(changes)
    return told


def tell(store: Store, told: dict[str, Any], now: dt.datetime = NOW) -> dict[str, Any]:
    receipt = take(json.dumps(told).encode(), store, now)
    return orjson.loads(receipt.model_dump_json())


def refused(told: Any) -> MalformedResults:
    with pytest.raises(MalformedResults) as caught:
        read_results(told if isinstance(told, bytes) else json.dumps(told).encode())
    return caught.value


def test_the_example_is_accepted_and_stored_in_the_columns_of_the_runner_table(store: Store) -> None:
    receipt = tell(store, EXAMPLE)
    [race] = receipt["races"]
    assert (race["what"], race["seq"], race["refused"]) == ("new", 1, [])
    [stored] = store.results.since(0)
    rows = orjson.loads(stored.runners)
    assert [row["status"] for row in rows] == ["finished", "finished", "pulled_up", "withdrawn"]
    assert rows[0]["going"] == "good_to_firm"
    assert rows[0]["field_size"] == 3
    assert set(rows[0]) <= {c.name for c in COLUMNS}
    assert "horse_id" not in rows[0], "a name is not an id"


def test_told_again_it_adds_nothing_and_told_differently_it_is_a_correction(store: Store) -> None:
    assert tell(store, EXAMPLE)["races"][0]["what"] == "new"
    assert tell(store, EXAMPLE)["races"][0] | {"what": "new"} == tell(store, EXAMPLE)["races"][0] | {"what": "new"}
    assert tell(store, EXAMPLE)["races"][0]["what"] == "same"
    assert tell(store, with_runner(2, status="fell"))["races"][0]["what"] == "corrected"
    assert store.results.latest() == 2


def test_the_order_of_runners_and_what_is_left_empty_do_not_make_another_result(store: Store) -> None:
    tell(store, EXAMPLE)
    other = message(runners=EXAMPLE["races"][0]["runners"][::-1], track=None)
    assert tell(store, other)["races"][0]["what"] == "same"


def test_a_result_without_an_id_is_joined_by_course_and_minute(store: Store) -> None:
    [race] = tell(store, message(race_id=None))["races"]
    assert race["race_key"] == "Sha Tin|2025-06-01T07:35Z"
    assert store.results.since(0)[0].race_id is None


def test_the_card_of_the_documentation_with_positions_added_is_a_result(store: Store) -> None:
    card = copy.deepcopy(CARD)
    for position, runner in enumerate((r for r in card["runners"] if not r.get("withdrawn")), start=1):
        runner["position"] = position
    assert tell(store, {"races": [card]})["races"][0]["what"] == "new"


def test_a_runner_that_breaks_a_rule_is_refused_alone_with_the_reason_of_the_quarantine(store: Store) -> None:
    [race] = tell(store, with_runner(0, weight_kg=9.0))["races"]
    assert race["what"] == "new"
    assert race["refused"] == [{"runner": 0, "horse": "Silver Lining", "reason": "impossible_weight: weight_kg=9.0"}]


def test_a_race_that_contradicts_itself_is_refused_whole_and_the_others_stand(store: Store) -> None:
    good, bad = EXAMPLE["races"][0], copy.deepcopy(EXAMPLE["races"][0])
    bad["race_id"] = "two-winners"
    bad["runners"][0]["position"] = 1
    first, second = tell(store, {"races": [bad, good]})["races"]
    assert (first["what"], first["seq"]) == ("refused", None)
    assert [row["runner"] for row in first["refused"]] == [None]
    assert first["refused"][0]["reason"].startswith("two_winners")
    assert second["what"] == "new"


def test_where_no_race_is_acceptable_nothing_is_stored_and_every_reason_is_told(store: Store) -> None:
    bad = with_runner(0, position=1)
    with pytest.raises(MalformedResults) as caught:
        tell(store, bad)
    assert caught.value.problems[0].field == "races[0]"
    assert "two_winners" in caught.value.problems[0].message
    assert store.results.latest() == 0


def test_a_race_that_is_not_yet_off_cannot_have_a_result(store: Store) -> None:
    with pytest.raises(MalformedResults, match="race_in_future"):
        tell(store, EXAMPLE, now=dt.datetime(2025, 6, 1, 7, 34, tzinfo=dt.UTC))


def test_a_race_declared_void_after_its_result_corrects_it(store: Store) -> None:
    tell(store, EXAMPLE)
    void = message(runners=[{"horse": r["horse"], "number": r["number"], "status": "void"} for r in CARD["runners"]])
    assert tell(store, void)["races"][0]["what"] == "corrected"


@pytest.mark.parametrize(
    ("told", "field", "kind"),
    [
        ({"races": []}, "races", "TooShort"),
        ({"races": [EXAMPLE["races"][0]] * 2}, "races[1]", "DuplicateRace"),
        ({"races": [{**EXAMPLE["races"][0], "race_id": str(i)} for i in range(MAX_RACES + 1)]}, "races", "TooLong"),
        ({"race": []}, "races", "Missing"),
        (message(runners=[]), "races[0].runners", "TooShort"),
        (message(wether="fine"), "races[0].wether", "UnknownField"),
        (message(off="2025-06-01T15:35:00"), "races[0].off", "NoTimeZone"),
        (message(date="01/06/2025"), "races[0].date", "NotADate"),
        (message(runners=["Silver Lining"]), "races[0].runners[0]", "NotAnObject"),
        (with_runner(0, positon=1), "races[0].runners[0].positon", "UnknownField"),
        (with_runner(0, position="1"), "races[0].runners[0].position", "NotANumber"),
        (with_runner(0, status="flew"), "races[0].runners[0].status", "UnknownWord"),
        (with_runner(3, position=4), "races[0].runners[3]", "Contradiction"),
        (message(runners=[{"horse": "A"}]), "races[0].runners[0]", "NoOutcome"),
        ([], None, "NotListOfResults"),
        (b"{", None, "NotJson"),
        (b"", None, "EmptyBody"),
        (b'{"races": [], "races": []}', "races", "DuplicateKey"),
    ],
)
def test_a_malformed_message_is_refused_with_the_field_and_the_reason(told: Any, field: str | None, kind: str) -> None:
    problems = refused(told).problems
    assert (field, kind) in [(problem.field, problem.kind) for problem in problems]
    assert all(problem.next_step == "see docs/results.md for every field" for problem in problems)


def test_a_misspelt_field_is_told_with_the_one_that_was_meant() -> None:
    [problem] = [p for p in refused(with_runner(0, positon=1)).problems if p.kind == "UnknownField"]
    assert "did you mean position?" in problem.message


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.text() | st.floats(), st.lists).map(
        lambda value: json.dumps({"races": [value]}).encode()
    )
)
def test_no_body_at_all_is_anything_but_accepted_or_refused(shelf: Store, body: bytes) -> None:
    with pytest.raises(MalformedResults):
        take(body, shelf, NOW)


@pytest.fixture(scope="module")
def app(shelf: Store) -> FastAPI:
    def with_token(request: Request) -> None:
        if request.headers.get("authorization") != "Bearer secret":
            raise HTTPException(401, "a token is needed")

    app = FastAPI()
    http.answer_errors(app)
    outcomes.routes(app, shelf, body=http.whole_body, max_body_bytes=4096, may_tell_results=with_token, now=lambda: NOW)
    return app


@pytest.fixture
def post(app: FastAPI) -> Callable[..., Answer]:
    allowed = {"content-type": "application/json", "authorization": "Bearer secret"}
    return lambda body, headers=allowed: call(app, "POST", "/v1/results", body, headers)


def test_results_are_told_over_http(post: Callable[..., Answer]) -> None:
    told = post(json.dumps(message(race_id="over-http")).encode())
    assert (told.status, told.json()["races"][0]["what"]) == (200, "new")


def test_every_refusal_over_http_has_the_shape_of_the_house(post: Callable[..., Answer]) -> None:
    for body, status in ((b"{}", 422), (b"[" * 100_000, 413), (json.dumps(with_runner(0, position=1)).encode(), 422)):
        told = post(body)
        assert told.status == status
        assert RefusalMessage.model_validate_json(told.body).error.message


def test_who_may_not_tell_is_refused_before_the_body_is_judged(post: Callable[..., Answer]) -> None:
    told = post(b"{}", {"content-type": "application/json"})
    assert told.status == 401
    assert RefusalMessage.model_validate_json(told.body).error.message == "a token is needed"
