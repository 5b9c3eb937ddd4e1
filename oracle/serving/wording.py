"""Answers as messages, where bytes written once will not do: with reasons, or for the command line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from oracle.ensemble.explain import meanings, shortened
from oracle.serving.exotics import exotics as combinations
from oracle.serving.messages import ExplainedMessage, PredictionMessage, answer, explained
from oracle.serving.query import Query
from oracle.serving.request import Asked, Told, told_by_control
from oracle.serving.slot import Loaded, Slot


def plain(asked: Asked, told: Told, exotics: int, now: Callable[[], dt.datetime]) -> PredictionMessage:
    """Return what was said as a message."""
    said = told.scored.said
    return answer(
        asked.read.message,
        said,
        model=told.model,
        prediction_id=asked.prediction_id,
        at=now(),
        exotics=combinations(said, told.discount, exotics) if exotics else None,
    )


def with_reasons(
    asked: Asked, slot: Slot, loaded: Loaded, query: Query, now: Callable[[], dt.datetime]
) -> tuple[ExplainedMessage, Told]:
    """Return the answer of what stands in a slot, with the reasons for each score."""
    [scored] = slot.score([asked.read.card], loaded)
    [why] = loaded.model.explain([asked.read.card])
    if query.top is not None:
        top = query.top
        why = replace(why, runners=tuple(r and shortened(r, top) for r in why.runners))
    told = told_by_control(asked.read, replace(scored, said=why.prediction), loaded)
    return explained(plain(asked, told, query.exotics, now), why, meanings()), told
