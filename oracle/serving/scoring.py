"""How a loaded model scores cards, and by what names a card and its features are known afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from oracle.ensemble.race_model import Prepared, RaceModel
from oracle.race import CardPrediction, RaceCard
from oracle.serving.version import Predictor


@dataclass(frozen=True, slots=True)
class Scored:
    """What a version says of a card."""

    said: CardPrediction
    features: str
    """Fingerprint of the card's feature matrix; empty where the model shows none."""


def here(model: Predictor, cards: Sequence[RaceCard]) -> list[Scored]:
    """Return what the model says of each card, computed in this process."""
    if not isinstance(model, RaceModel):
        return [Scored(said, "") for said in model.predict(cards)]
    prepared = model.prepare(cards)
    said = model.finish(cards, prepared, model.scores(prepared))
    return [Scored(each, name) for each, name in zip(said, fingerprints(prepared), strict=True)]


def fingerprints(prepared: Prepared) -> list[str]:
    """Return the fingerprint of each race's features."""
    return prepared.matrix.fingerprints()


def card_key(card: bytes, seq: int) -> str:
    """Return 32 hex digits that name a card scored with the form of that many results.

    Args:
        card: Its canonical JSON.
        seq: Number of the last result in the form.
    """
    return hashlib.blake2b(card, digest_size=16, key=b"card", salt=seq.to_bytes(8, "big")).hexdigest()


def runner_rows(card: RaceCard, said: CardPrediction) -> str:
    """Return the starters as JSON text: [[number, horse_id, horse, score, win, place], ...]."""
    return orjson.dumps(
        [
            (asked.number, asked.horse_id, asked.horse, told.score, told.win, told.place)
            for asked, told in zip(card.runners, said.runners, strict=True)
            if not asked.withdrawn
        ]
    ).decode()
