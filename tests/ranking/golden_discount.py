"""Makes golden_discount.json: the powers of the later places when running times are normal or gamma distributed.

    python tests/ranking/golden_discount.py

Fields are drawn with normal strengths, every race is run once by drawing times, and each runner's probability to win is
found by integrating over the time of the winner. Then the power of each place is the one under which the runners that
took it, among those left, are likeliest. Uses nothing of `oracle`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy import optimize, stats

GOLDEN = Path(__file__).with_name("golden_discount.json")
SHAPE = 4
CASES = [("normal", 8, 0.6), ("normal", 12, 0.6), ("gamma", 8, 0.4), ("gamma", 12, 0.4)]
"""Distribution, runners, spread of the strengths: favourites of 0.27 to 0.37, as on racecourses."""


def to_win(strength: np.ndarray, kind: str, points: int = 80) -> np.ndarray:
    """Integrate density x survival of all others over the time of the winner."""
    total = np.zeros_like(strength)
    normal = kind == "normal"
    for t in np.linspace(-8, 6, points) if normal else np.exp(np.linspace(-5, 3, points)):
        scaled = t + strength if normal else t * np.exp(strength)
        density = stats.norm.logpdf(scaled) if normal else stats.gamma.logpdf(scaled, SHAPE) + strength + np.log(t)
        later = stats.norm.logsf(scaled) if normal else stats.gamma.logsf(scaled, SHAPE)
        total += np.exp(density - later + later.sum(axis=1, keepdims=True))
    return total / total.sum(axis=1, keepdims=True)


def powers(kind: str, runners: int, spread: float, races: int, seed: int) -> list[float]:
    """Return the powers of second, third and fourth place."""
    chance = np.random.default_rng(seed)
    strength = spread * chance.standard_normal((races, runners))
    if kind == "normal":
        times = chance.standard_normal(strength.shape) - strength
    else:
        times = chance.gamma(SHAPE, size=strength.shape) / np.exp(strength)
    log = np.take_along_axis(np.log(to_win(strength, kind)), np.argsort(times, axis=1), axis=1)
    found = []
    for place in (1, 2, 3):
        left = log[:, place:]
        loss = lambda a, left=left: -np.sum(a * left[:, 0] - np.log(np.exp(a * left).sum(axis=1)))  # noqa: E731
        found.append(round(float(optimize.minimize_scalar(loss, bounds=(0.05, 1.5), method="bounded").x), 4))
    return found


def main() -> None:
    cases = [
        {"times": kind, "runners": n, "spread": spread, "races": 20_000, "powers": powers(kind, n, spread, 20_000, 1)}
        for kind, n, spread in CASES
    ]
    GOLDEN.write_text(json.dumps({"made_by": "tests/ranking/golden_discount.py", "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
