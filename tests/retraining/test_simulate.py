"""A policy played over a small invented past: what it counts, and that nothing is known before it is run."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from oracle.data.dataset import Summary
from oracle.ensemble.recipe import Member, Pool, Recipe
from oracle.errors import BadInput, NotEnoughData
from oracle.models import families
from oracle.retraining.simulate import Plan, play
from oracle.settings import DriftPolicy, EvaluationPolicy, RetrainingPolicy, Settings, SplitPolicy
from oracle.training.history import History
from tests.ensemble import small
from tests.models import world

NAMES = ("conditional_logit", "market", "market_power")
RECIPE = Recipe({n: Member(n) for n in NAMES}, Pool(("conditional_logit",)), Pool(("market_power",)))
PLAN = Plan(first=dt.date(2015, 3, 20), every_days=21, window_days=30, holdout_days=20, test_days=3, recipe=RECIPE)
SETTINGS = Settings(
    split=SplitPolicy(validation_share=0.35),
    evaluation=EvaluationPolicy(resamples=100),
    drift=DriftPolicy(min_races=20, min_clusters=2),
    retraining=RetrainingPolicy(on=(), every_days=20.0, min_new_races=0, cooldown_days=5.0),
)


@cache
def history() -> History:
    races = world.thinned()
    summary = Summary.__new__(Summary)
    return History("world", summary, world.results(), races, world.state())


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "FAMILIES", small.QUICK)
        return play(history(), PLAN, SETTINGS)


def test_it_says_how_often_the_policy_fires_and_why(played: dict[str, Any]):
    dates = [dt.date.fromisoformat(entry["date"]) for entry in played["log"]]
    assert played["retrainings"] == len(dates) >= 2
    assert played["fired_by"] == {"schedule": len(dates)}
    assert all((b - a).days >= 20 for a, b in pairwise(dates))
    assert sum(played["decisions"].values()) == played["looks"]
    assert set(played["alarms_by_kind"]) == {"data", "prediction", "concept", "outcome"}


def test_the_years_add_up_and_gains_have_their_intervals(played: dict[str, Any]):
    years = played["by_year"].values()
    assert sum(y["races"] for y in years) == played["all"]["races"] <= played["races"]
    assert sum(y["retrainings"] for y in years) == played["retrainings"]
    for gain in (*played["all"]["ndcg_at_3_gain"].values(), *played["all"]["log_loss_gain"].values()):
        assert gain["low"] <= gain["mean"] <= gain["high"]
    means = played["all"]["log_loss"]
    assert played["all"]["log_loss_gain"]["frozen"]["mean"] == pytest.approx(means["frozen"] - means["maintained"])


def test_the_future_changes_nothing_that_was_decided_before_it(played: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(families, "FAMILIES", small.QUICK)
    whole = history()
    day = dt.date.fromisoformat(played["log"][1]["date"])
    later = np.repeat(whole.matrix.dates >= np.datetime64(day), whole.matrix.sizes)
    position = np.where(later, whole.matrix.position[::-1], whole.matrix.position)
    other = replace(whole, matrix=replace(whole.matrix, position=position))
    again = play(other, replace(PLAN, last=day), SETTINGS)
    assert again["log"][0] == played["log"][0]


def test_a_policy_that_never_fires_gains_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(families, "FAMILIES", small.QUICK)
    never = SETTINGS.model_copy(update={"retraining": RetrainingPolicy(on=())})
    found = play(history(), PLAN, never)
    assert (found["retrainings"], found["promoted"], found["fired_by"]) == (0, 0, {})
    assert found["all"]["ndcg_at_3_gain"]["frozen"]["mean"] == 0.0


def test_what_cannot_be_played_is_refused():
    with pytest.raises(BadInput, match="every days"):
        Plan(every_days=0)
    with pytest.raises(BadInput, match="ensemble"):
        Plan(pool="odds")
    with pytest.raises(NotEnoughData, match="too few race dates"):
        play(history(), replace(PLAN, first=dt.date(1999, 1, 1)), SETTINGS)
