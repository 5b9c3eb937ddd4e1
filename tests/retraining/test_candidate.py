"""How a candidate comes about: what it is made of, and what its sweep may see."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

from oracle.data.dataset import Dataset
from oracle.data.results import results
from oracle.ensemble.recipe import SHIPPED
from oracle.errors import BadInput, NoSuchDataset
from oracle.retraining import candidate, snapshot
from oracle.retraining.steps import Context, Done, Work
from oracle.settings import CandidatePolicy, Settings
from oracle.store import Retraining, embedded
from oracle.tuning import sweep as sweeps

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
TUNED = SHIPPED.with_member("win", {"trees": 77})


@dataclass(frozen=True)
class Dates:
    """Races of which only the dates are known."""

    dates: Any

    def take(self, mask: Any) -> Dates:
        return Dates(self.dates[mask])


def work(tmp_path: Path, **policy: Any) -> Work:
    store = embedded(tmp_path)
    there = Retraining(retraining_id="r1", event_id="e", at=NOW, cause="drift", production="3")
    context = Context(Settings(home=tmp_path, candidate=CandidatePolicy(**policy)), store)
    context.__dict__["tracking"] = None
    return Work(context, there, {}, NOW, NOW)


def out(outcome: Any) -> dict[str, Any]:
    assert isinstance(outcome, Done), outcome
    return dict(outcome.document)


def test_without_a_sweep_a_candidate_is_made_of_what_production_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Work, "production", lambda _: SimpleNamespace(run_id="x"))
    for recorded, origin, recipe in ((TUNED, "production", TUNED), (None, "shipped", SHIPPED)):
        monkeypatch.setattr(candidate, "_recorded", lambda *_, found=recorded: found)
        found = out(candidate.sweep(work(tmp_path)))
        assert found == {"trials": 0, "origin": origin, "recipe": recipe.as_dict()}


@pytest.mark.parametrize("recommends", ["tuned", "shipped"])
def test_a_sweep_sees_nothing_of_the_holdout_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recommends: str
) -> None:
    dates = np.arange("2024-01-01", "2024-06-01", dtype="datetime64[D]")
    asked: list[Any] = []

    def search(subject: Any, settings: Settings, request: Any, folder: Path, identity: str, _: Any) -> dict[str, Any]:
        asked.append((subject, settings, request, identity))
        folder.mkdir(exist_ok=True)
        (folder / "sweep.json").touch()
        (folder / "recipe.json").write_bytes(orjson.dumps(TUNED.as_dict()))
        told = {"recommends": recommends, "recipe": str(folder / "recipe.json"), "verdict": {}, "seconds": 1.0}
        return told | {"trials": {}}

    history = SimpleNamespace(matrix=Dates(dates), name="data", summary=SimpleNamespace(fingerprint="f"))
    monkeypatch.setattr(sweeps, "sweep", search)
    monkeypatch.setattr(Context, "history", lambda *_: history)
    monkeypatch.setattr(candidate, "parameters", lambda *_: {})
    monkeypatch.setattr(candidate, "_recipe", lambda _: (SHIPPED, "production"))
    wanted = work(tmp_path, trials=6, sweep_seconds=60.0, holdout_days=20)
    wanted.folder.mkdir(parents=True)
    for _ in range(2):
        found = out(candidate.sweep(wanted))
    assert found["recipe"] == (TUNED if recommends == "tuned" else SHIPPED).as_dict()
    assert found["origin"] == ("sweep" if recommends == "tuned" else "production")
    subject, settings, request, identity = asked[1]
    assert subject.races.dates.max() == np.datetime64("2024-05-11")
    assert (request.trials, request.seconds, identity) == (6, 60.0, "retraining-r1")
    assert [request.resume for _, _, request, _ in asked] == [False, True]
    assert settings.split.test_share == Settings().split.test_share


def test_the_data_version_is_the_dataset_and_what_the_store_was_told_and_never_changes(
    tmp_path: Path, race: Any
) -> None:
    Dataset(tmp_path / "races").append(race("r1", day="2020-03-04"))
    wanted = work(tmp_path, data=str(tmp_path / "races"))
    wanted.folder.mkdir(parents=True)
    told = list(results(race("r2", day="2020-03-05"), NOW - dt.timedelta(days=1)))
    wanted.context.store.results.add(told)
    found = out(snapshot.take(wanted))
    assert (found["races"], found["races_new"], found["last_date"]) == (2, 1, "2020-03-05")
    assert Dataset(tmp_path / "races").summary().races == 1
    Dataset(tmp_path / "races").append(race("r3", day="2020-03-06"))
    assert out(snapshot.take(wanted)) == found
    assert Dataset(wanted.data).summary().fingerprint == found["fingerprint"]


def test_a_retraining_says_at_once_that_it_has_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"candidate\.data"):
        snapshot.take(work(tmp_path))
    with pytest.raises(NoSuchDataset):
        snapshot.take(work(tmp_path, data=str(tmp_path / "nowhere")))
    assert not (tmp_path / "retrainings" / "r1" / "data").exists()
