"""`POST /v1/events`: what became of an answer: it was viewed, clicked, its runner followed, a bet placed.

Each event names the prediction it belongs to and carries an id of the sender's, so that sending it again adds nothing.
The handler is a plain function.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oracle.serving import fields
from oracle.serving.body import Malformed, Problem, Wanted, read
from oracle.serving.fields import refusal
from oracle.store import Event, Store

MAX_EVENTS = 1000
DOCS = "see docs/results.md for every field"
AHEAD = dt.timedelta(minutes=5)
"""How far the sender's clock may run ahead of ours."""

EXAMPLE: dict[str, Any] = {
    "events": [
        {
            "event_id": "5f2c-1",
            "prediction_id": "18a23318f80641c8bfd4e9812a12056b",
            "kind": "bet",
            "value": 20.0,
            "at": "2025-06-01T15:31:07+08:00",
        }
    ]
}
"""A message that is always valid."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventMessage(_Message):
    """Something a user did with an answer."""

    event_id: fields.Id = Field(description="Your id of the event: the same id again adds nothing.")
    prediction_id: fields.Id = Field(description="The answer it belongs to.")
    kind: fields.EventWord = Field(description="What the user did.")
    value: fields.Real | None = Field(None, description="What it was worth, such as the stake of a bet.")
    at: fields.Moment = Field(description="When, ISO 8601 with a time zone.")


_AN_EVENT = fields.an_object("an event", '{"event_id": "1", "prediction_id": "...", "kind": "view", "at": "..."}')


class EventsMessage(_Message):
    """Some events, in any order."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    events: tuple[Annotated[EventMessage, _AN_EVENT], ...] = Field(
        min_length=1, max_length=MAX_EVENTS, description="Events in any order."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: dict[str, int] = {}
        for at, event in enumerate(self.events):
            if (first := seen.setdefault(event.event_id, at)) != at and event != self.events[first]:
                said = f"repeats the id of events[{first}] with another content"
                raise refusal("duplicate_event", said, "one id for each event", field=f"events[{at}].event_id")
        return self


class EventsReceipt(_Message):
    """What became of the events."""

    new: int
    same: int = Field(description="Events of an id that is there already; the first telling stays.")
    unknown: tuple[str, ...] = Field(description="Ids of events whose prediction is not in the store: not kept.")


class MalformedEvents(Malformed):
    """The body is not a list of events."""


WANTED = Wanted("list of events", "the events", DOCS, MalformedEvents, {})


def _certain() -> None:
    return None


def take(body: bytes, store: Store, now: dt.datetime, certain: Callable[[], None] = _certain) -> EventsReceipt:
    """Store the events in `body` and return what became of them.

    Args:
        body: An `EventsMessage` as UTF-8 JSON.
        store: Where events are kept; on return they are committed.
        now: The moment of receipt.
        certain: Raises where a prediction that is not in the store may still come in: then nothing is called unknown.

    Raises:
        MalformedEvents: the body is not in the form of events, or one of them is dated in the future.
        Unavailable: the store did not take them; sending them again is safe.
    """
    message = read(body, EventsMessage, WANTED)
    _refuse_future(message, now)
    told = store.events.add([Event(**dict(event), received_at=now) for event in message.events])
    if told.unknown:
        certain()
    return EventsReceipt(new=told.new, same=told.same, unknown=told.unknown)


def _refuse_future(message: EventsMessage, now: dt.datetime) -> None:
    late = [(at, event) for at, event in enumerate(message.events) if event.at > now + AHEAD]
    if late:
        raise MalformedEvents(
            Problem(
                "InFuture",
                f"events[{at}].at is in the future",
                f"events[{at}].at",
                event.at.isoformat(),
                f"up to {AHEAD.seconds // 60} minutes after {now:%Y-%m-%dT%H:%M:%SZ}",
                DOCS,
            )
            for at, event in late[:20]
        )
