"""Writes golden.json: the statistics of experiments worked out the long way, in plain Python without numpy.

`python tests/experiment/golden.py`. Nothing here shares a formula with what it checks where there is another way:
bounds by walking a grid of means, evidence against shares as the product of what each unit was predicted with, the
error of a ratio by leaving out one user at a time.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from statistics import NormalDist
from typing import Any

FILE = Path(__file__).with_name("golden.json")
ALPHA, PLANNED, DEVIATION, STEP = 0.05, 400, 0.1, 0.001


def races(count: int) -> list[float]:
    """Return differences: four of five are 0, the rest tenths."""
    chance = random.Random(11)
    return [chance.choice([-3, -1, 1, 2, 4]) / 10.0 if chance.random() < 0.2 else 0.0 for _ in range(count)]


def bounds(d: list[float]) -> tuple[float, float]:
    """Return the means nearest to what was seen that a bettor has got rich against, on a grid."""
    grid = [i * STEP for i in range(-400, 401)]
    rich = math.log(2.0 / ALPHA)
    low = max(m for m in grid if fortune(d, m, 1) >= rich)
    high = min(m for m in grid if fortune(d, m, -1) >= rich)
    return low, high


def fortune(d: list[float], mean: float, side: int) -> float:
    """Return the log of the fortune after the last race."""
    log = total = 0.0
    spread = DEVIATION**2
    for i, x in enumerate(d):
        bet = math.sqrt(2.0 * math.log(2.0 / ALPHA) / PLANNED / (spread / (i + 1)))
        log += math.log(1.0 + side * min(bet, 0.9 / (1.0 + side * mean)) * (x - mean))
        before, total = total / (i + 1), total + x
        spread += (x - before) * (x - total / (i + 2))
    return log


def races_needed(sd: float, difference: float) -> int:
    """Return the races of a test looked at once, alpha .05 two-sided, power .8."""
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    return math.ceil((z * sd / difference) ** 2)


def share_p(counts: list[int], shares: list[float], prior: float) -> float:
    """Return the sequential p of units in shares: each unit's predicted chance over the one asked for, multiplied."""
    log, seen = 0.0, [prior * share for share in shares]
    for arm, count in enumerate(counts):
        for _ in range(count):
            log += math.log(seen[arm] / sum(seen) / shares[arm])
            seen[arm] += 1.0
    return min(1.0, math.exp(-log))


def ratio_error(users: list[tuple[float, float]]) -> float:
    """Return the standard error of sum(y) / sum(n), by the jackknife."""
    y, n, count = sum(u[0] for u in users), sum(u[1] for u in users), len(users)
    without = [(y - a) / (n - b) for a, b in users]
    middle = sum(without) / count
    return math.sqrt((count - 1) / count * sum((x - middle) ** 2 for x in without))


def users() -> list[tuple[float, float]]:
    """Return (clicks, views) of users who differ."""
    chance = random.Random(12)
    return [(float(sum(chance.random() < 0.3 for _ in range(n))), float(n)) for n in chance.choices(range(1, 9), k=400)]


def golden() -> dict[str, Any]:
    """Return all of it."""
    low, high = bounds(races(300))
    return {
        "bounds": {"low": low, "high": high, "step": STEP},
        "races": {"unpaired": races_needed(0.9, 0.0055), "paired": races_needed(0.27 * math.sqrt(0.1), 0.0055)},
        "share_p": share_p([900, 140], [0.9, 0.1], 1000.0),
        "ratio_error": ratio_error(users()),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1) + "\n", "utf-8")
