"""Prediction in two halves with the members' scores between them, for a composition that scores members elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oracle.ensemble.race_model import FEATURE_SET, RaceModel, _Priced
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_cards
from oracle.race import CardPrediction, RaceCard
from oracle.ranking.races import Floats


def prepare(model: RaceModel, cards: Sequence[RaceCard]) -> tuple[Any, RaceMatrix]:
    """Return what `finish` wants to have back, and the features."""
    races = from_cards(cards, model.state.alias, model.about.overround)
    reading = model.state.read(races)
    matrix = build.matrix(races, reading, FEATURE_SET)
    return (races, reading, matrix), matrix


def finish(
    model: RaceModel, cards: Sequence[RaceCard], prepared: Any, scores: Mapping[str, Floats]
) -> list[CardPrediction]:
    """Return the answers."""
    races, reading, matrix = prepared
    utility, win, priced = model._pooled(scores, matrix)
    return model._answer(cards, _Priced(races, matrix, scores, utility, win, priced, ~np.isnan(reading.last["horse"])))
