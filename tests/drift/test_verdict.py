"""The whole check: every outcome is stated, nothing unmeasured passes for calm, and what drifted is named first."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from oracle.drift import grid, report, sketch, verdict
from oracle.drift.columns import layout
from oracle.drift.multiple import benjamini_hochberg
from oracle.drift.racing import RaceSums
from oracle.drift.verdict import Report
from oracle.drift.words import Verdict
from oracle.settings import DriftPolicy
from tests.drift.invented import RUNNERS, races

POLICY = DriftPolicy()
REFERENCE = races(400, seed=11, begin="2023-01-01")


def compared(current: pa.Table, reference: pa.Table = REFERENCE, policy: DriftPolicy = POLICY) -> Report:
    cluster = verdict.cluster_of(reference.column_names, policy)
    before = layout(reference.schema, cluster)
    bins = grid.of_sample(reference, before)
    now = layout(current.schema, cluster if cluster in current.column_names else None)
    return verdict.compare(
        sketch.of(reference, before, bins, RaceSums), sketch.of(current, now, bins, RaceSums), policy
    )


def put(table: pa.Table, name: str, values: object) -> pa.Table:
    column = pa.array(values)
    if name not in table.column_names:
        return table.append_column(name, column)
    return table.set_column(table.column_names.index(name), name, column)


CALM = races(400, seed=12)
ROWS = CALM.num_rows


def test_equal_worlds_do_not_alarm() -> None:
    found = compared(CALM)
    assert found.verdict is Verdict.NO_DRIFT
    assert not found.alarm
    assert not found.causes
    assert report.text(found).startswith("no drift")


def test_a_moved_column_is_found_and_named_first() -> None:
    moved = put(CALM, "weight_kg", CALM["weight_kg"].to_numpy() + 1.0)
    found = compared(moved)
    assert found.alarm
    assert found.parts["data"].verdict is Verdict.DRIFT
    assert found.causes[0]["feature"] == "weight_kg"
    assert found.features["weight_kg"].as_dict()["drifted"] is True
    assert "1. weight_kg" in report.text(found)


def test_a_difference_too_small_to_matter_is_no_drift_however_sure() -> None:
    big, shifted = races(3000, seed=13), races(3000, seed=14)
    shifted = put(shifted, "weight_kg", shifted["weight_kg"].to_numpy() + 0.2)
    feature = compared(shifted, big).features["weight_kg"]
    assert feature.q_value is not None
    assert feature.q_value < 0.01
    assert feature.verdict is Verdict.NO_DRIFT


@pytest.mark.parametrize(
    ("name", "values", "said", "cause"),
    [
        ("new", np.ones(ROWS), Verdict.UNMEASURED, "a new column"),
        ("weight_kg", None, Verdict.DRIFT, "gone"),
        ("weight_kg", ["heavy"] * ROWS, Verdict.DRIFT, "another type"),
        ("weight_kg", [None if i % 3 else 56.0 for i in range(ROWS)], Verdict.DRIFT, "missing 0.0% -> 66.6%"),
        ("weight_kg", pa.array([None] * ROWS, pa.float64()), Verdict.DRIFT, "missing 0.0% -> 100.0%"),
    ],
)
def test_every_state_of_a_column_has_its_outcome(name: str, values: object, said: Verdict, cause: str) -> None:
    current = CALM.drop_columns([name]) if values is None else put(CALM, name, values)
    feature = compared(current).features[name]
    assert feature.verdict is said
    assert cause in feature.cause


def test_a_constant_column_is_no_drift_and_one_that_stops_moving_is() -> None:
    before, now = (put(t, "pace", np.full(t.num_rows, 3.0)) for t in (REFERENCE, CALM))
    assert compared(now, before).features["pace"].verdict is Verdict.NO_DRIFT
    assert compared(now, before).features["pace"].cause == "constant"
    stopped = put(CALM, "weight_kg", np.full(ROWS, 56.0))
    assert compared(stopped).features["weight_kg"].verdict is Verdict.DRIFT


@pytest.mark.parametrize("rows", [0, 3 * RUNNERS])
def test_empty_and_tiny_windows_could_not_be_measured(rows: int) -> None:
    found = compared(CALM.slice(0, rows))
    assert found.verdict is Verdict.UNMEASURED
    assert not found.alarm
    assert {str(p.verdict) for p in found.parts.values()} == {"could not measure"}


def test_a_table_of_plain_numbers_is_compared_row_by_row_and_says_so() -> None:
    chance = np.random.default_rng(1)
    before, now = (pa.table({"x": chance.normal(size=2000), "y": chance.normal(m, 1, 2000)}) for m in (0.0, 0.5))
    found = compared(now, before)
    assert found.causes[0]["feature"] == "y"
    assert "each row was taken as independent" in found.notes[0]
    assert found.parts["concept"].verdict is Verdict.UNMEASURED


def test_columns_that_are_ignored_are_not_judged() -> None:
    moved = put(CALM, "weight_kg", CALM["weight_kg"].to_numpy() + 1.0)
    found = compared(moved, policy=POLICY.model_copy(update={"ignore": ("weight_kg",)}))
    assert not found.alarm
    assert "drift.ignore" in found.features["weight_kg"].cause


def test_the_course_that_carries_a_decay_is_named_with_its_share() -> None:
    blind = races(800, seed=15, courses=("Ascot", "York", "Kempton", "Epsom"), blind_at="York")
    before = races(800, seed=16, courses=("Ascot", "York", "Kempton", "Epsom"))
    found = compared(blind, before)
    assert found.parts["concept"].verdict is Verdict.DRIFT
    (course,) = [c for c in found.causes if c["feature"] == "course"]
    assert course["level"] == "York"
    assert course["share"] > 0.6
    assert course["share_of_races"] == pytest.approx(0.25, abs=0.01)


def test_the_document_has_the_keys_that_others_read() -> None:
    told = json.loads(json.dumps(compared(CALM).timed(1.0, 2.0).as_dict()))
    assert {"verdict", "features", "prediction", "concept", "outcome", "causes", "rows"} <= told.keys()
    assert {"seconds", "cpu_seconds", "max_ks_error"} <= told.keys()
    assert {"ks", "p_value", "q_value", "psi", "drifted"} <= told["features"]["weight_kg"].keys()
    assert told["rows"] == ROWS + REFERENCE.num_rows
    assert told["max_ks_error"] <= 1e-3


def test_the_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    chance = np.random.default_rng(2)
    before, now = (pa.table({"<b>": chance.normal(m, 1, 500)}) for m in (0.0, 9.0))
    page = report.page(compared(now, before))
    assert "<svg" in page
    assert "&lt;b&gt;" in page
    assert not {"<script", "<link", "<img"} & {word.split(" ")[0].split(">")[0] for word in page.split()}


def test_q_values_keep_the_order_of_the_p_values() -> None:
    assert benjamini_hochberg([0.02, 0.01, 0.9]) == pytest.approx([0.03, 0.03, 0.9])
    assert benjamini_hochberg([]) == []
