"""A walk forward judges each stretch by a model that knew nothing of it, and says what that is worth."""

from __future__ import annotations

import numpy as np
import pytest

from oracle.cli.train import evaluate as command
from oracle.data.dataset import Dataset
from oracle.errors import BadInput
from oracle.models import families
from oracle.progress import silent
from oracle.settings import Settings
from oracle.training.walk import walk
from tests.ensemble import small
from tests.models import world

pytestmark = pytest.mark.slow

SETTINGS = Settings()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("data") / "world")
    Dataset(folder).append(world.results())
    return folder


def test_each_test_race_is_judged_once_beside_the_market_and_the_gain_has_its_interval(
    dataset: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(families, "FAMILIES", small.QUICK)
    found = walk(dataset, 2, SETTINGS, silent)
    days = np.unique(world.history().dates)
    assert found["first_date"] == str(days[-round(0.2 * len(days))])
    assert found["last_date"] == str(days[-1])
    races = {found[who]["races"] for who in ("model", "form", "market")}
    assert len(races) == 1
    gain = found["gain_over_market"]
    assert gain["races"] == races.pop()
    assert gain["mean"] == pytest.approx(found["model"]["pseudo_r2"] - found["market"]["pseudo_r2"], abs=1e-9)
    assert gain["low"] <= gain["mean"] <= gain["high"]


@pytest.mark.parametrize("stretches", [0, -1, 51])
def test_an_impossible_number_of_stretches_is_refused_before_anything_is_trained(dataset: str, stretches: int):
    with pytest.raises(BadInput, match="number of stretches"):
        walk(dataset, stretches, SETTINGS, silent)


def test_a_registered_version_and_a_walk_are_two_questions():
    with pytest.raises(BadInput, match="trains its own models"):
        command(data="nowhere", model_version="1", walk_forward=2)
