"""CPU time of mean NDCG@3 over 20,000 races of 12 runners, beside scikit-learn called race by race in the same run.

    python benchmarks/ranking.py [RACES]

Prints one JSON document; `ratio` is how many times less CPU time ours takes. Scores hold ties, as real ones do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import process_time

import numpy as np
from sklearn.metrics import ndcg_score

from oracle.ranking.metrics import gains, ndcg
from oracle.ranking.races import offsets_of
from oracle.settings import EvaluationPolicy

RUNNERS = 12


def main(races: int = 20_000) -> int:
    """Measure both, prove that they agree, print the figures; 0 if they agree within 1e-12."""
    chance = np.random.default_rng(7)
    offsets = offsets_of(np.full(races, RUNNERS))
    position = np.argsort(chance.random((races, RUNNERS)), axis=1).ravel() + 1.0
    score = chance.integers(0, 50, position.size).astype(float)
    gain = gains(position, offsets, EvaluationPolicy())

    def all_at_once() -> float:
        return float(np.nanmean(ndcg(score, gain, offsets, 3)))

    pairs = list(zip(gain.reshape(races, 1, RUNNERS), score.reshape(races, 1, RUNNERS), strict=True))

    def one_by_one() -> float:
        return float(np.mean([ndcg_score(g, s, k=3) for g, s in pairs]))

    all_at_once()  # the first call compiles
    ours, our_seconds = _timed(all_at_once, repeats=20)
    theirs, their_seconds = _timed(one_by_one, repeats=1)
    agree = abs(ours - theirs) < 1e-12
    report = {
        "races": races,
        "runners": RUNNERS,
        "cpu_seconds": our_seconds,
        "sklearn_cpu_seconds": their_seconds,
        "ratio": their_seconds / our_seconds,
        "ndcg_at_3": ours,
        "agree": agree,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if agree else 1


def _timed(measure: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Return the value and the mean CPU seconds of a call."""
    begin = process_time()
    for _ in range(repeats):
        value = measure()
    return value, (process_time() - begin) / repeats


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
