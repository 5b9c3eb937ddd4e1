"""Ways to use form beside the market, each judged on expanding folds before the test dates: the table of decision 3.

    python benchmarks/market_corrections.py DATASET...

For each dataset and variant one JSON line: the gain in pseudo-R2 over the fitted market and over the market whose
margin was taken out by a power, with intervals by meeting, and the gain over its standard error. A pair of corrections
is followed as far as the folds before say (`oracle.ensemble.pooling.shrunk`). The test dates are cut off first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from oracle import process
from oracle.data.splits import Mask, split, walk_forward
from oracle.ensemble.blend import Blend, log_probability
from oracle.ensemble.folds import FIRST_SHARE
from oracle.ensemble.pooling import shrunk
from oracle.features.matrix import RaceMatrix
from oracle.models.conditional_logit import ConditionalLogit
from oracle.models.gbdt import Trees
from oracle.models.market import BY_POWER, Market
from oracle.models.over_market import LOGIT, TREES, OverMarket
from oracle.models.ranker import Ranker
from oracle.progress import silent
from oracle.ranking.races import Floats, softmax
from oracle.ranking.report import NoResult, pseudo_r2_gain, scored
from oracle.settings import EvaluationPolicy, SplitPolicy
from oracle.training.history import read

SEED, FOLDS = 7, 6


def logits() -> Iterator[tuple[str, Ranker]]:
    """Yield the linear corrections by name."""
    for penalty, relief in ((8000.0, 1.0), (16000.0, 1.0), (32000.0, 0.25)):
        policy = replace(LOGIT, penalties=(penalty,), beyond_market_relief=relief)
        yield f"logit {penalty:.0f}, relief {relief}", OverMarket("market_logit", ConditionalLogit(policy))


def forests() -> Iterator[tuple[str, Ranker]]:
    """Yield the corrections by trees, by name."""
    shapes: dict[str, dict[str, Any]] = {
        "trees 200, 20% of features": {"trees": 200, "feature_share": 0.2, "leaves": 7, "l2": 50.0},
        "trees 300, 5%": {"trees": 300, "feature_share": 0.05, "leaves": 7, "l2": 50.0},
        "trees 300, 5%, l2 300": {"trees": 300, "feature_share": 0.05, "leaves": 7, "l2": 300.0},
        "trees 500, 3%, 15 leaves": {"trees": 500, "feature_share": 0.03, "leaves": 15, "l2": 50.0},
    }
    for name, shape in shapes.items():
        yield name, OverMarket("market_trees", Trees("winner_softmax", replace(TREES, **shape)))


class Bench:
    """The races of a dataset before its test dates, in folds."""

    def __init__(self, path: str) -> None:
        races = read(path, silent).matrix
        early = races.take(~split(races.dates, SplitPolicy()).test)
        self.races = early.take(scored(early.market, early.offsets))
        self.folds = list(walk_forward(self.races.dates, FOLDS, FIRST_SHARE))
        self.yardsticks = {"market": self.scored(Market()), "market_power": self.scored(Market(BY_POWER))}

    def scored(self, ranker: Ranker) -> Floats:
        """Return float64[N], out-of-fold utilities; NaN before the first fold."""
        out = np.full(len(self.races.position), np.nan)
        for fold in self.folds:
            fitted = ranker.fit(self.races.take(fold.train), None, SEED, process.cores(), silent)
            out[np.repeat(fold.predict, self.races.sizes)] = fitted.score(self.races.take(fold.predict))
        return out

    def followed(self, corrections: Mapping[str, Floats]) -> Floats:
        """Return float64[N]: what corrects the market, each fold weighed by the folds before it."""
        base = self.yardsticks["market_power"]
        scores = {"market_power": base, **corrections}
        out, seen = np.full(len(base), np.nan), np.zeros(len(self.races), dtype=np.bool_)
        for fold in self.folds:
            blend = shrunk(tuple(scores), {n: s[self._rows(seen)] for n, s in scores.items()}, self.races.take(seen))
            rows, races = self._rows(fold.predict), self.races.take(fold.predict)
            out[rows] = _pooled(blend, {n: s[rows] for n, s in scores.items()}, races)
            seen = seen | fold.predict
        return out

    def _rows(self, races: Mask) -> Mask:
        return np.asarray(np.repeat(races, self.races.sizes))

    def gain(self, utility: Floats, over: str) -> dict[str, float]:
        """Return the gain in pseudo-R2 over a yardstick, its interval by meeting, and how many errors it is."""
        races = self.races
        ours, theirs = softmax(utility, races.offsets), softmax(self.yardsticks[over], races.offsets)
        policy = EvaluationPolicy()
        found = pseudo_r2_gain(ours, theirs, races.position, races.offsets, races.meeting, SEED, policy)
        if isinstance(found, NoResult):
            raise SystemExit(f"nothing to judge on: {found.reason}")
        told = {"gain": found.mean, "low": found.low, "high": found.high}
        return {n: round(v, 5) for n, v in told.items()} | {
            "errors": round(found.mean / max(found.standard_error, 1e-12), 2)
        }


def _pooled(blend: Blend, scores: Mapping[str, Floats], races: RaceMatrix) -> Floats:
    return np.asarray(np.sum([w * log_probability(scores[n], races) for n, w in blend.weights.items()], axis=0))


def main() -> None:
    """Print the table of each dataset."""
    process.settle()
    for path in sys.argv[1:]:
        bench = Bench(path)

        def say(variant: str, utility: Floats, path: str = path, bench: Bench = bench) -> None:
            told = {over: bench.gain(utility, over) for over in bench.yardsticks}
            line = {"data": path.rsplit("/", 1)[-1], "variant": variant, "over": told}
            sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
            sys.stdout.flush()

        _try_all(bench, say)


def _try_all(bench: Bench, say: Callable[[str, Floats], None]) -> None:
    say("market, margin by power", bench.yardsticks["market_power"])
    linear = {name: bench.scored(ranker) for name, ranker in logits()}
    trees = {name: bench.scored(ranker) for name, ranker in forests()}
    for name, utility in {**linear, **trees}.items():
        say(f"{name}, alone", utility)
    for one, left in linear.items():
        for other, right in trees.items():
            say(f"{one} + {other}", bench.followed({one: left, other: right}))


if __name__ == "__main__":
    main()
