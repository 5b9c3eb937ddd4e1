"""A sketch adds: wherever rows are cut, in whatever order parts are joined, to the last bit."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.drift import grid, sketch
from oracle.drift.columns import Kind, Role, layout
from oracle.drift.numeric import grid_of, tally
from oracle.drift.sketch import Sketch
from oracle.errors import BadInput

CHANCE = np.random.default_rng(5)
SIZES = CHANCE.integers(1, 9, 40)
RACES = np.repeat(np.arange(SIZES.size), SIZES)
N = RACES.size


def odd_values() -> np.ndarray:
    values = CHANCE.standard_cauchy(N)
    values[::5], values[1::17], values[2::19] = np.nan, np.inf, -np.inf
    return values


TABLE = pa.table(
    {
        "race_id": pa.array([f"2024-{r:03d}" for r in RACES]),
        "form": odd_values(),
        "draw": pa.array([None if i % 7 == 0 else i % 5 for i in range(N)], pa.int16()),
        "weight": pa.array([Decimal(i % 9) / 2 for i in range(N)], pa.decimal128(6, 2)),
        "foaled": pa.array([dt.date(2019, 1, 1 + i % 28) for i in range(N)]),
        "going": pa.array([None if i % 11 == 0 else "abcdef"[i % 6] for i in range(N)]),
        "jockey_claim": pa.array(["7lb", "none"] * (N // 2) + ["7lb"] * (N % 2)).dictionary_encode(),
        "first_time": pa.array([i % 3 == 0 for i in range(N)]),
        "nothing": pa.nulls(N),
    }
)
LAYOUT = layout(TABLE.schema)
GRID = grid.of_sample(TABLE.slice(0, 60), LAYOUT)
WHOLE = sketch.of(TABLE, LAYOUT, GRID)
NAMES = sorted({f"horse {i}" for i in range(300)})


@given(st.lists(st.integers(0, N), max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_a_sketch_cut_at_any_rows_is_the_sketch_of_the_whole_however_the_parts_are_paired(cuts, chance) -> None:
    ends = [0, *sorted(cuts), N]
    parts = [sketch.of(TABLE.slice(a, b - a), LAYOUT, GRID) for a, b in itertools.pairwise(ends)]
    while len(parts) > 1:
        at = chance.randrange(len(parts) - 1)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    assert parts[0] == WHOLE


def test_single_rows_joined_as_a_tree_are_the_whole() -> None:
    parts = (sketch.of(TABLE.slice(i, 1), LAYOUT, GRID) for i in range(N))
    assert sketch.together(parts) == WHOLE
    assert sketch.together([]) is None


def test_a_written_sketch_is_read_as_it_was_with_and_without_its_grid() -> None:
    part = sketch.of(TABLE.slice(3, 50), LAYOUT, GRID)
    assert Sketch.from_bytes(part.to_bytes()) == part
    assert Sketch.from_bytes(part.to_bytes(with_grid=False), GRID) == part
    assert part.to_bytes() == part.to_bytes()
    with pytest.raises(BadInput, match="another grid"):
        Sketch.from_bytes(part.to_bytes(with_grid=False))
    with pytest.raises(BadInput, match="not the bytes"):
        Sketch.from_bytes(b"PAR1")


def test_a_written_grid_keeps_the_order_of_its_columns() -> None:
    table = pa.table({"z": [3.0, 1.0, 2.0], "a": ["x", "y", "x"], "m": [0.5, 0.5, 0.1]})
    one = grid.of_sample(table, layout(table.schema))
    read = grid.Grid.from_bytes(one.to_bytes())
    assert (list(read.columns), read.slices, read.digest) == (["z", "a", "m"], one.slices, one.digest)


def test_sketches_on_different_grids_do_not_add() -> None:
    other = grid.of_sample(TABLE.slice(60, 40), LAYOUT)
    with pytest.raises(BadInput, match="different grids"):
        _ = WHOLE + sketch.of(TABLE, LAYOUT, other)


def test_a_table_without_races_counts_every_row_alone_and_adds_too() -> None:
    rows = TABLE.drop_columns("race_id")
    plain = layout(rows.schema)
    assert plain.cluster is None
    parts = [sketch.of(rows.slice(a, 31), plain, grid.of_sample(rows, plain)) for a in range(0, N, 31)]
    assert (total := sketch.together(parts)) == sketch.of(rows, plain, total.grid)
    assert total.rows == N
    assert total.race_count == 0


def test_races_whose_rows_do_not_stand_together_are_noticed() -> None:
    assert not WHOLE.closed().scattered
    assert sketch.of(TABLE.take(pa.array(CHANCE.permutation(N))), LAYOUT, GRID).scattered


def test_levels_outside_the_grid_are_counted_by_name_wherever_they_come_from() -> None:
    rows = pa.table({"race_id": np.arange(600) // 6, "claim": [NAMES[i % 300] for i in range(600)]})
    known = layout(rows.schema)
    small = grid.of_sample(rows.slice(0, 0), known)
    total = sketch.together(sketch.of(rows.slice(i, 50), known, small) for i in range(0, 600, 50)).closed()
    assert total.others["claim"] == {name: 2 for name in NAMES[:64]}


@pytest.mark.parametrize(
    "values",
    [
        CHANCE.standard_cauchy(3000),
        np.exp(9 * CHANCE.standard_normal(3000)),
        CHANCE.integers(0, 5, 3000) * 1.0,
        np.where(CHANCE.random(3000) < 0.4, 0.0, CHANCE.random(3000) * 1e-300),
        CHANCE.normal(size=3000) * 1e300,
        np.array([0.1]),
    ],
    ids=["heavy tails", "ten magnitudes", "few values", "many zeros", "huge", "one"],
)
def test_every_value_is_counted_in_the_bin_that_the_edges_say(values: np.ndarray) -> None:
    bins = grid_of(values, 256)
    more = np.concatenate((values, values * 1.7, -values, [0.0, -0.0, np.inf, -np.inf]))
    out = np.zeros(bins.places, dtype=np.int64)
    tally(more, np.empty(0, dtype=np.int64), bins, out)
    assert out[: bins.bins].tolist() == np.bincount(np.searchsorted(bins.edges, more), minlength=bins.bins).tolist()


def test_roles_follow_names_and_kinds_follow_types() -> None:
    columns = {c.name: c for c in LAYOUT.columns}
    assert LAYOUT.cluster == "race_id"
    assert columns["race_id"].role is Role.IDENTITY
    assert LAYOUT.numeric == ("form", "draw", "weight", "foaled")
    assert LAYOUT.categorical == ("going", "jockey_claim", "first_time")
    assert columns["nothing"].kind is Kind.EMPTY
    card = layout(
        pa.schema([("win", pa.float64()), ("odds", pa.float64()), ("position", pa.int16()), ("x", pa.int8())])
    )
    assert [c.role for c in card.columns] == [Role.PREDICTION, Role.MARKET, Role.OUTCOME, Role.DATA]
    assert layout(TABLE.schema, cluster="draw").cluster == "draw"
    with pytest.raises(BadInput, match="no such column"):
        layout(TABLE.schema, cluster="meeting_id")
