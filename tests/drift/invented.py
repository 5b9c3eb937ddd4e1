"""Invented drift tables: races of ten with known strengths, a model and a market that see them more or less well."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

RUNNERS = 10
A_DAY = 8


def races(
    count: int,
    seed: int,
    *,
    begin: str = "2024-01-01",
    skill: float = 1.0,
    market: float = 1.0,
    spread: float = 1.0,
    draw: float = 0.0,
    slower: float = 0.0,
    courses: tuple[str, ...] = ("Ascot", "York"),
    blind_at: str | None = None,
) -> pa.Table:
    """Return a drift table.

    Args:
        count: Races.
        seed: Of everything drawn.
        begin: First day; eight races a day.
        skill: How much of the strengths the model sees: 1 all that can be seen, 0 nothing.
        market: The same of the market.
        spread: Deviation of the strengths.
        draw: What the innermost stall gains over the outermost.
        slower: By what share all times are longer.
        courses: One for each day, in turn.
        blind_at: A course where the model sees nothing.
    """
    chance = np.random.default_rng(seed)
    shape = (count, RUNNERS)
    strength = spread * chance.standard_normal(shape)
    stall = chance.permuted(np.tile(np.arange(1, RUNNERS + 1), (count, 1)), axis=1)
    day = np.arange(count) // A_DAY
    course = np.array(courses)[day % len(courses)]
    seen = np.where((course == blind_at)[:, None], 0.0, skill) * strength
    bias = draw * (0.5 - (stall - 1) / (RUNNERS - 1))
    run = strength + bias + chance.gumbel(size=shape)
    position = np.argsort(np.argsort(-run, axis=1), axis=1) + 1
    odds = 0.85 / _shares(market * strength + 0.2 * chance.standard_normal(shape))
    seconds = 70.0 * (1.0 + slower + 0.004 * chance.standard_normal(day[-1] + 1)[day])[:, None] + 0.1 * position
    date = np.datetime64(begin, "D") + day
    rows = {
        "race_id": np.char.add(f"{seed}-", np.arange(count).astype(str)),
        "date": date,
        "course": course,
        "distance_m": np.where(np.arange(count) % 2, 1200, 1600),
    }
    columns = {name: np.repeat(values, RUNNERS) for name, values in rows.items()}
    columns |= {
        "draw": stall.ravel(),
        "weight_kg": chance.normal(56.0, 2.0, count * RUNNERS),
        "score": seen.ravel(),
        "win": _shares(seen).ravel(),
        "odds": odds.ravel(),
        "position": position.ravel(),
        "time_s": seconds.ravel(),
    }
    return pa.table(columns)


def _shares(strength: np.ndarray) -> np.ndarray:
    weights = np.exp(strength)
    return weights / weights.sum(axis=1, keepdims=True)
