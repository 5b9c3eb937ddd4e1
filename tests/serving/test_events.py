"""What users did with an answer, told once or twice, rightly or wrongly."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.serving.events import EXAMPLE, MAX_EVENTS, MalformedEvents, take
from oracle.store import Prediction, Store, embedded

NOW = dt.datetime(2025, 6, 2, tzinfo=dt.UTC)
EVENT: dict[str, Any] = EXAMPLE["events"][0]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = embedded(tmp_path_factory.mktemp("store"))
    yield store
    store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = embedded(tmp_path)
    off = dt.datetime(2025, 6, 1, 7, 35, tzinfo=dt.UTC)
    prediction = Prediction(
        prediction_id=EVENT["prediction_id"],
        at=off,
        race_key="example-1",
        course="Sha Tin",
        off=off,
        arm="control",
        unit="u",
        model_name="m",
        model_version="1",
        card_key="c",
        features="f",
        form=0,
        latency_ms=1.0,
        cached=False,
        card="{}",
        answer="{}",
    )
    store.predictions.add([prediction])
    yield store
    store.close()


def events(*changes: dict[str, Any]) -> bytes:
    return json.dumps({"events": [{**EVENT, **change} for change in changes]}).encode()


def test_an_event_told_twice_is_kept_once(store: Store) -> None:
    first, second = (take(events({}), store, NOW) for _ in range(2))
    assert (first.new, first.same, first.unknown) == (1, 0, ())
    assert (second.new, second.same, second.unknown) == (0, 1, ())
    [kept] = store.events.of_prediction(EVENT["prediction_id"])
    assert (kept.kind, kept.value, kept.received_at) == ("bet", 20.0, NOW)


def test_an_event_of_a_prediction_that_is_not_here_is_named(store: Store) -> None:
    told = take(events({}, {"event_id": "lost", "prediction_id": "nobody"}), store, NOW)
    assert (told.new, told.unknown) == (1, ("lost",))


def test_an_id_that_stands_twice_with_the_same_content_is_one_event(store: Store) -> None:
    assert take(events({}, {}), store, NOW).new == 1


@pytest.mark.parametrize(
    ("body", "field", "kind"),
    [
        (events(), "events", "TooShort"),
        (events(*({"event_id": str(i)} for i in range(MAX_EVENTS + 1))), "events", "TooLong"),
        (events({"kind": "bought"}), "events[0].kind", "UnknownWord"),
        (events({"value": "much"}), "events[0].value", "NotANumber"),
        (events({"at": "2025-06-01"}), "events[0].at", "NotATime"),
        (events({"at": "2025-06-03T00:00:00Z"}), "events[0].at", "InFuture"),
        (events({"event_id": "x" * 65}), "events[0].event_id", "TextTooLong"),
        (events({}, {"value": 1}), "events[1].event_id", "DuplicateEvent"),
        (events({"usre": "me"}), "events[0].usre", "UnknownField"),
        (b'{"events": [1]}', "events[0]", "NotAnObject"),
        (b"[]", None, "NotListOfEvents"),
    ],
)
def test_a_malformed_message_is_refused_with_the_field_and_the_reason(
    shelf: Store, body: bytes, field: str | None, kind: str
) -> None:
    with pytest.raises(MalformedEvents) as caught:
        take(body, shelf, NOW)
    assert (field, kind) in [(problem.field, problem.kind) for problem in caught.value.problems]


@given(st.binary(max_size=200))
def test_no_body_at_all_is_anything_but_accepted_or_refused(shelf: Store, body: bytes) -> None:
    with pytest.raises(MalformedEvents):
        take(body, shelf, NOW)
