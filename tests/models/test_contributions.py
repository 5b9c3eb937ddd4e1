"""Contributions as values that add."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oracle.models.contributions import Contributions, adding_up
from oracle.ranking.races import offsets_of


def some(seed: int, names: str, rows: int = 7) -> Contributions:
    chance = np.random.default_rng(seed)
    return Contributions(tuple(names), chance.standard_normal((rows, len(names))), chance.standard_normal(rows))


@given(st.integers(0, 1000))
def test_a_sum_of_contributions_adds_up_to_the_sum_of_the_scores_feature_by_feature(seed):
    a, b = some(seed, "xyz"), some(seed + 1, "zw")
    both = a.times(2.0) + b
    assert both.names == ("x", "y", "z", "w")
    np.testing.assert_allclose(both.total, 2.0 * a.total + b.total)
    np.testing.assert_allclose(both.values[:, 2], 2.0 * a.values[:, 2] + b.values[:, 0])


@given(st.integers(0, 1000))
def test_relative_to_the_race_nothing_is_lost_and_each_feature_sums_to_nothing(seed):
    a, offsets = some(seed, "xyz"), offsets_of([3, 4])
    relative = a.within(offsets)
    np.testing.assert_allclose(relative.total, a.total)
    np.testing.assert_allclose(np.add.reduceat(relative.values, offsets[:-1], axis=0), 0.0, atol=1e-12)


def test_the_base_takes_what_rounding_leaves():
    values = np.full((2, 3), 0.1, dtype=np.float32)
    found = adding_up(("a", "b", "c"), values, np.array([0.3, 0.4]))
    np.testing.assert_array_equal(found.total, [0.3, 0.4])
    assert abs(found.base[0]) < 1e-7
