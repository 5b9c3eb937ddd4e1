"""CPU time of one card, stage by stage: the way a request takes beside the long way that it is equal to.

    python benchmarks/card.py PACKAGE CARD

PACKAGE is the folder of a registered model, CARD a file with a race card as JSON. Prints one JSON document: for each
stage microseconds of CPU per card the short way and the long way (careful reading, features one by one, LightGBM's own
trees, messages by pydantic), measured in turns in one run, and `ratio`, long over short. `equal` says that both ways
gave the same features and the same answer to the last bit; the exit code is 1 where they did not.
Nothing is written to a store and nothing is sent.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import lightgbm as lgb
import numpy as np

from oracle.ensemble.race_model import FEATURE_SET, Prepared, RaceModel
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_cards
from oracle.models.gbdt import FittedTrees
from oracle.models.over_market import FittedOverMarket
from oracle.models.ranker import FittedRanker
from oracle.ranking.races import Floats
from oracle.ranking.report import scored
from oracle.serving.answers import signed, written
from oracle.serving.body import read_card, read_carefully
from oracle.serving.messages import ModelMessage, answer

ROUNDS, TIMES = 25, 20
MODEL = ModelMessage(name="equine-oracle", version="1")
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ID = "0" * 32


def main(package: str, path: str) -> int:
    """Measure and print; 0 if both ways agree."""
    model, body = RaceModel.load(Path(package)), Path(path).read_bytes()
    model.warm()
    card = read_card(body)
    asked = card.as_card()
    prepared = model.prepare([asked])
    scores = model.scores(prepared)
    (said,) = model.finish([asked], prepared, scores)
    boosters = {name: _booster(model.members[name]) for name in model.asked(prepared)}

    def long_prepare() -> Prepared:
        races = from_cards([asked], model.state.alias, model.about.overround)
        reading = model.state.read(races)
        matrix = build.matrix(races, reading, FEATURE_SET)
        priced = scored(matrix.market, matrix.offsets)
        return Prepared(races, matrix, ~np.isnan(reading.last["horse"]), priced)

    def long_scores(of: Prepared) -> dict[str, Floats]:
        return {name: _by_lightgbm(model.members[name], boosters[name], of.matrix) for name in boosters}

    def long_way() -> bytes:
        told = read_carefully(body)
        cards = [told.as_card()]
        of = long_prepare()
        (found,) = model.finish(cards, of, long_scores(of))
        return answer(told, found, model=MODEL, prediction_id=ID, at=AT).model_dump_json().encode()

    def short_way() -> bytes:
        told = read_card(body)
        (found,) = model.predict([told.as_card()])
        return signed(written(told, found, MODEL), ID, AT)

    equal = long_way() == short_way() and long_prepare().matrix.values.tobytes() == prepared.matrix.values.tobytes()
    kept = written(card, said, MODEL)
    stages: Mapping[str, tuple[Callable[[], object], Callable[[], object] | None]] = {
        "read the body": (lambda: read_card(body), lambda: read_carefully(body)),
        "features": (lambda: model.prepare([asked]), long_prepare),
        "scores of the members": (lambda: model.scores(_anew(prepared)), lambda: long_scores(_anew(prepared))),
        "blend, places, notes": (lambda: model.finish([asked], prepared, scores), None),
        "write the answer": (
            lambda: signed(written(card, said, MODEL), ID, AT),
            lambda: answer(card, said, model=MODEL, prediction_id=ID, at=AT).model_dump_json(),
        ),
        "predict": (lambda: model.predict([asked]), None),
        "from body to answer": (short_way, long_way),
        "an answer that is kept": (lambda: signed(kept, ID, AT), None),
    }
    report: dict[str, Any] = {"runners": len(card.runners), "ensemble": said.ensemble, "equal": equal}
    print(json.dumps(report | {"us": {name: _told(*both) for name, both in stages.items()}}, indent=2))  # noqa: T201
    return 0 if equal else 1


def _booster(member: FittedRanker) -> lgb.Booster | None:
    inner = member.correction if isinstance(member, FittedOverMarket) else member
    return inner.booster if isinstance(inner, FittedTrees) else None


def _by_lightgbm(member: FittedRanker, booster: lgb.Booster | None, races: RaceMatrix) -> Floats:
    if isinstance(member, FittedOverMarket):
        return member.market.score(races) + _by_lightgbm(member.correction, booster, races)
    if isinstance(member, FittedTrees) and booster is not None:
        raw = booster.predict(races.only(member.features).values, raw_score=True, num_threads=1)
        return np.asarray(raw, dtype=np.float64) * member.scale
    return member.score(races)


def _anew(prepared: Prepared) -> Prepared:
    """Return prepared cards of which nothing has been asked yet: what a matrix finds out once it then keeps."""
    return replace(prepared, matrix=replace(prepared.matrix))


def _told(short: Callable[[], object], long: Callable[[], object] | None) -> dict[str, float]:
    """Return the median microseconds of CPU per call, both measured in turns."""
    calls = [short] if long is None else [short, long]
    rounds = [[_microseconds(call) for call in calls] for _ in range(ROUNDS)]
    found = [median(column) for column in zip(*rounds, strict=True)]
    told = {"short": round(found[0])}
    return told if long is None else {**told, "long": round(found[1]), "ratio": round(found[1] / found[0], 1)}


def _microseconds(call: Callable[[], object]) -> float:
    begin = process_time()
    for _ in range(TIMES):
        call()
    return (process_time() - begin) / TIMES * 1e6


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit((__doc__ or "").split("\n\n")[1].strip())
    sys.exit(main(*sys.argv[1:]))
