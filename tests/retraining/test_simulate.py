"""A policy played over a small invented past: what it counts, and that nothing is known before it is run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from oracle.data.dataset import Summary
from oracle.drift.verdict import Report, Window
from oracle.drift.words import Part, Verdict
from oracle.ensemble.recipe import Member, Pool, Recipe
from oracle.errors import BadInput, NotEnoughData
from oracle.models import families
from oracle.ranking.races import Bools, Floats, softmax
from oracle.retraining.simulate import Plan, play
from oracle.settings import DriftPolicy, EvaluationPolicy, RetrainingPolicy, Settings, SplitPolicy
from oracle.training.history import History
from tests.ensemble import small
from tests.models import world

NAMES = ("conditional_logit", "market", "market_power")
RECIPE = Recipe({n: Member(n) for n in NAMES}, Pool(("conditional_logit",)), Pool(("market_power",)))
PLAN = Plan(first=dt.date(2015, 3, 1), every_days=7, window_days=30, holdout_days=20, test_days=3, recipe=RECIPE)
SETTINGS = Settings(
    split=SplitPolicy(validation_share=0.35),
    evaluation=EvaluationPolicy(resamples=100),
    drift=DriftPolicy(min_races=20, min_clusters=2),
    retraining=RetrainingPolicy(on=("concept",), min_new_races=0, cooldown_days=20.0),
)
DRIFTED = dt.date(2015, 4, 1)
"""From then on a model that was learned before it drifts."""


@cache
def history() -> History:
    return History("world", Summary.__new__(Summary), world.results(), world.thinned(), world.state())


@dataclass
class Oldster:
    """Knows the winners, and the later it was learned the better; asserts that it is never asked about its past."""

    name: str
    learned_at: dt.date
    holdout: Bools

    def answers(self, pool: str) -> bool:
        return pool == "form"

    def watch(self, history: History, mask: Bools, until: dt.date, pool: str) -> None:
        assert (history.matrix.dates[mask] >= np.datetime64(self.learned_at)).all()
        assert (history.matrix.dates[mask] < np.datetime64(until)).all()

    def drift(self, since: dt.date, pool: str, policy: DriftPolicy) -> Report:
        drifts = self.learned_at < DRIFTED <= since + dt.timedelta(days=PLAN.window_days)
        part = Part(Verdict.DRIFT if drifts else Verdict.NO_DRIFT, "NDCG@3 fell" if drifts else "it did not fall")
        nothing = Window(0, 0, 0, None, None)
        parts = {kind: part for kind in ("data", "prediction", "concept", "outcome")}
        return Report(parts, {}, [], [], nothing, nothing, None, None)

    def win(self, history: History, mask: Bools, pool: str) -> Floats:
        part = history.matrix.take(mask)
        skill = 0.5 + (self.learned_at - dt.date(2015, 1, 1)).days / 100
        return softmax(np.where(part.position == 1, skill, 0.0), part.offsets)


def oldster(name: str, history: History, before: dt.date, plan: Plan, settings: Settings) -> Any:
    dates, day = history.matrix.dates, np.datetime64(before)
    held = (dates < day) & (dates >= day - np.timedelta64(plan.holdout_days, "D"))
    return Oldster(name, before, held)


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    return play(history(), PLAN, SETTINGS, learn=oldster)


def test_it_fires_once_after_the_drift_and_says_why(played: dict[str, Any]):
    (entry,) = played["log"]
    assert DRIFTED <= dt.date.fromisoformat(entry["date"]) < DRIFTED + dt.timedelta(days=7)
    assert entry["rules"] == ["concept_drift"]
    assert entry["promoted"]
    assert played["fired_by"] == {"concept_drift": 1}
    assert played["decisions"]["retrain"] == 1
    assert sum(played["decisions"].values()) == played["looks"]
    assert played["alarms_by_kind"]["concept"]["drift"] >= 1


def test_the_years_add_up_and_gains_have_their_intervals(played: dict[str, Any]):
    assert sum(y["races"] for y in played["by_year"].values()) == played["all"]["races"] <= played["races"]
    assert sum(y["retrainings"] for y in played["by_year"].values()) == played["retrainings"]
    for gain in (*played["all"]["ndcg_at_3_gain"].values(), *played["all"]["log_loss_gain"].values()):
        assert gain["low"] <= gain["mean"] <= gain["high"]
    means, gain = played["all"]["log_loss"], played["all"]["log_loss_gain"]["frozen"]
    assert gain["mean"] == pytest.approx(means["frozen"] - means["maintained"])
    assert gain["low"] > 0, "what was learned later knows more"


def test_a_schedule_is_kept_and_a_policy_that_never_fires_gains_nothing():
    policy = RetrainingPolicy(on=(), every_days=20.0, min_new_races=0, cooldown_days=5.0)
    due = play(history(), PLAN, SETTINGS.model_copy(update={"retraining": policy}), learn=oldster)
    dates = [dt.date.fromisoformat(entry["date"]) for entry in due["log"]]
    assert len(dates) >= 3
    assert all((b - a).days >= 20 for a, b in pairwise(dates))
    never = SETTINGS.model_copy(update={"retraining": RetrainingPolicy(on=())})
    found = play(history(), PLAN, never, learn=oldster)
    assert (found["retrainings"], found["promoted"], found["fired_by"]) == (0, 0, {})
    assert found["all"]["ndcg_at_3_gain"]["frozen"]["mean"] == 0.0


@pytest.mark.slow
def test_the_future_changes_nothing_that_was_decided_before_it(monkeypatch: pytest.MonkeyPatch):
    """With real trainings and real checks of drift, which take their seconds."""
    monkeypatch.setattr(families, "FAMILIES", small.QUICK)
    policy = RetrainingPolicy(on=(), every_days=20.0, min_new_races=0)
    settings, plan = SETTINGS.model_copy(update={"retraining": policy}), replace(PLAN, every_days=21)
    plan = replace(plan, first=dt.date(2015, 3, 20), last=dt.date(2015, 5, 20))
    before = play(history(), plan, settings)
    assert before["alarms_by_kind"]["data"], "drift was measured"
    day = dt.date.fromisoformat(before["log"][1]["date"])
    whole = history()
    later = np.repeat(whole.matrix.dates >= np.datetime64(day), whole.matrix.sizes)
    position = np.where(later, whole.matrix.position[::-1], whole.matrix.position)
    other = replace(whole, matrix=replace(whole.matrix, position=position))
    assert play(other, replace(plan, last=day), settings)["log"][0] == before["log"][0]


def test_what_cannot_be_played_is_refused():
    with pytest.raises(BadInput, match="every days"):
        Plan(every_days=0)
    with pytest.raises(BadInput, match="ensemble"):
        Plan(pool="odds")
    with pytest.raises(NotEnoughData, match="too few race dates"):
        play(history(), replace(PLAN, first=dt.date(1999, 1, 1)), SETTINGS, learn=oldster)
    with pytest.raises(BadInput, match="no race of the holdout"):
        play(history(), replace(PLAN, pool="market"), SETTINGS, learn=oldster)
