"""Two versions on past races: which races are fair, what is read of them, and what follows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle.data.dataset import Dataset
from oracle.data.simulate import simulate
from oracle.ensemble.about import About
from oracle.errors import NotEnoughData
from oracle.experiment import replay
from oracle.experiment.replay import by_country, judged, measured, sizes
from oracle.experiment.trial import Hindsight, begin, trial
from oracle.features.matrix import RaceMatrix
from oracle.ranking.races import Bools, Floats, softmax
from oracle.settings import EvaluationPolicy, ExperimentPolicy, GuardrailPolicy
from tests.features.conftest import VILLAGE

POLICY = EvaluationPolicy()
FAIR = "2015-04-30"
"""Through which the invented models are trained."""


def trained(day: str = FAIR, **more: str) -> About:
    return About(trained_through=day, first_date="2015-01-03", **more)


@dataclass(frozen=True)
class Judge:
    """A model that scores as it is told."""

    score: Callable[[RaceMatrix], Floats]
    about: About = field(default_factory=trained)

    def priced(self, races: RaceMatrix) -> tuple[Floats, Floats, Bools]:
        score = self.score(races)
        return score, softmax(score, races.offsets), np.isfinite(races.market[races.offsets[:-1]])


def by_market(races: RaceMatrix) -> Floats:
    return np.where(np.isnan(races.market), 0.0, np.log(np.maximum(races.market, 1e-6)))


def by_result(races: RaceMatrix) -> Floats:
    return -np.nan_to_num(races.position, nan=99.0)


def by_form(races: RaceMatrix) -> Floats:
    recent = next(at for at, name in enumerate(races.names) if "recent" in name and "finish" in name)
    return np.nan_to_num(races.values[:, recent].astype(np.float64))


@cache
def table() -> pd.DataFrame:
    return pd.concat([block.runners for block in simulate(400, seed=9, policy=VILLAGE)], ignore_index=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("replay") / "races"
    Dataset(str(path)).append(table())
    return str(path)


def test_the_first_fair_date_lies_after_the_training_of_both() -> None:
    assert begin(None, trained("2015-02-01"), trained("2015-02-10")) == dt.date(2015, 2, 11)
    assert begin(dt.date(2015, 3, 1), trained("2015-02-01"), trained("2015-02-10")) == dt.date(2015, 3, 1)


@pytest.mark.parametrize("since", ["2015-02-10", "2015-01-01"])
def test_races_that_a_model_was_trained_on_are_refused_with_the_date_from_which_they_are_fair(since: str) -> None:
    with pytest.raises(Hindsight) as caught:
        begin(dt.date.fromisoformat(since), trained("2015-02-01"), trained("2015-02-10"))
    assert caught.value.exit_code == 3
    assert "2015-02-11" in str(caught.value)


def test_a_dataset_that_ends_before_the_training_does_is_refused(data: str) -> None:
    late = Judge(by_market, trained("2030-01-01"))
    with pytest.raises(Hindsight, match="2030-01-02 and later"):
        trial(data, late, late, POLICY)


def test_a_period_without_a_race_that_counts_is_too_little(data: str) -> None:
    mute = Judge(lambda races: np.full(len(races.position), np.nan))
    with pytest.raises(NotEnoughData, match="score of both versions"):
        trial(data, Judge(by_market), mute, POLICY)


def test_only_races_of_the_period_count_and_what_happens_after_it_changes_nothing(data: str, tmp_path: Path) -> None:
    one, other, until = Judge(by_market), Judge(by_form), dt.date(2015, 6, 1)
    whole = trial(data, one, other, POLICY, until=until)
    assert dt.datetime.fromtimestamp(whole.races.known_at.min(), dt.UTC).date() >= dt.date(2015, 5, 1)
    assert dt.datetime.fromtimestamp(whole.races.known_at.max(), dt.UTC).date() <= until
    Dataset(str(tmp_path / "cut")).append(table()[table()["date"] <= pd.Timestamp(until)])
    cut = trial(str(tmp_path / "cut"), one, other, POLICY)
    assert cut.races.race_key.tolist() == whole.races.race_key.tolist()
    assert cut.races.treatment.tobytes() == whole.races.treatment.tobytes()
    assert cut.races.treatment_loss.tobytes() == whole.races.treatment_loss.tobytes()


def test_the_same_version_twice_differs_nowhere_and_needs_no_test(data: str) -> None:
    found = trial(data, Judge(by_market), Judge(by_market), POLICY)
    numbers = measured(found.races)
    assert (numbers["decisive"], numbers["difference"]) == (0, 0.0)
    assert numbers["rho"] == pytest.approx(1.0)
    assert sizes(numbers, ExperimentPolicy()) is None
    plan, challenge = judged(found, ("1", "1"), ExperimentPolicy(), GuardrailPolicy())
    assert plan.mode == "aa"
    assert challenge.verdict.decision == "continue"


def test_a_version_that_is_surely_better_is_to_be_shipped_and_one_that_is_worse_is_not(data: str) -> None:
    better = trial(data, Judge(by_form), Judge(by_result), POLICY)
    assert judged(better, ("1", "2"), ExperimentPolicy(), GuardrailPolicy())[1].verdict.decision == "ship"
    worse = trial(data, Judge(by_result), Judge(by_form), POLICY)
    assert judged(worse, ("1", "2"), ExperimentPolicy(), GuardrailPolicy())[1].verdict.decision == "stop"


def test_the_more_alike_two_versions_are_the_fewer_races_a_live_test_takes(data: str) -> None:
    alike = Judge(lambda races: by_market(races) + 0.02 * by_form(races))
    near, far = (trial(data, Judge(by_market), other, POLICY) for other in (alike, Judge(by_form)))
    one, other = (sizes(measured(found.races), ExperimentPolicy()) for found in (near, far))
    assert one is not None
    assert other is not None
    assert one["paired"] < other["paired"] < other["unpaired"]


def test_bounds_are_tuned_by_races_before_the_trial_alone(data: str) -> None:
    found = trial(data, Judge(by_market), Judge(by_form), POLICY)
    plan, _ = judged(found, ("1", "2"), ExperimentPolicy(), GuardrailPolicy())
    assert len(found.before) >= replay.FEWEST
    assert found.before.known_at.max() < found.races.known_at.min()
    assert plan.rho == pytest.approx(found.before.rho)
    assert plan.mean == pytest.approx(found.races.control.mean())


def test_what_was_measured_in_the_countries_adds_up(data: str) -> None:
    found = trial(data, Judge(by_market), Judge(by_form), POLICY)
    parts = by_country(found)
    assert sum(part["races"] for part in parts.values()) == len(found.races)
    total = sum(part["races"] * part["difference"] for part in parts.values()) / len(found.races)
    assert total == pytest.approx(measured(found.races)["difference"])


def test_without_odds_no_race_is_answered_by_the_market(data: str) -> None:
    def priced(races: RaceMatrix) -> Floats:
        return np.where(np.isnan(races.market), by_form(races), by_market(races))

    assert trial(data, Judge(priced), Judge(by_form), POLICY, odds=False).races.decisive.sum() == 0


def test_a_dataset_that_begins_after_a_models_history_is_said_to_give_a_thinner_form(data: str, tmp_path: Path) -> None:
    def notes(path: str) -> tuple[str, ...]:
        return trial(path, Judge(by_market), Judge(by_market), POLICY).notes

    assert notes(data) == ()
    Dataset(str(tmp_path / "late")).append(table()[table()["date"] >= pd.Timestamp("2015-01-20")])
    assert "thinner form" in notes(str(tmp_path / "late"))[0]


def test_models_that_take_out_the_margin_differently_are_each_read_their_own_way(data: str) -> None:
    found = trial(data, Judge(by_market), Judge(by_market, trained(overround="power")), POLICY)
    assert (found.races.control_loss != found.races.treatment_loss).any()
