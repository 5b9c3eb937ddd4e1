"""`oracle backtest` on a small world: only races after the training, one document, and bad plans refused at once."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oracle.cli.backtest import backtest as command
from oracle.data.dataset import Dataset
from oracle.ensemble.race_model import About, RaceModel
from oracle.errors import BadInput, NotEnoughData
from oracle.models import families
from oracle.ranking.pools import Pool
from oracle.settings import Settings
from oracle.staking.backtest import Bets
from oracle.staking.plan import Flat, FractionalKelly
from oracle.staking.replay import Purse
from oracle.staking.settle import Terms
from oracle.training.backtest import Staking, of_model, walking
from tests.ensemble import small
from tests.models import world
from tests.training.commands import environment

pytestmark = pytest.mark.slow

EVERYTHING = Staking(Flat(min_edge=-1.0), Bets(), Terms(), Purse())
SETTINGS = Settings()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("data") / "world")
    Dataset(folder).append(world.results())
    return folder


@pytest.fixture(scope="module")
def model() -> RaceModel:
    return small.model()


def test_every_race_after_the_training_is_replayed_and_none_before(dataset: str, model: RaceModel):
    found = of_model(dataset, model, EVERYTHING, SETTINGS)
    races = world.history()
    later = races.dates > np.datetime64(model.about.trained_through)
    assert found["races"] == later.sum()
    assert found["first_date"] > found["trained_through"] == model.about.trained_through
    assert found["bets"] == found["everybody"]["bets"] > 0
    assert found["evidence"]["verdict"] in {"loss", "not_enough_evidence"}
    assert any("final odds" in warning for warning in found["warnings"])
    json.dumps(found)


def test_a_model_that_learned_from_all_races_is_not_replayed_on_them(dataset: str, model: RaceModel):
    last = dataclasses.replace(model, about=About(trained_through=str(world.history().dates.max())))
    with pytest.raises(NotEnoughData, match="never replayed on races it was learned from"):
        of_model(dataset, last, EVERYTHING, SETTINGS)


@pytest.mark.parametrize("staking", [EVERYTHING, Staking(FractionalKelly(), Bets(), Terms(takeout=0.1), Purse(500.0))])
def test_the_same_seed_gives_the_same_document(dataset: str, model: RaceModel, staking: Staking):
    assert of_model(dataset, model, staking, SETTINGS) == of_model(dataset, model, staking, SETTINGS)


def test_place_bets_rest_on_the_discount_of_the_model(dataset: str, model: RaceModel):
    found = of_model(dataset, model, Staking(Flat(), Bets(Pool.PLACE, 0.2), Terms(), Purse()), SETTINGS)
    assert found["place_fraction"] == 0.2
    assert found["races"] > 0


def test_a_walk_forward_trains_before_each_stretch_and_replays_each_race_once(
    dataset: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(families, "FAMILIES", small.QUICK)
    monkeypatch.setattr("oracle.training.backtest.FOLDS", 2)
    found = walking(dataset, EVERYTHING, SETTINGS)
    first, second = found["trained"]
    races = world.history()
    assert found["races"] == (races.dates >= np.datetime64(first["predict_from"])).sum()
    assert first["learned_from"] == (races.dates < np.datetime64(first["predict_from"])).sum()
    assert second["learned_from"] == (races.dates < np.datetime64(second["predict_from"])).sum()
    assert found["bets"] == found["everybody"]["bets"]


@pytest.mark.usefixtures("oracle_home")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"plan": "martingale"}, "flat, kelly"),
        ({"plan": "kelly", "fraction": 0.0}, "above 0 and at most 1"),
        ({"plan": "kelly", "fraction": 2.0}, "above 0 and at most 1"),
        ({"plan": "flat", "takeout": 1.5}, "at least 0 and below 1"),
        ({"plan": "flat", "commission": 1.0}, "at least 0 and below 1"),
        ({"plan": "flat", "min_edge": float("nan")}, "at least -1 and at most 10"),
        ({"plan": "flat", "stake": -1.0}, "above 0"),
        ({"plan": "flat", "pool": "tierce"}, "win, place, quinella, exacta, trifecta"),
        ({"plan": "flat", "pool": "exacta"}, "win, place"),
        ({"plan": "kelly", "bankroll": 0.0}, "above 0"),
        ({"plan": "flat", "walk_forward": True, "model_version": "1"}, None),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_anything_is_read(options: dict[str, object], told: str | None):
    with pytest.raises(BadInput) as caught:
        command(data="nowhere", **options)  # type: ignore[arg-type]
    assert caught.value.allowed == told


def test_the_command_ends_with_2_and_one_sentence(tmp_path: Path):
    program = [sys.executable, "-c", "from oracle.cli.app import main; main()"]
    words = ["backtest", "--data", "nowhere", "--plan", "kelly", "--fraction", "2", "--json"]
    done = subprocess.run(
        [*program, *words], capture_output=True, text=True, check=False, env=environment(tmp_path), timeout=60
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["allowed"] == "above 0 and at most 1"
    [line] = done.stderr.splitlines()
    assert line.startswith("error: the fraction of Kelly is not possible; got 2.0; allowed: above 0 and at most 1")
