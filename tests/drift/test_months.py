"""What changes slowly is measured against the months, and the months add like everything else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from oracle.drift import grid, sketch
from oracle.drift.columns import layout
from oracle.drift.distance import Distance, column_distances
from oracle.drift.racing import RaceSums
from oracle.drift.sketch import Sketch


def world(first: str, months: int, seed: int) -> pa.Table:
    """Return twenty days a month of ten rows: one column that each month shares, one that nothing shares."""
    chance = np.random.default_rng(seed)
    starts = np.datetime64(first, "M") + np.arange(months)
    days = (starts.astype("datetime64[D]")[:, None] + np.arange(20)).ravel()
    rows = days.size * 10
    return pa.table(
        {
            "race_id": np.repeat([f"{seed} {day}" for day in days], 10),
            "date": np.repeat(days, 10),
            "slow": np.repeat(chance.normal(size=months), 200) + 0.3 * chance.normal(size=rows),
            "quick": chance.normal(size=rows),
        }
    )


def counted(table: pa.Table, on: grid.Grid | None = None) -> Sketch:
    known = layout(table.schema, "date")
    return sketch.of(table, known, on or grid.of_sample(table, known), RaceSums)


def distances(before: pa.Table, now: pa.Table) -> dict[str, Distance]:
    reference = counted(before)
    return {d.name: d for d in column_distances(reference, counted(now, reference.grid))}


def test_a_column_that_months_share_does_not_pass_for_thousands_of_rows() -> None:
    false, found = 0, 0
    for seed in range(20):
        slow = distances(world("2022-01", 24, seed), world("2024-01", 3, 100 + seed))["slow"]
        assert slow.p_value is not None
        false += slow.p_value < 0.05
    assert false <= 3
    for seed in range(5):
        now = world("2024-01", 3, 200 + seed)
        moved = now.set_column(3, "quick", pa.array(now["quick"].to_numpy() + 0.5))
        quick = distances(world("2022-01", 24, seed), moved)["quick"]
        found += quick.p_value is not None and quick.p_value < 0.001
    assert found == 5


def test_months_add_and_survive_their_bytes() -> None:
    table = world("2022-01", 4, 1)
    whole = counted(table)
    parts = [counted(table.slice(a, 333), whole.grid) for a in range(0, table.num_rows, 333)]
    joined = sketch.together(parts)
    assert joined == whole
    assert joined.months.keys.tolist() == whole.months.keys.tolist()
    assert Sketch.from_bytes(whole.to_bytes(), counter=RaceSums) == whole
    assert whole.closed().months.sums[:, -1].sum() == table.num_rows


def test_rows_without_dates_have_no_months() -> None:
    bare = world("2022-01", 2, 1).drop_columns(["date"])
    known = layout(bare.schema)
    assert not sketch.of(bare, known, grid.of_sample(bare, known), RaceSums).closed().months.keys.size
