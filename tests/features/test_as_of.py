"""Attempts to cheat: whatever is done to the future, or to the result of the race itself, no feature may move."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oracle.features import registry
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.races import from_frame
from oracle.race import COLUMNS, STARTED, Known, Status

RESULT = [c.name for c in COLUMNS if c.known is Known.RESULT]
IDENTITY = {"race_id", "date", "off", "status"}
STARTERS = sorted(str(status) for status in STARTED)
FORM = len(registry.features("form"))
KNOWN = pd.Timedelta(seconds=KNOWN_AFTER)


def spoilt(table, rows, columns, seed):
    """Return the table with wild values in some columns of some rows; who started stays as it was."""
    chance = np.random.default_rng(seed)
    out = table.copy()
    at = np.flatnonzero(np.asarray(rows))
    for name in columns:
        column = out[name].copy()
        if name == "status":
            at_starters = at[column.iloc[at].isin(STARTERS)]
            column.iloc[at_starters] = chance.choice(STARTERS, len(at_starters))
        elif column.dtype == bool:
            column.iloc[at] = chance.random(len(at)) < 0.5
        elif pd.api.types.is_numeric_dtype(column):
            column.iloc[at] = chance.integers(1, 99, len(at))
            column.iloc[at[chance.random(len(at)) < 0.2]] = np.nan if column.dtype == "float64" else pd.NA
        else:
            column.iloc[at] = chance.permutation(column.iloc[at].to_numpy())
        out[name] = column
    return out


def some_races(past, count, seed):
    """Return races in the second half of a history, where much is known already."""
    ids = past.matrix.race_id
    return np.random.default_rng(seed).choice(ids[len(ids) // 2 :], count, replace=False)


def off_of(past, race_id):
    return past.table.loc[past.table["race_id"] == race_id, "off"].iloc[0]


def same(a, b):
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("seed", range(4))
def test_results_not_known_at_the_off_move_nothing(past, history_of, seed):
    for race_id in some_races(past, 2, seed):
        unknown = past.table["off"] + KNOWN > off_of(past, race_id)
        attacked = history_of(spoilt(past.table, unknown, RESULT, seed))
        assert same(attacked.rows(race_id), past.rows(race_id))


@pytest.mark.parametrize("seed", range(2))
def test_nothing_at_all_of_later_races_moves_an_earlier_one(past, history_of, seed):
    (race_id,) = some_races(past, 1, seed)
    later = (past.table["off"] > off_of(past, race_id)) & past.table["status"].isin(STARTERS)
    columns = [c.name for c in COLUMNS if c.name not in IDENTITY]
    attacked = history_of(spoilt(past.table, later, columns, seed))
    assert same(attacked.rows(race_id), past.rows(race_id))
    assert not same(attacked.matrix.values, past.matrix.values)


def test_a_race_says_the_same_when_all_later_races_are_deleted(past, history_of):
    for race_id in some_races(past, 3, 11):
        cut = past.table[past.table["off"] <= off_of(past, race_id)]
        assert same(history_of(cut).rows(race_id), past.rows(race_id))


def test_the_odds_of_the_race_move_the_market_features_and_not_one_of_form(past, history_of):
    for race_id in some_races(past, 3, 12):
        attacked = history_of(spoilt(past.table, past.table["race_id"] == race_id, ["odds"], 3)).rows(race_id)
        assert same(attacked[:, :FORM], past.rows(race_id)[:, :FORM])
        assert not same(attacked[:, FORM:], past.rows(race_id)[:, FORM:])


def test_the_odds_of_earlier_races_are_history_to_both_sets(past, history_of):
    race_id = past.matrix.race_id[-1]
    earlier = past.table["off"] + KNOWN <= off_of(past, race_id)
    attacked = history_of(spoilt(past.table, earlier, ["odds"], 4)).rows(race_id)
    assert not same(attacked[:, :FORM], past.rows(race_id)[:, :FORM])


def test_a_result_moves_later_races_of_its_day_from_the_moment_it_is_known_and_no_other_race(past, history_of):
    moved_today = 0
    for race_id in some_races(past, 6, 13):
        off = off_of(past, race_id)
        attacked = history_of(spoilt(past.table, past.table["race_id"] == race_id, RESULT, 5))
        for other, when, day in zip(past.matrix.race_id, past.matrix.off, past.matrix.day, strict=True):
            if when < off.timestamp() + KNOWN_AFTER:
                assert same(attacked.rows(other), past.rows(other))
            elif day == (off.date() - pd.Timestamp(0).date()).days:
                moved_today += not same(attacked.rows(other), past.rows(other))
    assert moved_today > 0


@pytest.mark.parametrize(("seconds", "knows"), [(KNOWN_AFTER - 1, False), (KNOWN_AFTER, True)])
def test_a_jockey_who_won_today_is_better_in_a_later_race_only_when_the_result_was_known(
    race, history_of, seconds, knows
):
    def with_a_later_race(position):
        first = race("a", position=position)
        horses = [f"x{i}" for i in range(6)]
        later = race("b", horse_id=horses, horse=horses)
        later["off"] = first["off"] + pd.Timedelta(seconds=seconds)
        return history_of(pd.concat([first, later], ignore_index=True)).rows("b")

    one_way, other_way = with_a_later_race([1, 2, 3, 4, 5, 6]), with_a_later_race([6, 5, 4, 3, 2, 1])
    moved = ~((one_way == other_way) | (np.isnan(one_way) & np.isnan(other_way))).all(axis=0)
    names = np.array([f.name for f in registry.features("market")])[moved]
    assert ("jockey_won" in names and "trainer_finish" in names) if knows else not len(names)


def test_the_order_in_which_races_stand_in_the_table_does_not_matter(past, history_of):
    code, ids = pd.factorize(past.table["race_id"])
    place = np.random.default_rng(1).permutation(len(ids))[code]
    mixed = past.table.iloc[np.argsort(place, kind="stable")]
    assert same(history_of(mixed).matrix.values, past.matrix.values)


def test_the_order_in_which_the_rows_of_a_race_stand_does_not_matter(past, history_of):
    mixed = past.table.sample(frac=1.0, random_state=2)
    shuffled = history_of(mixed)
    place = {who: i for i, who in enumerate(_who(mixed))}
    order = [place[who] for who in _who(past.table)]
    np.testing.assert_allclose(shuffled.matrix.values[order], past.matrix.values, rtol=1e-4, atol=1e-5)


def _who(table):
    races = from_frame(table)
    return list(zip(races.texts["race_id"], races.texts["horse_id"], strict=True))


def test_a_withdrawn_runner_is_not_in_the_field(world, history_of):
    table = world.table
    gone = table["status"] == Status.WITHDRAWN
    assert gone.any()
    assert same(history_of(table[~gone]).matrix.values, world.matrix.values)
