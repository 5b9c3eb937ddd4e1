"""Distances equal their definitions, hold their level whatever races have in common, and always say what they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from oracle.drift import grid, sketch
from oracle.drift.columns import layout
from oracle.drift.distance import Distance, column_distances


def compared(reference: pa.Table, current: pa.Table, bins: int = 4096) -> dict[str, Distance]:
    known = layout(reference.schema)
    on = grid.of_sample(reference, known, bins)
    pair = sketch.of(reference, known, on), sketch.of(current, layout(current.schema), on)
    return {d.name: d for d in column_distances(*pair)}


def column(values: object) -> pa.Table:
    return pa.table({"x": values})


@pytest.mark.parametrize("shift", [0.0, 0.4, 9.0])
def test_small_windows_have_the_exact_ks_of_scipy_and_its_wasserstein(shift: float) -> None:
    chance = np.random.default_rng(1)
    a, b = chance.normal(size=700), chance.gumbel(size=500) + shift
    found, peer = compared(column(a), column(b))["x"], stats.ks_2samp(a, b, method="asymp")
    assert found.ks == pytest.approx(peer.statistic, abs=1e-12)
    assert found.max_ks_error == pytest.approx(0, abs=1e-12)
    assert found.p_value == pytest.approx(peer.pvalue, rel=0.05)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(a, b), rel=0.02)


def test_ties_and_values_between_the_reference_s_cost_the_ks_nothing() -> None:
    chance = np.random.default_rng(2)
    a, b = chance.integers(0, 6, 900), chance.integers(0, 60, 700) / 10
    found = compared(column(a * 1.0), column(b))["x"]
    assert found.ks == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    assert found.max_ks_error == pytest.approx(0, abs=1e-12)


def test_the_stated_error_of_a_coarse_grid_covers_what_it_misses() -> None:
    chance = np.random.default_rng(3)
    for shift in (0.0, 0.03, 1.0):
        a, b = chance.normal(size=5000), np.round(chance.normal(shift, 1, 4000), 1)
        found, exact = compared(column(a), column(b), bins=64)["x"], stats.ks_2samp(a, b).statistic
        assert found.ks <= exact + 1e-12
        assert exact <= found.ks + found.max_ks_error + 1e-12
        assert found.max_ks_error < 0.02


def test_the_chi_square_is_that_of_a_contingency_table_of_two_samples() -> None:
    chance = np.random.default_rng(4)
    a, b = chance.choice(list("abc"), 400), chance.choice(list("abc"), 300, p=[0.5, 0.3, 0.2])
    found = compared(column(a), column(b))["x"]
    peer = stats.chi2_contingency([[np.sum(w == level) for level in "abc"] for w in (a, b)], correction=False)
    assert (found.chi2, found.p_value) == pytest.approx((peer.statistic, peer.pvalue))


Maker = Callable[[np.random.Generator, np.ndarray], object]


def number(chance: np.random.Generator, race: np.ndarray) -> object:
    return chance.normal(size=race.max() + 1)[race]


def word(chance: np.random.Generator, race: np.ndarray) -> object:
    return chance.choice(list("abcd"), race.max() + 1)[race]


def field_size(chance: np.random.Generator, race: np.ndarray) -> object:
    return np.bincount(race)[race]


def sometimes_missing(chance: np.random.Generator, race: np.ndarray) -> object:
    return pa.array(
        np.where(chance.random(race.max() + 1)[race] < 0.2, np.nan, chance.random(race.size)), from_pandas=True
    )


@pytest.mark.parametrize("make", [number, word, field_size, sometimes_missing])
def test_what_a_race_has_in_common_does_not_alarm(make: Maker) -> None:
    chance, alarms = np.random.default_rng(6), 0

    def window() -> pa.Table:
        race = np.repeat(np.arange(150), chance.integers(5, 15, 150))
        return pa.table({"race_id": race, "x": make(chance, race)})

    for _ in range(60):
        found = compared(window(), window(), bins=256)["x"]
        alarms += min(found.p_value, 2 * found.missing_p) < 0.05
    assert alarms <= 7  # 60 tests at 5%: more in 1% of all seeds


def test_a_shift_is_seen_with_its_size_and_direction() -> None:
    chance = np.random.default_rng(7)
    found = compared(column(chance.normal(10, 2, 4000)), column(chance.normal(11, 2, 4000)))["x"]
    assert found.p_value < 1e-9
    assert (found.shift_sd, found.wasserstein_sd) == pytest.approx((0.5, 0.5), abs=0.05)
    assert found.wasserstein == pytest.approx(1.0, abs=0.1)
    assert 0.2 < found.psi < 0.3
    assert 0.1 < found.js < 0.25


def test_equal_windows_have_a_small_psi_also_where_they_are_small() -> None:
    chance = np.random.default_rng(8)
    psi = [compared(column(chance.normal(size=120)), column(chance.normal(size=120)))["x"].psi for _ in range(20)]
    assert np.mean(psi) < 0.08


def test_every_column_has_a_stated_outcome() -> None:
    n, ones = 60, np.ones(60)
    reference = pa.table(
        {
            **{"same": ones, "gone": ones, "kind": ones, "emptied": np.arange(60.0), "never": pa.nulls(n)},
            **{"rare": pa.array([1.0] + [None] * 59), "moved": ones, "word": ["a"] * n, "level": ["a", "b"] * 30},
        }
    )
    current = pa.table(
        {
            **{"same": ones, "fresh": ones, "kind": ["a"] * n, "emptied": pa.nulls(n), "never": ones},
            **{"rare": pa.array([1.0] + [None] * 59), "moved": ones * 2, "word": ["a"] * n, "level": ["a", "c"] * 30},
        }
    )
    found = compared(reference, current)
    assert {name: d.outcome for name, d in found.items()} == {
        **{"same": "constant", "gone": "vanished", "kind": "type changed", "emptied": "all missing"},
        **{"rare": "too few rows", "moved": "measured", "word": "constant", "level": "measured"},
        **{"fresh": "new", "never": "new"},
    }
    assert found["emptied"].missing_p < 1e-6
    assert found["emptied"].missing_current == 1.0
    assert found["moved"].ks == 1.0
    assert found["moved"].psi > 1
    assert found["level"].new_levels == ("c",)


def test_an_empty_window_and_a_handful_of_races_are_too_few() -> None:
    rows = pa.table({"race_id": np.arange(400) // 10, "x": np.arange(400.0)})
    assert {compared(rows, rows.slice(0, n))["x"].outcome for n in (0, 90)} == {"too few rows"}


def test_scattered_races_are_not_tested_as_if_they_were_independent() -> None:
    rows = pa.table({"race_id": np.arange(400) // 10, "x": np.arange(400.0)})
    shuffled = rows.take(pa.array(np.random.default_rng(9).permutation(400)))
    found = compared(rows, shuffled)["x"]
    assert (found.outcome, found.p_value) == ("races scattered", None)


def test_infinite_values_are_ordered_and_have_no_distance() -> None:
    chance = np.random.default_rng(10)
    a, b = chance.normal(size=200), np.where(np.arange(200) % 4 == 0, np.inf, chance.normal(size=200))
    found = compared(column(a), column(b))["x"]
    assert found.ks == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert found.wasserstein is None
