"""Weight vectors a second on one core, on 20,000 races of 12 runners and 4 members, beside scikit-learn and NumPy.

    python benchmarks/weights.py [RACES] [VECTORS]

Prints one JSON document. All are timed in the same run, by CPU time, on the same scores and results: `ndcg_at_3` is
the mean NDCG@3 of each vector by the packed races; `sklearn` calls `ndcg_score` race by race, one vector on a part of
the races; `numpy` is one matrix product per vector and counts over all races at once. `log_loss` has no peer that fast;
`plain` is `oracle.ranking.metrics` on the blended scores. `agree` is the proof: every vector that a peer measured, on
the same races, within 1e-12. Scores hold ties, and a race in twenty a dead heat.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import process_time
from typing import Any, TypeVar

import numpy as np
from sklearn.metrics import ndcg_score

from oracle.ensemble.packed import pack
from oracle.features.matrix import RaceMatrix
from oracle.ranking.metrics import gains, log_loss, ndcg, winners
from oracle.ranking.races import Floats, offsets_of, softmax
from oracle.settings import EvaluationPolicy

T = TypeVar("T")

RUNNERS, MEMBERS = 12, 4
BY_SKLEARN = 2_000
"""Races of one vector that scikit-learn is timed on."""
BY_NUMPY = 20
"""Vectors that NumPy and the metrics are timed on."""


def main(races: int = 20_000, vectors: int = 4_000) -> int:
    """Measure all, prove that they agree, print the figures; 0 if they agree within 1e-12."""
    chance = np.random.default_rng(7)
    policy = EvaluationPolicy()
    matrix = _results(races, chance)
    truth = chance.standard_normal(races * RUNNERS)
    scores = [truth + chance.standard_normal(truth.size), *(_coarse(truth, chance) for _ in range(MEMBERS - 1))]
    weights = chance.dirichlet(np.ones(MEMBERS), vectors)
    gain, won = gains(matrix.position, matrix.offsets, policy), winners(matrix.position, matrix.offsets, policy)

    packed, packing = _timed(lambda: pack(scores, matrix, policy))
    _, compiling = _timed(lambda: (packed.ndcg(weights[:1]), packed.log_loss(weights[:1], [1.0])))
    ours, seconds = _timed(lambda: packed.ndcg(weights))
    loss, loss_seconds = _timed(lambda: packed.log_loss(weights, np.ones(vectors))[0])

    part = slice(0, min(BY_SKLEARN, races))
    blended = [_blend(w, scores) for w in weights[:BY_NUMPY]]
    pairs = list(zip(gain.reshape(races, 1, -1)[part], blended[0].reshape(races, 1, -1)[part], strict=True))
    theirs, sklearn_seconds = _timed(lambda: np.array([ndcg_score(g, s, k=3) for g, s in pairs]))
    batch, numpy_seconds = _timed(lambda: _by_numpy(np.stack(scores), weights[:BY_NUMPY], gain, races))
    plain, plain_seconds = _timed(
        lambda: np.array([ndcg(_blend(w, scores), gain, matrix.offsets, 3).mean() for w in weights[:BY_NUMPY]])
    )
    plain_loss, plain_loss_seconds = _timed(
        lambda: np.array(
            [
                log_loss(softmax(_blend(w, scores), matrix.offsets), won, matrix.offsets).mean()
                for w in weights[:BY_NUMPY]
            ]
        )
    )
    differences = {
        "sklearn": _apart(packed.ndcg_by_race(weights[:1])[0][part], theirs),
        "numpy": _apart(ours[:BY_NUMPY], batch),
        "plain": _apart(ours[:BY_NUMPY], plain),
        "log_loss": _apart(loss[:BY_NUMPY], plain_loss),
    }
    agree = all(difference < 1e-12 for difference in differences.values())
    a_race = seconds / vectors / races
    report: dict[str, Any] = {
        "races": races,
        "runners": RUNNERS,
        "members": MEMBERS,
        "vectors": vectors,
        "pack_cpu_seconds": packing,
        "compile_cpu_seconds": compiling,
        "ndcg_at_3": {
            "cpu_seconds": seconds,
            "vectors_per_second": vectors / seconds,
            "nanoseconds_per_race": 1e9 * a_race,
        },
        "log_loss": {
            "cpu_seconds": loss_seconds,
            "vectors_per_second": vectors / loss_seconds,
            "plain_vectors_per_second": BY_NUMPY / plain_loss_seconds,
        },
        "sklearn": {
            "vectors_per_second": len(pairs) / races / sklearn_seconds,
            "ratio_per_race": sklearn_seconds / len(pairs) / a_race,
        },
        "numpy": {"vectors_per_second": BY_NUMPY / numpy_seconds, "ratio": numpy_seconds / BY_NUMPY / races / a_race},
        "plain": {"vectors_per_second": BY_NUMPY / plain_seconds, "ratio": plain_seconds / BY_NUMPY / races / a_race},
        "largest_difference": differences,
        "agree": agree,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if agree else 1


def _results(races: int, chance: np.random.Generator) -> RaceMatrix:
    position = np.argsort(np.argsort(chance.random((races, RUNNERS)), axis=1), axis=1) + 1.0
    position[chance.random(races) < 0.05] -= 1.0  # first and second of these dead-heat, and the rest move up
    position = np.maximum(position, 1.0).ravel()
    number = np.arange(races)
    return RaceMatrix(
        values=np.empty((position.size, 0), dtype=np.float32),
        names=(),
        offsets=offsets_of(np.full(races, RUNNERS)),
        off=number.astype(np.float64),
        day=number,
        position=position,
        odds=np.full(position.size, np.nan),
        market=np.full(position.size, np.nan),
        race_id=number.astype(object),
        meeting=number.astype(object),
    )


def _coarse(truth: Floats, chance: np.random.Generator) -> Floats:
    """Return a member of few values, as a forest of few leaves has them: its runners tie."""
    return np.asarray(np.round(2.0 * (truth + chance.standard_normal(truth.size))) / 2.0)


def _blend(weights: Floats, scores: list[Floats]) -> Floats:
    """Return the weighted sum, added in the order in which blends add it."""
    pooled = np.zeros(scores[0].size)
    for weight, score in zip(weights, scores, strict=True):
        pooled = pooled + weight * score
    return pooled


def _by_numpy(scores: Floats, weights: Floats, gain: Floats, races: int) -> Floats:
    """Return float64[V], mean NDCG@3 by whole-array operations: what stands ahead of each of the placed."""
    placed = np.argsort(-gain.reshape(races, RUNNERS), axis=1, kind="stable")[:, :3]
    gained = np.take_along_axis(gain.reshape(races, RUNNERS), placed, axis=1)
    discount = 1.0 / np.log2(np.arange(2, 5))
    upto = np.append(0.0, np.cumsum(discount))
    out = []
    for vector in weights:
        score = _blend(vector, list(scores)).reshape(races, RUNNERS)
        own = np.take_along_axis(score, placed, axis=1)[:, :, None]
        ahead = (score[:, None, :] > own).sum(axis=2)
        level = (score[:, None, :] == own).sum(axis=2)
        reached = (upto[np.minimum(ahead + level, 3)] - upto[np.minimum(ahead, 3)]) / level
        out.append(((gained * reached).sum(axis=1) / (gained * discount).sum(axis=1)).mean())
    return np.array(out)


def _apart(a: Floats, b: Floats) -> float:
    return float(np.abs(a - b).max())


def _timed(measure: Callable[[], T]) -> tuple[T, float]:
    """Return the value and the CPU seconds of a call."""
    begin = process_time()
    value = measure()
    return value, process_time() - begin


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
