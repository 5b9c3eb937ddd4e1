"""A training end to end on a small world: a dataset in; a finished run and a registered, loadable version out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle.data.dataset import Dataset
from oracle.ensemble.race_model import RaceModel, feature_version
from oracle.ensemble.recipe import SHIPPED
from oracle.errors import NoSuchDataset, NotEnoughData, Unavailable
from oracle.models import families
from oracle.registry.lifecycle import download
from oracle.registry.pyfunc import rows_of
from oracle.registry.versions import resolve, versions
from oracle.settings import CalibrationPolicy, MarketPolicy, Settings
from oracle.tracking.connection import Tracking, connect, quiet
from oracle.training import Trained, evaluate, learning, train
from tests.ensemble import small
from tests.models import world
from tests.tracking.stores import fresh_home

pytestmark = pytest.mark.slow

NAMED = {"ndcg_at_3", "ndcg_at_5", "mrr", "map", "pseudo_r2", "log_loss", "ece"}
MEMBERS = {*SHIPPED.form.members, "market", *SHIPPED.market.members}


@dataclass(frozen=True)
class Home:
    """A home after one training."""

    settings: Settings
    dataset: Path
    trained: Trained

    @property
    def tracking(self) -> Tracking:
        return connect(self.settings)

    def model(self) -> RaceModel:
        return RaceModel.load(download(self.tracking, self.trained.version, self.settings.root / "models"))


def quickly(dataset: Path, settings: Settings, **flags: bool) -> Trained:
    """Train as shipped, with quick learners of the same families."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "FAMILIES", small.QUICK)
        patch.setattr(learning, "CARDS_TIMED", 10)
        return train(str(dataset), settings, **flags)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    dataset = tmp_path_factory.mktemp("data") / "world"
    Dataset(str(dataset)).append(world.results())
    settings = Settings(home=fresh_home(tmp_path_factory))
    return Home(settings, dataset, quickly(dataset, settings))


def test_the_run_is_finished_and_holds_the_parameters_that_made_it(home: Home):
    run = home.tracking.client.get_run(home.trained.run_id)
    said, results = run.data.params, world.results()
    assert run.info.status == "FINISHED"
    assert said["seed"] == str(home.settings.seed)
    assert said["split.test_share"] == "0.2"
    assert said["features.version"] == feature_version()
    assert said["data.fingerprint"] == Dataset(str(home.dataset)).summary().fingerprint
    assert said["data.rows"] == str(len(results))
    assert said["members"].split(",") == list(home.trained.fitted.members)
    assert said["members.conditional_logit.penalty"] == "3000.0"
    assert int(said["members.win.trees"]) <= world.QUICK["trees"]
    assert len(said["git.commit"]) == 40 or said["git.commit"] == "unknown"
    assert {"aggregation.method", "calibration.method", "calibration.second", "git.dirty", "library.lightgbm"} <= set(
        said
    )
    assert said["aggregation.method"] == said["aggregation.model.method"] == "stacking"
    assert (said["aggregation.form.weights"], said["aggregation.model.weights"]) == ("fitted by log_loss", "shrunk")
    assert said["aggregation.form.objective"] == "log_loss"
    for period in ("train", "validation", "test"):
        assert int(said[f"split.{period}.races"]) == getattr(home.trained.fitted.split, period).sum()
        assert said[f"split.{period}.first_date"] <= said[f"split.{period}.last_date"]


def test_the_run_holds_performance_data_quality_ensemble_and_speed(home: Home):
    found = home.tracking.client.get_run(home.trained.run_id).data.metrics
    for who in ("model", "form", "market", *(f"members.{name}" for name in MEMBERS)):
        assert NAMED | {"top1", "brier"} <= {name.split(".")[-1] for name in found if name.startswith(f"test.{who}.")}
    assert found["test.model.ndcg_at_3"] == home.trained.fitted.test.as_dict()["model"]["ndcg_at_3"]  # type: ignore[index]
    assert found["test.races"] == home.trained.fitted.test.races
    assert 0.5 < found["data.feature_completeness"] <= 1.0
    assert 0.0 <= found["data.outlier_percentage"] < 20.0
    assert found["data.races"] == world.RACES
    assert 0.0 < found["ensemble.form.agreement"] < 1.0
    assert {f"ensemble.form.weight.{name}" for name in SHIPPED.form.members} <= set(found)
    followed = [found[f"ensemble.model.weight.{name}"] for name in SHIPPED.market.members]
    assert sum(followed) == pytest.approx(1.0)
    for ensemble, pool in (("form", SHIPPED.form), ("model", SHIPPED.market)):
        assert 0.0 < found[f"ensemble.{ensemble}.top_agreement"] <= 1.0
        assert found[f"ensemble.{ensemble}.temperature"] == 1.0
        brings = home.trained.fitted.chemistry[ensemble].contribution
        assert set(brings) == set(pool.members)
        for name, brought in brings.items():
            assert found[f"ensemble.{ensemble}.contribution.{name}.log_loss"] == brought.log_loss
            assert found[f"ensemble.{ensemble}.contribution.{name}.ndcg_at_3"] == brought.ndcg_at_3
    assert 0.0 < found["inference.latency_ms_p50"] <= found["inference.latency_ms_p95"]
    assert found["inference.latency_ms_p95"] <= found["inference.latency_ms_p99"]
    assert min(found[f"inference.{name}"] for name in ("throughput", "load_seconds", "package_mb")) > 0.0
    assert min(found["training.seconds"], found["training.peak_memory_mb"]) > 0.0
    assert all(found[f"training.{name}.seconds"] > 0.0 for name in home.trained.fitted.members)
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("member", ["lambdarank", "win", "race_softmax"])
def test_the_curve_of_a_member_is_recorded_at_its_own_steps(home: Home, member: str):
    client, curve = home.tracking.client, home.trained.fitted.watched[member].curve
    told = client.get_metric_history(home.trained.run_id, f"training.{member}.validation_loss")
    assert [(m.step, m.value) for m in told] == list(zip(curve.steps, curve.loss, strict=True))
    told = client.get_metric_history(home.trained.run_id, f"training.{member}.loss")
    assert [(m.step, m.value) for m in told] == list(zip(curve.steps, curve.training, strict=True))
    metrics = client.get_run(home.trained.run_id).data.metrics
    best = curve.steps[int(np.argmin(curve.loss))]
    assert metrics[f"training.{member}.best_iteration"] == best
    assert metrics[f"training.{member}.converged"] == (best < max(curve.steps))
    reached = home.trained.fitted.validation[member]
    assert metrics[f"training.{member}.validation_accuracy"] == reached.top1
    assert metrics[f"training.{member}.validation_ndcg_at_3"] == reached.ndcg_at_3


def test_report_and_importance_are_kept_under_the_run(home: Home, tmp_path: Path):
    client = home.tracking.client
    assert {f.path for f in client.list_artifacts(home.trained.run_id)} >= {"report.json", "importance.json"}
    report = json.loads(Path(client.download_artifacts(home.trained.run_id, "report.json", str(tmp_path))).read_text())
    assert report["test"]["races"] == home.trained.fitted.test.races
    assert report["test"]["model"] == home.trained.fitted.test.as_dict()["model"]


def test_the_document_has_the_fields_that_are_promised(home: Home):
    told = json.loads(json.dumps(home.trained.as_dict()))
    assert told["model_version"] == 1
    assert told["seconds"] > 0
    assert told["peak_memory_mb"] > 0
    test = told["test"]
    assert test["races"] > 0
    assert test["first_date"] < test["last_date"]
    assert set(test["members"]) == MEMBERS
    for report in (test["model"], test["form"], test["market"], *test["members"].values()):
        assert set(report) >= NAMED
        assert all(math.isfinite(report[name]) for name in NAMED)


def test_the_first_model_goes_into_service_with_what_it_is_made_of(home: Home):
    version = resolve(home.tracking, "production")
    assert version.number == 1
    assert version.run_id == home.trained.run_id
    assert version.facts is not None
    assert set(version.facts.families) == MEMBERS
    assert version.facts.features == feature_version()
    assert version.metrics["test.model.ndcg_at_3"] > 0.3


def test_the_saved_model_knows_the_form_up_to_the_last_race(home: Home):
    about, split, dates = home.model().about, home.trained.fitted.split, world.history().dates
    assert about.trained_through == str(dates[split.validation].max())
    assert about.state_through == str(dates.max())
    assert about.first_date == str(dates.min())
    assert about.races == (split.train | split.validation).sum()
    assert about.test["races"] == home.trained.fitted.test.races


def test_mlflow_alone_loads_the_model_and_gets_the_same_answer(home: Home):
    import mlflow

    cards = list(small.cards(2))
    with quiet():
        mlflow.set_tracking_uri(home.tracking.uri)
        try:
            loaded = mlflow.pyfunc.load_model(home.trained.version.uri)
            told = loaded.predict(pd.DataFrame(rows_of(cards)))
        finally:
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    expected = [r.win for answer in home.model().predict(cards) for r in answer.runners]
    assert told["win"].tolist() == expected


def test_races_after_the_training_are_judged_and_they_alone(home: Home):
    told = evaluate(str(home.dataset), home.model(), home.settings)
    assert told["trained_through"] == home.model().about.trained_through
    assert told["test"] == home.trained.fitted.test.as_dict()


def test_a_dataset_that_ends_before_the_training_did_has_nothing_to_judge(home: Home, tmp_path: Path):
    results = world.results()
    Dataset(str(tmp_path / "early")).append(results[results["date"] < results["date"].quantile(0.5)])
    with pytest.raises(NotEnoughData, match=r"no race after the model's training.*next: ingest later results"):
        evaluate(str(tmp_path / "early"), home.model(), home.settings)


def test_the_second_model_waits_as_candidate_and_equals_the_first_on_the_same_data(home: Home):
    second = quickly(home.dataset, home.settings)
    assert second.version.number == 2
    assert {"candidate"} <= set(second.version.aliases)
    assert "production" not in second.version.aliases
    assert resolve(home.tracking, "production").number == 1
    assert second.fitted.test == home.trained.fitted.test
    assert [v.number for v in versions(home.tracking)] == [1, 2]


def test_no_dataset_is_refused_before_anything_is_recorded(home: Home, tmp_path: Path):
    runs = len(home.tracking.client.search_runs([home.tracking.experiment_id]))
    with pytest.raises(NoSuchDataset):
        train(str(tmp_path / "nowhere"), home.settings)
    assert len(home.tracking.client.search_runs([home.tracking.experiment_id])) == runs


def test_too_small_a_history_fails_the_run_and_registers_nothing(home: Home, tmp_path: Path):
    results, known = world.results(), len(versions(home.tracking))
    Dataset(str(tmp_path / "small")).append(results[results["date"] < results["date"].quantile(0.1)])
    with pytest.raises(NotEnoughData, match="period"):
        train(str(tmp_path / "small"), home.settings)
    last = home.tracking.client.search_runs([home.tracking.experiment_id], order_by=["start_time DESC"])[0]
    assert last.info.status == "FAILED"
    assert "NotEnoughData" in last.data.tags["failure"]
    assert len(versions(home.tracking)) == known


def test_a_tracking_server_that_does_not_answer_is_told_before_anything_is_fitted(home: Home):
    gone = Settings(home=home.settings.home, tracking={"uri": "http://127.0.0.1:9"})
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        quickly(home.dataset, gone)


def test_the_run_shows_what_its_probabilities_meant_before_and_after_calibration(home: Home, tmp_path: Path):
    client, run_id = home.tracking.client, home.trained.run_id
    said, found = client.get_run(run_id).data.params, client.get_run(run_id).data.metrics
    told = home.trained.as_dict()["calibration"]
    assert set(told) == {"form", "model"}
    assert said["calibration.method"] == told["model"]["method"]
    assert said["calibration.form_method"] == told["form"]["method"]
    for who in told:
        assert found[f"test.{who}.ece_uncalibrated"] == pytest.approx(told[who]["ece_before"])
        assert found[f"test.{who}.ece"] == pytest.approx(told[who]["ece"])
    kept = json.loads(Path(client.download_artifacts(run_id, "reliability.json", str(tmp_path))).read_text())
    assert kept["calibration"]["model"]["kind"] == told["model"]["method"]
    assert sum(b["runners"] for b in kept["test"]["model"]["after"]) > 0
    page = Path(client.download_artifacts(run_id, "reliability.html", str(tmp_path))).read_text()
    assert page.startswith("<!doctype html>")
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_model_keeps_the_overround_and_the_calibration_it_was_trained_with(
    home: Home, tmp_path_factory: pytest.TempPathFactory
):
    settings = Settings(
        home=fresh_home(tmp_path_factory),
        market=MarketPolicy(overround="shin"),
        calibration=CalibrationPolicy(method="power"),
    )
    other = Home(settings, home.dataset, quickly(home.dataset, settings))
    model = other.model()
    assert model.about.overround == "shin"
    assert {c.as_dict()["kind"] for c in model.calibration.values()} == {"power"}
    assert other.tracking.client.get_run(other.trained.run_id).data.params["features.overround"] == "shin"
    assert other.trained.fitted.test.market != home.trained.fitted.test.market
    plain = evaluate(str(home.dataset), model, Settings())
    asked = evaluate(str(home.dataset), model, settings)
    assert plain == asked, "the model decides, not the settings of the day"
