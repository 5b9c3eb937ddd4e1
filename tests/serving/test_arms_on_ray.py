"""Two versions on a real cluster: changed, broken and killed under load, and nobody without an answer."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.experiment import conduct
from oracle.experiment.assignment import position
from oracle.experiment.plan import make
from oracle.serving.wiring import GatewayArgs, wire, with_key
from tests.serving import small_model
from tests.serving.conftest import World
from tests.serving.live import Live, Users, live
from tests.tracking.stores import fresh_home

pytestmark = pytest.mark.cluster
RESULTS_IN_FORM = 5.0
IN_FORCE = 2.0
"""Seconds in which a change is in force on every replica."""


def split(share: float, version: str = "2", name: str = "e", **control: Any) -> dict[str, Any]:
    return {"control": control, "experiment": {"name": name, "treatments": [{"version": version, "share": share}]}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """A home with two versions."""
    found = fresh_home(tmp_path_factory)
    for number in (1, 2):
        small_model.enter(found, world.results, tmp_path_factory.mktemp("data") / f"world-{number}")
    return found


@pytest.fixture(scope="module")
def cluster(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    log = tmp_path_factory.mktemp("log") / "log"
    with live(home, log, app="tests.serving.broken_app:build", args={"treatment_timeout_ms": 400}) as found:
        yield found


@pytest.fixture
def card(world: World) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(world.body)
    return told


def shares_are(share: float) -> Any:
    return lambda told: [s["share"] for s in told["routing"]["slots"][1:]] == [share]


def warm(cluster: Live, card: dict[str, Any]) -> None:
    """Wait until the challenger answers for itself, whichever replica asks it."""
    cluster.put(split(1.0))
    cluster.until(shares_are(1.0), 2)
    good: set[str] = set()
    with Users(cluster, card, rate=20) as users:
        until = time.monotonic() + 120  # a circuit that stays open after trials that fail takes its time
        while time.monotonic() < until:
            told = cluster.health()
            if told["routing"]["slots"][1]["circuit"] == "closed":
                good.add(told["replica"])
            else:
                good.discard(told["replica"])
            if len(good) == 2 and users.asked and users.asked[-1].told.get("model", {}).get("version") == "2":
                return
    raise AssertionError(good, users.asked[-1:])


def test_changes_under_load_are_in_force_at_once_and_cost_nobody_an_answer(cluster: Live, card: dict[str, Any]):
    warm(cluster, card)
    shares = [0.05 * n for n in range(1, 11)]
    took, changed = [], []
    with Users(cluster, card, rate=50) as users:
        for n, share in enumerate(shares):
            version = "1" if n % 4 == 3 else "2"
            before = time.time()
            cluster.put(split(share, version, "ramp"))
            took.append(cluster.until(shares_are(share), 2))
            changed.append((before, time.time(), share))
    assert len(users.asked) > 100
    assert users.failed == []
    assert max(took) < IN_FORCE, took
    rows = cluster.rows()
    key = with_key(wire(GatewayArgs(home=cluster.home))).key
    for each in users.asked:
        row = rows[each.told["prediction_id"]]
        allowed = {0.0 if row.experiment != "ramp" else share for share in _around(changed, each.sent, each.done)}
        if row.experiment == "ramp":
            place = position("ramp", row.unit, key)
            assert row.arm in {"treatment" if place < share else "control" for share in allowed}


def _around(changed: list[tuple[float, float, float]], sent: float, done: float) -> set[float]:
    """Return the shares that may have been in force on some replica between two moments."""
    found = {share for begin, end, share in changed if begin <= done and end >= sent}
    settled = [share for _, end, share in changed if end <= sent]
    return found | set(settled[-1:])


@pytest.mark.parametrize(
    ("trouble", "why"), [("raise", {"error"}), ("hang", {"timeout"}), ("kill", {"dead", "timeout"})]
)
def test_a_challenger_that_breaks_costs_nobody_an_answer(
    cluster: Live, card: dict[str, Any], trouble: str, why: set[str]
):
    warm(cluster, card)
    victims = cluster.processes("treatment")
    with Users(cluster, {**card, "race_name": trouble}, rate=20) as users:
        cluster.until(lambda told: told["routing"]["slots"][1]["circuit"] == "open", 2)
    assert users.failed == []
    rows = cluster.rows()
    kept = [rows[each.told["prediction_id"]] for each in users.asked]
    assert {(row.arm, row.model_version) for row in kept} == {("treatment", "1")}
    reasons = Counter(row.fallback for row in kept)
    assert set(reasons) & why, reasons
    assert set(reasons) <= {*why, "open"}, reasons
    if trouble == "kill":
        assert not set(victims) & set(cluster.processes("treatment"))


def test_a_result_is_in_the_form_of_every_replica_within_five_seconds(cluster: Live, card: dict[str, Any]):
    order = [r for r in card["runners"] if not r.get("withdrawn")]
    runners = [{"horse": r["horse"], "horse_id": r["horse_id"], "position": i} for i, r in enumerate(order, 1)]
    told = cluster.post(
        "/v1/results",
        {"races": [{"race_id": "run-1", "course": card["course"], "off": card["off"], "runners": runners}]},
    )
    [race] = told["races"]
    assert race["what"] == "new"
    assert cluster.until(lambda health: health["form"]["seq"] >= race["seq"], 2) < RESULTS_IN_FORM
    again = cluster.post("/v1/predict", card)
    assert any("hindsight" in note for note in again["notes"])  # the form now knows a race at that very off


def test_a_challenger_that_breaches_a_guardrail_loses_its_traffic_by_itself(
    cluster: Live, card: dict[str, Any], home: Path
):
    warm(cluster, card)
    cluster.put({"control": {}})
    store = cluster.store
    told = {"mean": 0.5, "sd": 0.3, "control": "1", "treatments": ("2",), "shares": (1.0,)}
    conduct.begin(store, make(name="guarded", started_at=dt.datetime.now(dt.UTC), **told), "test")
    cluster.until(lambda health: health["routing"]["experiment"] == "guarded", 2)
    with Users(cluster, {**card, "race_name": "raise"}, rate=30) as users:
        cluster.until(lambda health: health["routing"]["experiment"] is None, 2, seconds=90)
    assert users.failed == []
    ended = store.experiments.get("guarded")
    assert ended is not None
    assert ended.status == "rolled_back"
    assert "failures" in (ended.reason or "")
    assert store.experiments.changes("guarded")[-1].actor == "guardrail"
    store.close()


def test_prometheus_sees_requests_latency_and_fallbacks_by_arm(cluster: Live, card: dict[str, Any]):
    wanted = ("ray_oracle_requests", "ray_oracle_latency_ms_bucket", "ray_oracle_fallbacks", "ray_oracle_form_seq")
    seen = ""
    warm(cluster, card)
    with Users(cluster, {**card, "race_name": "raise"}, rate=10):
        until = time.monotonic() + 60
        while time.monotonic() < until and not all(name in seen for name in wanted):
            seen = cluster.scraped()
    assert [name for name in wanted if name not in seen] == []
    assert 'arm="treatment"' in seen


def test_a_gateway_that_is_killed_under_load_loses_no_answer(cluster: Live, card: dict[str, Any]):
    cluster.put(split(0.1))
    cluster.until(shares_are(0.1), 2)
    killed = set()
    with Users(cluster, card, rate=50) as users:
        for _ in range(2):
            killed.add(cluster.kill("gateway"))
            cluster.until(lambda _: not killed & set(cluster.processes("gateway")), 1)
            cluster.until(lambda _: len(cluster.processes("gateway")) == 2, 2, seconds=120)
    assert len(killed) == 2
    assert users.failed == []
    rows = cluster.rows()
    told = [each.told["prediction_id"] for each in users.asked]
    assert len(set(told)) == len(told)
    assert set(told) <= set(rows)
    races = Counter(rows[name].race_key for name in told)
    assert set(races.values()) == {1}
