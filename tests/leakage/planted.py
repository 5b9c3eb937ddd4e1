"""Columns that knew the result, and honest ones that look like them, planted into any history."""

from __future__ import annotations

import numpy as np
import pandas as pd

from oracle.features.races import Races
from oracle.ranking.races import Floats


def leaks(races: Races) -> dict[str, Floats]:
    """Return each kind of leak: float64[N]."""
    position, behind = races.numbers["position"], races.numbers["beaten_lengths"]
    chance = np.random.default_rng(3)
    won = (position == 1).astype(float)
    rating = 2.2 * np.nan_to_num(races.numbers["weight_kg"], nan=55.0) - 1.5 * np.minimum(behind, 20.0)
    out = {
        "own_time": races.numbers["time_s"],
        "own_margin": behind,
        "rating_after_the_race": rating + 8.0 * chance.standard_normal(len(rating)),
        "there_if_finished": np.where(np.isnan(position), np.nan, 1.0),
    }
    for name in ("speed_rating", "performance_rating"):
        if not np.isnan(races.numbers[name]).all():
            out[f"copy_of_{name}"] = races.numbers[name]
    last = np.nan_to_num(position, nan=float(np.nanmax(position)))
    for who in ("horse", "jockey", "trainer"):
        code = races.codes(f"{who}_id")[0]
        rows = pd.DataFrame({"code": code, "won": won, "last": last})
        group = rows.groupby("code")
        out[f"{who}_win_rate_with_this_race"] = (group["won"].cumsum() / (group.cumcount() + 1)).to_numpy()
        out[f"{who}_mean_finish_with_this_race"] = (group["last"].cumsum() / (group.cumcount() + 1)).to_numpy()
        out[f"{who}_win_rate_of_all_dates"] = group["won"].transform("mean").to_numpy()
        out[f"{who}_mean_finish_of_all_dates"] = group["last"].transform("mean").to_numpy()
        shrunk = (group["won"].transform("sum") + 1.0) / (group["won"].transform("count") + 10.0)
        out[f"{who}_win_rate_of_all_dates_shrunk"] = shrunk.to_numpy()
    out["next_finish"] = rows.assign(code=races.codes("horse_id")[0]).groupby("code")["last"].shift(-1).to_numpy()
    return out


def honest(races: Races) -> dict[str, Floats]:
    """Return the same kinds of column as they should have been made: only earlier races are in them."""
    won = (races.numbers["position"] == 1).astype(float)
    out = {"a_price": races.numbers["odds"], "noise": np.random.default_rng(4).standard_normal(len(won))}
    for who in ("horse", "jockey", "trainer"):
        rows = pd.DataFrame({"code": races.codes(f"{who}_id")[0], "race": races.race, "won": won})
        by_race = rows.groupby(["code", "race"])["won"].agg(["sum", "count"])
        before = by_race.groupby("code").cumsum() - by_race
        rate = (before["sum"] / before["count"]).rename("rate").reset_index()
        out[f"{who}_win_rate_before"] = rows.merge(rate, how="left", on=["code", "race"])["rate"].to_numpy()
        out[f"{who}_as_a_number"] = rows["code"].to_numpy(dtype=float)
    return out
