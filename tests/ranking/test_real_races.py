from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oracle.ranking import market
from oracle.ranking.calibration import fit_discount, reliability_table
from oracle.ranking.metrics import winners
from oracle.ranking.outcome import ANY_RESULT
from oracle.ranking.plackett_luce import place
from oracle.ranking.races import offsets_of, sum_by_race
from oracle.ranking.report import evaluate, scored
from oracle.settings import EvaluationPolicy

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def japan(real_data):
    """Every JRA race with its final odds, oldest first: (position, odds, offsets)."""
    columns = ["race_id", "race_date", "finish_pos", "odds_final"]
    files = sorted((real_data / "netkeiba" / "race_results").rglob("*.csv"))
    rows = pd.concat([pd.read_csv(f, dtype=str, encoding="utf-8-sig", usecols=columns) for f in files])
    rows = rows[~rows.finish_pos.fillna("").isin(["", "除", "取"])].sort_values(["race_date", "race_id"], kind="stable")
    position, odds = (pd.to_numeric(rows[c], errors="coerce").to_numpy(float) for c in ("finish_pos", "odds_final"))
    return position, odds, offsets_of(rows.groupby("race_id", sort=False).size().to_numpy())


def test_the_market_and_a_constant_model_score_what_is_known_of_them(japan):
    position, odds, offsets = japan
    prob = market.multiplicative(odds, offsets)
    known = scored(prob, offsets)
    public = evaluate(prob, prob, position, offsets, EvaluationPolicy(), where=known)
    nobody = evaluate(np.zeros(odds.size), None, position, offsets, EvaluationPolicy(), where=known)
    assert public.races > 5000
    assert 0.51 < public.ndcg_at_3 < 0.57
    assert 0.22 < public.pseudo_r2 < 0.28
    assert public.ece < 0.01
    assert 0.17 < nobody.ndcg_at_3 < 0.21


def test_every_real_race_has_one_win_to_give_and_its_places_add_up(japan):
    position, odds, offsets = japan
    won = sum_by_race(winners(position, offsets, ANY_RESULT), offsets)
    assert won[~np.isnan(won)] == pytest.approx(1)
    chance = sum_by_race(place(market.multiplicative(odds, offsets), offsets, 3), offsets)
    assert chance[~np.isnan(chance)] == pytest.approx(3, abs=1e-9)


def test_a_discount_fitted_on_earlier_races_calibrates_the_places_of_later_ones(japan):
    position, odds, offsets = japan
    cut = (offsets.size - 1) * 4 // 5
    row = offsets[cut]
    prob = market.multiplicative(odds, offsets)
    discount = fit_discount(prob[:row], position[:row], offsets[: cut + 1])
    later = offsets[cut:] - row
    placed = np.where(position[row:] <= 3, 1.0, 0.0)

    def brier(chance):
        return np.nanmean((chance - placed) ** 2)

    assert 0.7 < discount.second < 0.9
    assert brier(place(prob[row:], later, 3, discount)) < brier(place(prob[row:], later, 3)) - 0.0005
    assert len(reliability_table(prob, position, offsets)) == 20
