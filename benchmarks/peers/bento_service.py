"""BentoML as its documentation teaches: a service class, one typed API, one worker, the model in the process.

Its documentation writes the API as a plain `def`, which BentoML runs on a thread; `OracleAsync` is the same in its
event loop.
"""

from __future__ import annotations

import bentoml  # type: ignore[import-not-found]  # lives in an environment of its own

from benchmarks.peers import model
from benchmarks.peers.schema import AnswerOut, CardIn
from oracle.ensemble.race_model import RaceModel


def answered(served: RaceModel, card: CardIn) -> AnswerOut:
    """Return the answer to a card."""
    [said] = served.predict([model.card_of(card.model_dump())])
    return AnswerOut(
        race_id=card.race_id,
        ensemble=said.ensemble,
        places=said.places,
        notes=list(said.notes),
        runners=model.rows_of(said),
    )


@bentoml.service
class Oracle:
    """Ranks cards."""

    def __init__(self) -> None:
        self._model = model.load()

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, card: CardIn) -> AnswerOut:
        """Rank a card."""
        return answered(self._model, card)


@bentoml.service
class OracleAsync:
    """Ranks cards in the event loop."""

    def __init__(self) -> None:
        self._model = model.load()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, card: CardIn) -> AnswerOut:
        """Rank a card."""
        return answered(self._model, card)
