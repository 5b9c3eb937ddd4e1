"""Two versions side by side: what differs is shown, what cannot be compared says why, and nothing is made up."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.cli.output import as_json
from oracle.errors import BadInput
from oracle.ranking.calibration import ReliabilityBin
from oracle.ranking.report import Difference, NoResult
from oracle.registry.compare import Comparison, Evidence, OnRaces, SameRaces, Side, compare
from oracle.registry.side_by_side import page, text
from oracle.registry.versioning import ModelFacts
from oracle.settings import EvaluationPolicy

FACTS = ModelFacts(("lambdarank", "logit"), "log_pool", "h1", "form@1", "d1", "c1")
A = Side("v1.0.0", 1, "2026-01-01T00:00", "r1", ("production",), "production", FACTS, "2025-06-30")
B = dataclasses.replace(A, version="v1.0.1", number=2, run_id="r2", aliases=("candidate",), lifecycle=None)
POLICY = EvaluationPolicy(resamples=200)
RACES, MEETINGS = 120, 12


def races(gain: float = 0.0, pool: str = "form", meetings: int = MEETINGS) -> SameRaces:
    """Return races on which B loses `gain` nats less than A, give or take."""
    chance = np.random.default_rng(1)
    loss = chance.uniform(1.5, 2.5, RACES)
    other = loss - gain + chance.normal(0, 0.01, RACES)
    bins = (ReliabilityBin(600, 0.05, 0.06), ReliabilityBin(600, 0.2, 0.19))
    labels = np.array([f"m{i % meetings}" for i in range(RACES)], dtype=object)
    return SameRaces(
        pool,
        OnRaces(np.full(RACES, 0.5), loss, 0.01, bins),
        OnRaces(np.full(RACES, 0.5), other, 0.02, bins),
        labels,
        {
            "course": np.array([("Sha Tin", "Happy Valley")[i % 2] for i in range(RACES)], dtype=object),
            "surface": np.full(RACES, "turf", dtype=object),
        },
    )


def evidence(*pools: SameRaces) -> Evidence:
    times = np.arange(1.0, 101.0)
    return Evidence("data", "2025-07-01", "2025-12-31", 900, pools or (races(),), (times, 2 * times))


def beside(a: Side = A, b: Side = B, found: Evidence | None = None) -> Comparison:
    return compare(a, b, found, POLICY, 7)


def test_a_version_beside_itself_differs_in_nothing() -> None:
    same = dataclasses.replace(races(), b=races().a)
    found = beside(A, A, evidence(same))
    assert not [row for rows in (found.facts, found.parameters, found.metrics) for row in rows if row.differs]
    for each in found.pools[0].paired:
        assert isinstance(each.difference, Difference)
        assert (each.difference.mean, each.difference.low, each.difference.high) == (0.0, 0.0, 0.0)


def test_a_difference_is_b_less_a_with_its_interval_by_meeting() -> None:
    (pool,) = beside(found=evidence(races(gain=0.1))).pools
    loss = next(each for each in pool.paired if each.name == "log_loss")
    assert isinstance(loss.difference, Difference)
    assert loss.difference.high < 0.0
    assert loss.difference.mean == pytest.approx(loss.b - loss.a)
    assert loss.difference.meetings == MEETINGS


def test_slices_are_shown_where_there_is_a_choice_and_enough_meetings() -> None:
    (pool,) = beside(found=evidence()).pools
    assert {(s.name, s.value, s.races) for s in pool.slices} == {
        ("course", "Sha Tin", 60),
        ("course", "Happy Valley", 60),
    }
    (few,) = beside(found=evidence(races(meetings=4))).pools
    assert few.slices == ()


def test_one_meeting_gives_no_interval_and_says_why() -> None:
    found = beside(found=evidence(races(meetings=1)))
    assert all(isinstance(each.difference, NoResult) for each in found.pools[0].paired)
    assert "no interval: fewer than two meetings" in text(found)


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"data": "d2"}, "patch"),
        ({"code": "c2"}, "patch"),
        ({"features": "form@2"}, "minor"),
        ({"hyperparameters": "h2"}, "minor"),
        ({"aggregation": "mean"}, "major"),
        ({"families": ("lambdarank",)}, "major"),
    ],
)
def test_the_rule_of_version_numbers_is_told_with_what_differs(change: dict[str, Any], step: str) -> None:
    found = beside(b=dataclasses.replace(B, facts=dataclasses.replace(FACTS, **change)))
    assert found.step == step
    assert [row.name for row in found.facts if row.differs] == list(change)


def test_without_facts_or_a_dataset_it_is_said_and_nothing_is_made_up() -> None:
    found = beside(b=dataclasses.replace(B, facts=None))
    assert (found.step, found.pools, found.latency) == (None, (), ())
    notes = " ".join(found.notes)
    assert "no dataset was named" in notes
    assert "v1.0.1 was registered without its facts" in notes


def test_races_that_one_of_them_learned_from_are_counted_out() -> None:
    assert any("900 races before 2025-07-01 are left out" in note for note in beside(found=evidence()).notes)


def test_latency_is_of_the_same_cards() -> None:
    p50, p95 = beside(found=evidence()).latency
    assert (p50.name, p50.b, p95.name, p95.b) == ("p50", 2 * p50.a, "p95", 2 * p95.a)


def test_importance_weighs_members_as_the_ensemble_does_and_leaves_out_those_without_features() -> None:
    one = dataclasses.replace(
        A,
        importance={"trees": {"form": 0.8, "draw": 0.2}, "logit": {"form": 0.0, "draw": 1.0}, "market": {}},
        weights={"trees": 0.3, "logit": 0.1, "market": 0.6},
    )
    rows = {row.name: row.a for row in beside(a=one).importance}
    assert rows == pytest.approx({"form": 0.6, "draw": 0.4})


def test_parameters_and_metrics_of_either_stand_beside_each_other() -> None:
    one = dataclasses.replace(A, parameters={"seed": "7", "old": "x"}, metrics={"m": 1.0})
    other = dataclasses.replace(B, parameters={"seed": "8", "new": "y"}, metrics={"m": 2.0})
    found = beside(one, other)
    assert [(r.name, r.a, r.b) for r in found.parameters] == [
        ("new", None, "y"),
        ("old", "x", None),
        ("seed", "7", "8"),
    ]
    assert [(r.a, r.b, r.differs) for r in found.metrics] == [(1.0, 2.0, True)]


@pytest.mark.slow
def test_the_document_is_json_and_the_page_is_one_file_with_every_value_escaped() -> None:
    sly = dataclasses.replace(
        B, version="<script>alert(1)</script>", parameters={"<b>": "<img src=x>"}, importance={"t": {"a<b": 1.0}}
    )
    found = beside(b=sly, found=evidence(races(), races(pool="market")))
    document = json.loads(as_json(found.as_dict()))
    assert [pool["pool"] for pool in document["pools"]] == ["form", "market"]
    made = page(found)
    assert made.count("<svg") == 3
    for tag in ("<script", "<img", "a<b", "http-equiv", "<link"):
        assert tag not in made
    assert "&lt;script&gt;" in made


def test_a_page_that_has_nowhere_to_go_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    from oracle.cli.model.compare import compare as command

    with pytest.raises(BadInput, match="no folder"):
        command("1", "2", html=tmp_path / "none" / "page.html")
