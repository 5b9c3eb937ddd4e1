"""Simulated books: races whose true chances are known, with odds that misprice them by a known amount."""

from __future__ import annotations

import numpy as np

from oracle.features.matrix import RaceMatrix
from oracle.ranking.pools import placed_share
from oracle.ranking.races import Floats, normalise, offsets_of, softmax
from oracle.staking.replay import Book

RUNNERS = 10
RACES_A_DAY = 8


def book(races: int, seed: int = 5, *, margin: float = 0.17, bias: float = 1.0, insight: float = 1.0) -> Book:
    """Return races run by their true chances, priced from them by a public.

    Args:
        races: How many.
        seed: Of everything random.
        margin: Share of the stakes that the odds keep.
        bias: Power of the true chances that the public prices by: below 1 it overbets outsiders.
        insight: Power of the true chances that the bettor believes in: 1 knows them.
    """
    chance = np.random.default_rng(seed)
    offsets = offsets_of(np.full(races, RUNNERS))
    strength = 1.1 * chance.normal(size=races * RUNNERS)
    finish = (strength + chance.gumbel(size=strength.size)).reshape(-1, RUNNERS)
    position = np.argsort(np.argsort(-finish, axis=1), axis=1).ravel() + 1.0
    true = softmax(strength, offsets)
    odds = (1.0 - margin) / normalise(true**bias, offsets)
    off = 86_400.0 * (np.arange(races) // RACES_A_DAY) + 1800.0 * (np.arange(races) % RACES_A_DAY)
    believed = normalise(true**insight, offsets)
    return Book(believed, np.maximum(odds, 1.01), placed_share(position, offsets, 1), offsets, off)


def matrix(one: Book, position: Floats | None = None) -> RaceMatrix:
    """Return the races of a book as a matrix without features."""
    day = (one.off // 86_400).astype(np.int64)
    return RaceMatrix(
        values=np.zeros((len(one.prob), 0), dtype=np.float32),
        names=(),
        offsets=one.offsets,
        off=one.off,
        day=day,
        position=np.where(one.share > 0, 1.0, 2.0) if position is None else position,
        market=one.prob,
        odds=one.odds,
        race_id=np.array([f"r{i}" for i in range(len(one))], dtype=object),
        meeting=np.array([f"course {d}" for d in day], dtype=object),
    )
