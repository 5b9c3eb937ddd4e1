"""One request on its way through the gateway: what was asked, who was assigned, what was said, and the row it leaves.

Pure values: the gateway fills them in, in this order.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from oracle.race import RaceCard
from oracle.ranking.plackett_luce import Discount
from oracle.serving.caller import Caller
from oracle.serving.challenger import Fallback, Reply
from oracle.serving.messages import CardMessage, ModelMessage
from oracle.serving.routing import CONTROL, InForce
from oracle.serving.scoring import Scored, card_key, runner_rows
from oracle.serving.slot import Loaded
from oracle.store import Prediction, Scoring, race_key


@dataclass(frozen=True, slots=True)
class Asked:
    """A card as it came in, and the arm its unit is assigned to."""

    message: CardMessage
    card: RaceCard
    text: str
    """Canonical JSON."""
    race: str
    """The race's name."""
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
    fallback: Fallback | None = None
    slot: str = CONTROL
    """The slot that answered."""


def told_by_control(scored: Scored, loaded: Loaded, fallback: Fallback | None = None) -> Told:
    """Return what the control said."""
    return Told(scored, loaded.message, loaded.label, loaded.model.discount, loaded.seq, fallback)


def told_by_challenger(reply: Reply, arm: str) -> Told:
    """Return what a challenger said of one card."""
    return Told(reply.scored[0], reply.model, reply.label, reply.discount, reply.form, None, arm)


def row_of(asked: Asked, told: Told, *, at: dt.datetime, answer: str, latency_ms: float) -> Prediction:
    """Return the row that is written before the answer leaves."""
    message = asked.message
    return Prediction(
        prediction_id=asked.prediction_id,
        request_id=asked.caller.request_id,
        at=at,
        race_id=message.race_id,
        race_key=asked.race,
        course=message.course,
        off=message.off,
        experiment=asked.routing.experiment,
        arm=asked.arm,
        unit=asked.unit,
        user=asked.caller.user,
        model_name=told.model.name,
        model_version=told.label,
        fallback=told.fallback,
        card_key=card_key(asked.text.encode(), told.form),
        features=told.scored.features,
        form=told.form,
        latency_ms=latency_ms,
        cached=False,
        card=asked.text,
        answer=answer,
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
