"""The composition that Ray Serve's own tutorials teach: a FastAPI ingress, a deployment per member, handles between.

    python -m benchmarks.peers.ray_textbook PORT

All switches stand at Ray's defaults. Only the forests are deployments of their own: the linear members take
microseconds, and a hop each would make the peer look worse than its author would. Ray is started here, on free ports,
with more logical CPUs than there are: a deployment asks for one by default.
"""

import asyncio
import signal
import sys
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve

from benchmarks.peers import model
from benchmarks.peers.schema import AnswerOut, CardIn
from oracle.features.matrix import RaceMatrix
from oracle.ranking.races import Floats

# FastAPI looks at the annotations of the route in the replica, where this file is not a module: they are not postponed.

app = FastAPI()


@serve.deployment
class Member:
    """One forest."""

    def __init__(self, name: str) -> None:
        self._member = model.load().members[name]

    def score(self, matrix: RaceMatrix) -> Floats:
        """Return its scores."""
        return self._member.score(matrix)


@serve.deployment
@serve.ingress(app)
class Ingress:
    """Features, linear members, blend and answer."""

    def __init__(self, **forests: Any) -> None:
        self._model = model.load()
        self._forests = forests

    @app.post("/v1/predict")
    async def predict(self, card: CardIn) -> AnswerOut:
        """Rank a card."""
        cards = [model.card_of(card.model_dump())]
        prepared = self._model.prepare(cards)
        matrix = prepared.matrix
        asked = {name: handle.score.remote(matrix) for name, handle in self._forests.items()}
        scores = {name: m.score(matrix) for name, m in self._model.members.items() if name not in asked}
        scores |= dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        [said] = self._model.finish(cards, prepared, scores)
        return AnswerOut(
            race_id=card.race_id,
            ensemble=said.ensemble,
            places=said.places,
            notes=list(said.notes),
            runners=model.rows_of(said),
        )


def _deployment(decorated: Any) -> Any:
    """Return what a decorator of Ray Serve made of a class, which its types do not tell."""
    return decorated


def main(port: int) -> int:
    """Serve until SIGTERM."""
    forests = [name for name, member in model.load().members.items() if model.is_forest(member)]
    ray.init(
        address="local",
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        num_cpus=len(forests) + 4,
        log_to_driver=False,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    members = {name: _deployment(Member).options(name=name).bind(name) for name in forests}
    serve.run(_deployment(Ingress).bind(**members), name="textbook", route_prefix="/")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            signal.pause()
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
