"""Ways to use form beside the market, each judged on validation and on test: the table of decision 3.

    python benchmarks/market_corrections.py DATASET...

For each dataset and variant, one JSON line: pseudo-R2 and NDCG@3 on the validation dates (learned on the dates before
them) and on the test dates (learned on all dates before those), with the market's own beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import orjson

from oracle import process
from oracle.data.splits import split
from oracle.ensemble import blend
from oracle.ensemble.recipe import SHIPPED
from oracle.features import registry
from oracle.features.matrix import RaceMatrix
from oracle.models.conditional_logit import ConditionalLogit, LogitPolicy
from oracle.models.families import FAMILIES
from oracle.models.gbdt import TreePolicy, Trees
from oracle.models.market import Market
from oracle.models.over_market import LOGIT, TREES, OverMarket
from oracle.models.places import DECAY
from oracle.progress import silent
from oracle.ranking.races import Floats, softmax
from oracle.ranking.report import NoResult, evaluate, scored
from oracle.settings import EvaluationPolicy, SplitPolicy
from oracle.training.history import read

SEED = 7


def corrections() -> Iterator[tuple[str, OverMarket]]:
    """Yield the variants that correct the market, by name."""
    for penalty in (3000.0, 8000.0, 20000.0):
        yield f"logit, penalty {penalty:.0f}", _logit(replace(LOGIT, penalties=(penalty,)))
    yield "logit, penalty 8000, three places", _logit(replace(LOGIT, decay=DECAY))
    for steps in (100, 200, 400):
        yield f"trees, {steps} steps", _trees("winner_softmax", replace(TREES, trees=steps))
    yield "trees, 200 steps, three places", _trees("race_softmax", TREES)


def _logit(policy: LogitPolicy) -> OverMarket:
    return OverMarket("logit", ConditionalLogit(policy))


def _trees(loss: str, policy: TreePolicy) -> OverMarket:
    return OverMarket("trees", Trees(loss, policy, scale=1.0))


def priced(races: RaceMatrix) -> RaceMatrix:
    """Return the races in which every starter has odds."""
    return races.take(scored(races.market, races.offsets))


def figures(utility: Floats, races: RaceMatrix) -> dict[str, float]:
    """Return pseudo-R2 and NDCG@3 of a utility."""
    report = evaluate(utility, softmax(utility, races.offsets), races.position, races.offsets, EvaluationPolicy())
    if isinstance(report, NoResult) or report.pseudo_r2 is None:
        raise SystemExit("the dataset has no races to judge on")
    return {"pseudo_r2": round(report.pseudo_r2, 5), "ndcg_at_3": round(report.ndcg_at_3, 4)}


def judged(learn: RaceMatrix, judge: RaceMatrix) -> dict[str, dict[str, float]]:
    """Return the figures of every variant, learned on some races and judged on later ones."""
    market = Market().fit(learn, None, SEED, 1, silent)
    utilities = {"market, power fitted": market.score(judge)}
    for name, ranker in corrections():
        utilities[name] = ranker.fit(learn, None, SEED, process.cores(), silent).score(judge)
    pairs = [("logit, penalty 8000", "trees, 200 steps"), ("logit, penalty 8000", "trees, 200 steps, three places")]
    for a, b in pairs:
        utilities[f"even: {a} + {b}"] = (utilities[a] + utilities[b]) / 2
    return {name: figures(utility, judge) for name, utility in utilities.items()}


def pooled(train: RaceMatrix, validation: RaceMatrix, test: RaceMatrix) -> dict[str, float]:
    """Return the test figures of form and market pooled by weights fitted on validation."""
    form = [f.name for f in registry.features("form")]
    members = {
        name: FAMILIES[name].ranker().fit(train.only(form), validation.only(form), SEED, process.cores(), silent)
        for name in SHIPPED.form.members
    }
    members["market"] = Market().fit(train, None, SEED, 1, silent)
    weights = blend.fit({n: m.score(validation) for n, m in members.items()}, validation, list(members))
    return figures(weights.utility({n: m.score(test) for n, m in members.items()}, test), test)


def main() -> None:
    """Print the table of each dataset."""
    process.settle()
    for path in sys.argv[1:]:
        races = read(path, silent).matrix
        parts = split(races.dates, SplitPolicy())
        train, validation, test = (priced(races.take(m)) for m in (parts.train, parts.validation, parts.test))
        both = priced(races.take(parts.train | parts.validation))
        on_validation, on_test = judged(train, validation), judged(both, test)
        for name in on_test:
            _say(path, name, {"validation": on_validation[name], "test": on_test[name]})
        _say(path, "form and market pooled, weights fitted", {"test": pooled(train, validation, test)})


def _say(path: str, variant: str, found: dict[str, dict[str, float]]) -> None:
    sys.stdout.buffer.write(orjson.dumps({"data": path.rsplit("/", 1)[-1], "variant": variant, **found}) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
