"""How many rivals a runner should beat, by its odds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from oracle.features import registry, within
from oracle.ranking.races import offsets_of, sum_by_race

FIELDS = st.lists(st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=14), min_size=1, max_size=6)


@given(FIELDS)
def test_what_all_runners_of_a_race_should_beat_is_every_pair_once(fields: list[list[float]]):
    offsets = offsets_of([len(f) for f in fields])
    sizes = np.diff(offsets)
    beaten = within.expected_finish(np.concatenate(fields), offsets) * np.repeat(sizes - 1.0, sizes)
    pairs = np.where(sizes > 1, sizes * (sizes - 1) / 2, np.nan)
    np.testing.assert_allclose(sum_by_race(beaten, offsets), pairs, rtol=1e-9)


@given(FIELDS)
def test_a_likelier_winner_should_beat_more_rivals(fields: list[list[float]]):
    for field in fields:
        share = within.expected_finish(np.array(field), offsets_of([len(field)]))
        order = np.argsort(field, kind="stable")
        if len(field) > 1:
            assert (np.diff(share[order]) >= -1e-12).all()


def test_plackett_luce_races_are_beaten_as_expected():
    chance = np.random.default_rng(5)
    p = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
    finish = np.log(p) + chance.gumbel(size=(200_000, 5))
    beaten = (finish[:, :, None] > finish[:, None, :]).sum(axis=2).mean(axis=0) / 4.0
    np.testing.assert_allclose(beaten, within.expected_finish(p, offsets_of([5])), atol=0.003)


def test_a_race_without_odds_expects_nothing():
    assert np.isnan(within.expected_finish(np.array([np.nan, 0.5, 0.5]), offsets_of([3]))).all()


def test_features_beyond_the_market_read_no_odds_of_their_own_race():
    form = {f.name for f in registry.features("form")}
    assert form >= registry.BEYOND_MARKET
    assert {"trainer_excess_rel", "recent_excess", "bias_front", "jockey_surprise"} <= registry.BEYOND_MARKET
