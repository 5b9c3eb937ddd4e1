"""The same FastAPI peer without our compiled path for cards: features by plain numpy, and every member is asked.

This is what an engineer has who takes the library's training features to a request handler: 214 columns by array
operations over a dozen rows, each forest by `Booster.predict`, then blend and calibration as they are.
"""

from __future__ import annotations

import numpy as np
from fastapi import FastAPI

from benchmarks.peers import model
from benchmarks.peers.schema import AnswerOut, CardIn
from oracle.ensemble.race_model import FEATURE_SET, Prepared
from oracle.features import build
from oracle.features.races import from_cards
from oracle.ranking.report import scored

app = FastAPI()
MODEL = model.load()


@app.post("/v1/predict")
async def predict(card: CardIn) -> AnswerOut:
    """Rank a card."""
    cards = [model.card_of(card.model_dump())]
    races = from_cards(cards, MODEL.state.alias, MODEL.about.overround)
    reading = MODEL.state.read(races)
    matrix = build.matrix(races, reading, FEATURE_SET)
    known = ~np.isnan(reading.last["horse"])
    prepared = Prepared(races, matrix, known, np.asarray(scored(matrix.market, matrix.offsets)))
    [said] = MODEL.finish(cards, prepared, {name: member.score(matrix) for name, member in MODEL.members.items()})
    return AnswerOut(
        race_id=card.race_id,
        ensemble=said.ensemble,
        places=said.places,
        notes=list(said.notes),
        runners=model.rows_of(said),
    )
