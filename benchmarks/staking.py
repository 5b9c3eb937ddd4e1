"""Speed of staking: a backtest of 100,000 races, and Shin's probabilities beside the library `shin` race by race.

    python benchmarks/staking.py [RACES]

Prints one JSON document: CPU seconds and the largest difference from the library. Compilation is not in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import process_time
from typing import TypeVar

import numpy as np
from shin import calculate_implied_probabilities

from oracle.features.matrix import RaceMatrix
from oracle.process import peak_memory_mb
from oracle.ranking.market import shin
from oracle.ranking.pools import placed_share
from oracle.ranking.races import as_floats, offsets_of, softmax
from oracle.settings import EvaluationPolicy
from oracle.staking.backtest import Bets, backtest
from oracle.staking.plan import FractionalKelly
from oracle.staking.replay import Book, Purse
from oracle.staking.settle import Terms

RUNNERS = 12
T = TypeVar("T")


def main(races: int = 100_000) -> int:
    """Measure and print; 0 if Shin's probabilities agree within 1e-9."""
    book, matrix = _invented(races)
    few = offsets_of(np.full(min(races, 20_000), RUNNERS))
    odds = book.odds[: few[-1]]
    _timed(lambda: _backtest(*_invented(200)))
    _, seconds = _timed(lambda: _backtest(book, matrix))
    ours, our_seconds = _timed(lambda: shin(odds, few))
    listed = odds.reshape(-1, RUNNERS).tolist()
    theirs, their_seconds = _timed(lambda: [calculate_implied_probabilities(one) for one in listed])
    gap = float(np.abs(ours - np.concatenate(theirs)).max())
    report = {
        "races": races,
        "backtest_cpu_seconds": seconds,
        "peak_memory_mb": peak_memory_mb(),
        "shin_races": len(listed),
        "shin_cpu_seconds": our_seconds,
        "library_cpu_seconds": their_seconds,
        "ratio": their_seconds / our_seconds,
        "largest_difference": gap,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if gap < 1e-9 else 1


def _backtest(book: Book, races: RaceMatrix) -> object:
    return backtest(races, Bets().book(races, book.prob, book.odds), FractionalKelly(), Terms(), Purse(), 7, POLICY)


POLICY = EvaluationPolicy()


def _invented(races: int) -> tuple[Book, RaceMatrix]:
    chance = np.random.default_rng(7)
    offsets = offsets_of(np.full(races, RUNNERS))
    strength = chance.normal(size=races * RUNNERS)
    finish = (strength + chance.gumbel(size=strength.size)).reshape(-1, RUNNERS)
    position = as_floats(np.argsort(np.argsort(-finish, axis=1), axis=1).ravel() + 1)
    odds = np.maximum(0.85 / softmax(0.8 * strength, offsets), 1.05)
    day = np.arange(races, dtype=np.int64) // 9
    off = 86_400.0 * day + 1800.0 * (np.arange(races) % 9)
    book = Book(softmax(strength, offsets), odds, placed_share(position, offsets, 1), offsets, off)
    matrix = RaceMatrix(
        values=np.zeros((races * RUNNERS, 0), dtype=np.float32),
        names=(),
        offsets=offsets,
        off=off,
        day=day,
        position=position,
        market=book.prob,
        odds=odds,
        race_id=np.arange(races).astype(object),
        meeting=np.array([f"course {d}" for d in day], dtype=object),
    )
    return book, matrix


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    begin = process_time()
    value = work()
    return value, process_time() - begin


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
