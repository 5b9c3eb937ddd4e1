"""One request on its way through the gateway: what was asked, who was assigned, what was said, and the row it leaves.

Pure values: the gateway fills them in, in this order.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from oracle.experiment.assignment import CONTROL
from oracle.governance.glance import kept, masked_json
from oracle.race import RaceCard
from oracle.ranking.plackett_luce import Discount
from oracle.serving.body import read_card
from oracle.serving.caller import Caller
from oracle.serving.challenger import Fallback, Reply
from oracle.serving.messages import CardMessage, ModelMessage
from oracle.serving.routing import InForce
from oracle.serving.scoring import Scored, card_key, runner_rows
from oracle.serving.slot import Loaded
from oracle.store import Prediction, Scoring, race_key


@dataclass(frozen=True, slots=True)
class Read:
    """A card as it came in."""

    body: bytes
    message: CardMessage
    card: RaceCard
    text: str
    """Canonical JSON, as it is kept: what is personal in it is masked."""
    personal: bool
    """Something was masked, and is to be masked in the kept answer too, which repeats names."""
    race: str
    """The race's name."""


def read(body: bytes) -> Read:
    """Return the card in `body`.

    Raises:
        MalformedCard: it is not one.
    """
    message = read_card(body)
    told = message.model_dump_json(exclude_unset=True)
    text = masked_json(told)
    race = race_key(message.race_id, message.course, message.off)
    return Read(body, message, message.as_card(), text, text is not told, race)


@dataclass(frozen=True, slots=True)
class Asked:
    """A card, who asks for it, and the arm the unit is assigned to."""

    read: Read
    caller: Caller
    unit: str
    arm: str
    routing: InForce
    prediction_id: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a version said of it."""

    scored: Scored
    model: ModelMessage
    label: str
    """Version and weights."""
    discount: Discount
    form: int
    card_key: str
    slot: str = CONTROL
    """The slot that answered."""


def told_by_control(card: Read, scored: Scored, loaded: Loaded) -> Told:
    """Return what the control said."""
    name = card_key(card.text.encode(), loaded.seq)
    return Told(scored, loaded.message, loaded.label, loaded.model.discount, loaded.seq, name)


def told_by_challenger(card: Read, reply: Reply, arm: str) -> Told:
    """Return what a challenger said of one card."""
    name = card_key(card.text.encode(), reply.form)
    return Told(reply.scored[0], reply.model, reply.label, reply.discount, reply.form, name, arm)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, and the words for it."""

    told: Told
    rest: bytes
    """The answer without its beginning: `oracle.serving.answers.written`."""
    fallback: Fallback | None = None
    """Why the control answered for a challenger."""
    cached: bool = False


def row_of(
    asked: Asked,
    told: Told,
    *,
    at: dt.datetime,
    answer: str,
    latency_ms: float,
    fallback: Fallback | None = None,
    cached: bool = False,
) -> Prediction:
    """Return the row that is written before the answer leaves; the caller gets the answer as it is, the row masked."""
    message, request_id = asked.read.message, asked.caller.request_id
    return Prediction(
        prediction_id=asked.prediction_id,
        request_id=None if request_id is None else kept(request_id),
        at=at,
        race_id=message.race_id,
        race_key=asked.read.race,
        course=message.course,
        off=message.off,
        experiment=asked.routing.experiment,
        arm=asked.arm,
        unit=asked.unit,
        user=asked.caller.user,
        model_name=told.model.name,
        model_version=told.label,
        fallback=fallback,
        card_key=told.card_key,
        features=told.scored.features,
        form=told.form,
        latency_ms=latency_ms,
        cached=cached,
        card=asked.read.text,
        answer=masked_json(answer) if asked.read.personal else answer,
    )


def scoring_of(
    card: RaceCard, text: str, scored: Scored, *, label: str, arm: str, form: int, at: dt.datetime, latency_ms: float
) -> Scoring:
    """Return what one version said of one card as the row that arms are compared by."""
    return Scoring(
        card_key=card_key(text.encode(), form),
        model_version=label,
        race_id=card.race_id,
        race_key=race_key(card.race_id, card.course, card.off),
        course=card.course,
        off=card.off,
        at=at,
        arm=arm,
        form=form,
        features=scored.features,
        latency_ms=latency_ms,
        runners=runner_rows(card, scored.said),
    )
