"""What the shipped training reaches on the real races of three countries, and what it costs."""

from __future__ import annotations

import json
import sys

import pytest

from tests.training.commands import oracle
from tests.training.real import RealTraining

pytestmark = pytest.mark.realdata

TEN_MINUTES = 600
SIX_GB = 6 * 1024


@pytest.fixture(scope="session", params=["hkjc", "netkeiba", "racingpost"])
def training(request: pytest.FixtureRequest) -> RealTraining:
    found: RealTraining = request.getfixturevalue(
        {"hkjc": "hong_kong", "netkeiba": "japan", "racingpost": "ireland"}[request.param]
    )
    sys.stderr.write(f"\n{request.param}: {json.dumps(found.document)}\n")  # the figures of docs/models.md
    return found


def test_form_alone_ranks_hong_kong_far_better_than_chance(hong_kong: RealTraining):
    form = hong_kong.document["test"]["form"]
    assert form["ndcg_at_3"] >= 0.455
    assert form["pseudo_r2"] >= 0.13


def test_form_alone_ranks_japan_far_better_than_chance(japan: RealTraining):
    assert japan.document["test"]["form"]["ndcg_at_3"] >= 0.495


def test_the_model_ranks_as_the_market_does_and_its_probabilities_are_better(training: RealTraining):
    test = training.document["test"]
    assert test["model"]["ndcg_at_3"] >= test["market"]["ndcg_at_3"] - 0.004
    assert test["model"]["pseudo_r2"] > test["market"]["pseudo_r2"]


def test_the_gain_over_the_market_is_told_with_its_interval_and_is_no_leak(training: RealTraining):
    test, honesty = training.document["test"], training.document["honesty"]
    gain = honesty["gain_over_market"]
    assert gain["pseudo_r2"] == pytest.approx(test["model"]["pseudo_r2"] - test["market"]["pseudo_r2"], abs=1e-6)
    assert gain["low"] < gain["pseudo_r2"] < gain["high"] < 0.005
    assert honesty["score_to_ceiling"] < 1.0
    assert honesty["suspects"] == []


def test_nothing_ranks_real_races_so_well_that_it_must_have_seen_the_result(training: RealTraining):
    test = training.document["test"]
    assert all(report["ndcg_at_3"] < 0.65 for report in (test["model"], test["form"], *test["members"].values()))


def test_probabilities_mean_what_they_say_on_dates_nobody_learned_from(training: RealTraining):
    test = training.document["test"]
    assert test["model"]["ece"] < 0.01
    assert test["form"]["ece"] < 0.01


def test_training_stays_within_ten_minutes_and_six_gigabytes(training: RealTraining):
    assert training.seconds < TEN_MINUTES
    assert training.document["peak_memory_mb"] < SIX_GB


def test_the_registered_model_judged_again_on_the_same_dates_gives_the_same_figures(hong_kong: RealTraining):
    again = oracle(hong_kong.home, "evaluate", "--data", hong_kong.dataset, "--json")
    assert again.code == 0, again.err
    assert again.document["test"] == hong_kong.document["test"]
