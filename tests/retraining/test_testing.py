"""Which test decides: what a candidate has to show at once, on live traffic, and where none can be held."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from oracle.experiment.plan import read
from oracle.features.matrix import RaceMatrix
from oracle.retraining import measuring
from oracle.retraining.candidate import holdout
from oracle.retraining.measuring import pools
from oracle.retraining.steps import Context, Done, Outcome, Over, Waiting, Work
from oracle.retraining.testing import experiment_of, on_live_traffic, stopped
from oracle.settings import CandidatePolicy, ExperimentPolicy, Settings
from oracle.store import Experiment, Retraining, Store, embedded
from tests.experiment.traffic import fill

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
SEEN: dict[str, Any] = {
    "decision": "continue",
    "mean": 0.5,
    "sd": 0.3,
    "rho": 0.95,
    "races_per_day": 30.0,
    "causes": [],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    kept = embedded(tmp_path)
    kept.retrainings.start(Retraining(retraining_id="r1", event_id="e", at=NOW, cause="drift", production="3"))
    yield kept
    kept.close()


@pytest.fixture(autouse=True)
def candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Work, "candidate", lambda _: SimpleNamespace(number=4))


def work(
    store: Store,
    tmp_path: Path,
    *,
    now: dt.datetime = NOW,
    validated: str = "pass",
    replayed: str = "continue",
    per_day: float = 30.0,
    **policy: Any,
) -> Work:
    settings = Settings(
        home=tmp_path,
        candidate=CandidatePolicy(**{"test_days": 180.0, **policy}),
        experiment=ExperimentPolicy(effect=0.05, min_days=0.0, min_predictions=0),
    )
    there = store.retrainings.get("r1")
    assert there is not None
    done = {
        "validate": {"outcome": validated},
        "replay_ab": {**SEEN, "decision": replayed, "races_per_day": per_day},
    }
    return Work(Context(settings, store), there, done, now, NOW)


def ended(outcome: Outcome) -> str:
    return outcome.status if isinstance(outcome, Over) else type(outcome).__name__.lower()


def test_a_live_test_that_can_end_is_begun_once_and_waited_for(store: Store, tmp_path: Path) -> None:
    first = on_live_traffic(work(store, tmp_path, share=0.2))
    again = on_live_traffic(work(store, tmp_path, share=0.2, now=NOW + dt.timedelta(days=1)))
    assert isinstance(first, Waiting)
    assert isinstance(again, Waiting)
    (there,) = store.experiments.all()
    assert (there.name, there.control, there.treatments) == ("retrain-r1", "3", (("treatment", "4"),))
    plan = read(there.plan)
    assert (plan.shares, plan.rho, plan.races_per_day, plan.started_at) == ((0.2,), 0.95, 30.0, NOW)
    assert plan.policy.max_days == 180.0
    assert store.retrainings.get("r1").experiment == "retrain-r1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("policy", "validated", "replayed", "expected"),
    [
        ({"live": "if possible"}, "pass", "continue", "done"),
        ({"live": "if possible"}, "not enough evidence", "continue", "rejected"),
        ({"live": "if possible"}, "not enough evidence", "ship", "done"),
        ({"live": "if possible", "evidence": "better"}, "pass", "continue", "rejected"),
        ({"live": "if possible", "evidence": "better"}, "pass", "ship", "done"),
        ({"live": "never"}, "pass", "stop", "done"),
        ({"live": "always"}, "pass", "ship", "rejected"),
    ],
)
def test_where_no_live_test_can_end_the_settings_say_what_is_enough(
    store: Store, tmp_path: Path, policy: dict[str, Any], validated: str, replayed: str, expected: str
) -> None:
    asked = work(store, tmp_path, per_day=2.0, test_days=30.0, validated=validated, replayed=replayed, **policy)
    assert ended(on_live_traffic(asked)) == expected
    assert store.experiments.all() == []


def test_a_place_that_another_test_holds_is_waited_for_until_time_is_up(store: Store, tmp_path: Path) -> None:
    other = Experiment(
        name="spring",
        plan="{}",
        fingerprint="x",
        control="3",
        treatments=(("treatment", "2"),),
        shares=(0.1,),
        started_at=NOW,
        actor="ann",
    )
    store.experiments.start(other)
    waits = on_live_traffic(work(store, tmp_path))
    assert isinstance(waits, Waiting)
    assert "another experiment is running" in waits.reason
    later = NOW + dt.timedelta(days=181)
    assert isinstance(on_live_traffic(work(store, tmp_path, now=later)), Done)
    assert ended(on_live_traffic(work(store, tmp_path, now=later, live="always"))) == "rejected"


def test_a_candidate_that_wins_live_goes_on_and_the_test_ends_as_shipped(store: Store, tmp_path: Path) -> None:
    on_live_traffic(work(store, tmp_path))
    fill(store, 400, 20, better=1.0)
    later = NOW + dt.timedelta(days=60)
    outcome = on_live_traffic(work(store, tmp_path, now=later))
    assert isinstance(outcome, Done), outcome
    assert (outcome.document["status"], outcome.document["decision"]) == ("shipped", "ship")
    assert store.experiments.get(experiment_of("r1")).status == "shipped"  # type: ignore[union-attr]
    assert isinstance(on_live_traffic(work(store, tmp_path, now=later)), Done)


@pytest.mark.parametrize("status", ["stopped", "rolled_back"])
def test_a_live_test_that_somebody_ended_rejects_the_candidate(store: Store, tmp_path: Path, status: Any) -> None:
    on_live_traffic(work(store, tmp_path))
    store.experiments.end(experiment_of("r1"), status, "it is slow", "guardian", NOW)
    outcome = on_live_traffic(work(store, tmp_path))
    assert isinstance(outcome, Over)
    assert (outcome.status, outcome.reason) == ("rejected", f"live test {status}: it is slow")


def test_a_retraining_that_ends_otherwise_ends_its_test(store: Store, tmp_path: Path) -> None:
    asked = work(store, tmp_path)
    stopped(asked.context, "r1", "superseded", NOW)
    on_live_traffic(asked)
    stopped(asked.context, "r1", "superseded", NOW)
    assert store.experiments.get(experiment_of("r1")).status == "stopped"  # type: ignore[union-attr]


def races(days: int, per_day: int = 3) -> RaceMatrix:
    dates = np.repeat(np.arange(days), per_day).astype("datetime64[D]") + np.timedelta64(20_000, "D")
    return SimpleNamespace(dates=dates)  # type: ignore[return-value]


def test_the_holdout_is_the_latest_days_and_never_more_than_its_share() -> None:
    found = holdout(races(200), CandidatePolicy(holdout_days=30))
    assert (found.days, str(found.first), found.share) == (30, str(races(200).dates[-90]), 30 / 200)
    assert found.settings(Settings()).split.test_share == 30 / 200
    assert holdout(races(40), CandidatePolicy(holdout_days=30)).days == 10


def test_what_is_judged_is_what_is_served(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = dt.date(2024, 1, 1)
    history: Any = SimpleNamespace(matrix=_Races())
    model: Any = SimpleNamespace(market=object())
    assert pools(store, CandidatePolicy(), model, history, first) == ("market", "form")
    for counts, expected in (
        ({"form": 990, "market": 10}, ("form",)),
        ({"form": 700, "market": 300}, ("form", "market")),
        ({"market": 5}, ("market",)),
    ):
        monkeypatch.setattr(measuring, "served", lambda _, counts=counts: Counter(counts))
        assert pools(store, CandidatePolicy(), model, history, first) == expected
    assert pools(store, CandidatePolicy(pools="form"), model, history, first) == ("form",)
    assert pools(store, CandidatePolicy(pools="market"), SimpleNamespace(market=None), history, first) == ("form",)  # type: ignore[arg-type]


class _Races:
    """Races with odds."""

    dates = np.array(["2024-05-01"], dtype="datetime64[D]")
    market = np.array([0.5])

    def __len__(self) -> int:
        return 1

    def take(self, _: Any) -> _Races:
        return self
