"""Makes golden.json: the numbers of `oracle.ranking` worked out the slow, obvious way, without any of its code.

    python tests/ranking/golden.py

Ties are resolved by walking through every order, places and exotics by every permutation, the market's exponents by
bisection, and everything that can be is a fraction until the end. The races are invented.
"""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from itertools import groupby, permutations, product
from pathlib import Path

GOLDEN = Path(__file__).with_name("golden.json")


def invent(seed: int) -> list[dict]:
    """Thirty races of 2 to 6: scores with ties, dead heats, non-finishers, one race without a result."""
    chance = random.Random(seed)
    races = []
    for number in range(30):
        n = chance.randint(2, 6)
        order = list(range(1, n + 1))
        for place in range(1, n):
            if chance.random() < 0.15:
                order[place] = order[place - 1]
        finishers = n if chance.random() < 0.6 else chance.randint(0, n)
        position = [p if i < finishers else None for i, p in enumerate(order)]
        chance.shuffle(position)
        weight = [chance.randint(1, 12) for _ in range(n)]
        races.append(
            {
                "score": [chance.randint(0, 4) for _ in range(n)],
                "prob": [w / sum(weight) for w in weight],
                "position": [None] * n if number == 7 else position,
                "odds": [round(1 + chance.expovariate(0.15), 2) for _ in range(n)],
            }
        )
    return races


def filled(position: list[int | None]) -> list[list[int]]:
    """Return for each runner the places (1, 2, ...) that its dead heat fills; none for a non-finisher."""
    known = sorted(p for p in position if p is not None)
    return [[] if p is None else [i + 1 for i, q in enumerate(known) if q == p] for p in position]


def gain(position: list[int | None]) -> list[Fraction]:
    worth = {1: 7, 2: 3, 3: 1}
    return [Fraction(sum(worth.get(i, 0) for i in f), len(f) or 1) for f in filled(position)]


def orders(score: list[float]) -> list[list[int]]:
    """Every order from first to last that the scores allow, each as likely as the other."""
    ranked = sorted(range(len(score)), key=lambda i: -score[i])
    groups = [list(g) for _, g in groupby(ranked, key=lambda i: score[i])]
    return [[i for part in parts for i in part] for parts in product(*(permutations(g) for g in groups))]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def dcg(gains: list[Fraction], k: int) -> float:
    return math.fsum(float(g) / math.log2(i + 2) for i, g in enumerate(gains[:k]))


def average_precision(hits: list[bool]) -> Fraction:
    at = [i for i, hit in enumerate(hits) if hit]
    return sum((Fraction(n + 1, i + 1) for n, i in enumerate(at)), Fraction(0)) / len(at)


def measured(race: dict) -> dict:
    """Return every metric of one race that counts."""
    worth, places = gain(race["position"]), filled(race["position"])
    won = [1 in f for f in places]
    hit = [bool(f) and min(f) <= 3 for f in places]
    share = [Fraction(w, sum(won)) for w in won]
    every = orders(race["score"])
    ideal = sorted(worth, reverse=True)
    return {
        "gain": [float(g) for g in worth],
        "ndcg_at_3": mean([dcg([worth[i] for i in o], 3) / dcg(ideal, 3) for o in every]),
        "ndcg_at_5": mean([dcg([worth[i] for i in o], 5) / dcg(ideal, 5) for o in every]),
        "mrr": mean([1 / (1 + min(o.index(i) for i, w in enumerate(won) if w)) for o in every]),
        "map": mean([float(average_precision([hit[i] for i in o])) for o in every]),
        "top1": mean([float(won[o[0]]) for o in every]),
        "log_loss": -math.fsum(float(s) * math.log(p) for s, p in zip(share, race["prob"], strict=True) if s),
        "brier": math.fsum((p - float(s)) ** 2 for s, p in zip(share, race["prob"], strict=True)),
    }


def placed(prob: list[float], m: int) -> list[float]:
    chance = [Fraction(0)] * len(prob)
    exact = [Fraction(p) for p in prob]
    for order in permutations(range(len(prob)), min(m, len(prob))):
        p, left = Fraction(1), sum(exact)
        for i in order:
            p, left = p * exact[i] / left, left - exact[i]
        for i in order:
            chance[i] += p
    return [float(c) for c in chance]


def bisect(too_much, low: float, high: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if too_much(middle) else (low, middle)
    return (low + high) / 2


def market(odds: list[float]) -> dict:
    raw = [1 / o for o in odds]
    book = math.fsum(raw)
    a = bisect(lambda a: math.fsum(q**a for q in raw) > 1, 0, 100)

    def insiders(z: float) -> list[float]:
        return [(math.sqrt(z * z + 4 * (1 - z) * q * q / book) - z) / (2 * (1 - z)) for q in raw]

    z = bisect(lambda z: math.fsum(insiders(z)) > 1, 0, 0.999) if book > 1 else None
    plain = [q / book for q in raw]
    return {
        "overround": book - 1,
        "multiplicative": plain,
        "power": [q**a for q in raw],
        "shin": plain if z is None else insiders(z),
    }


def main() -> None:
    races = invent(20)
    for race in races:
        finishers = sum(p is not None for p in race["position"])
        race["expected"] = measured(race) if finishers >= 2 else None
        race["placed"] = [placed(race["prob"], m) for m in (1, 2, 3, 4)]
        race["market"] = market(race["odds"])
    GOLDEN.write_text(json.dumps({"made_by": "tests/ranking/golden.py", "races": races}, indent=1) + "\n")


if __name__ == "__main__":
    main()
