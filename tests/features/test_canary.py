"""A canary for leaks: one look at earlier races cannot rank a field better than everybody who bets on it."""

from __future__ import annotations

import numpy as np

from oracle.features import registry
from oracle.ranking.metrics import gains, ndcg
from oracle.settings import EvaluationPolicy


def by_feature(matrix, columns):
    """Return mean NDCG@3 of each column alone, in whichever direction is better, on the races the market prices."""
    gain = gains(matrix.position, matrix.offsets, EvaluationPolicy())
    priced = ndcg(np.nan_to_num(matrix.market), gain, matrix.offsets, 3)
    priced[np.isnan(np.add.reduceat(matrix.market, matrix.offsets[:-1]))] = np.nan
    counts = ~np.isnan(priced)

    def score(column):
        known = np.where(np.isnan(column), np.nanmin(column, initial=0.0) - 1.0, column)
        return float(np.mean(ndcg(known, gain, matrix.offsets, 3)[counts]))

    best = {name: max(score(column), score(-column)) for name, column in columns.items()}
    return float(np.mean(priced[counts])), best


def test_no_feature_of_form_alone_ranks_as_well_as_the_market(long_past, record_property):
    form = registry.features("form")
    values = long_past.matrix.values.astype(np.float64)
    market, best = by_feature(long_past.matrix, {f.name: values[:, i] for i, f in enumerate(form)})
    top = sorted(best.items(), key=lambda item: -item[1])[:5]
    record_property("ndcg_at_3", {"market": market, **dict(top)})
    assert market > 0.45
    assert top[0][1] < market - 0.02, top
    assert top[0][1] > 0.25, top  # a matrix of noise would sing as sweetly


def test_the_canary_sees_a_feature_that_knows_the_result(long_past):
    matrix = long_past.matrix
    chance = np.random.default_rng(1)
    leaked = -np.nan_to_num(matrix.position, nan=30.0) + chance.normal(0, 3.0, matrix.position.size)
    market, best = by_feature(matrix, {"leaked": leaked})
    assert best["leaked"] > market
