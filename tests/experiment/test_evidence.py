from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oracle.experiment import conduct
from oracle.experiment.arms import Difference
from oracle.experiment.evidence import observed, paired_races
from oracle.experiment.plan import Plan
from oracle.experiment.sizing import NeverEnds
from oracle.settings import EvaluationPolicy
from oracle.store import Store
from tests.experiment.seen import START, after, plan
from tests.experiment.traffic import fill, off_of, prediction, result, scorings

POLICY = EvaluationPolicy()
NOW = after(40)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    kept = Store(f"sqlite:///{tmp_path / 'oracle.db'}")
    yield kept
    kept.close()


def running(store: Store, frozen: Plan | None = None) -> Plan:
    frozen = plan() if frozen is None else frozen
    conduct.begin(store, frozen, "anna")
    return frozen


def races_of(store: Store) -> tuple[int, int]:
    races, left_out, _ = paired_races(store, "3", "4", START, POLICY)
    return len(races), left_out


def test_a_race_with_a_result_that_both_versions_scored_is_one_pair(store: Store):
    both, order = scorings(0, np.random.default_rng(1))
    store.scorings.add(both)
    assert races_of(store) == (0, 0)
    store.results.add([result(0, order)])
    assert races_of(store) == (1, 0)
    races, _, ndcg = paired_races(store, "3", "4", START, POLICY)
    assert ndcg["r0"] == (races.control[0], races.treatment[0])
    assert races.meeting[0] == "Redmile 2026-06-01"


def test_a_race_that_one_version_did_not_score_is_none(store: Store):
    both, order = scorings(0, np.random.default_rng(1))
    store.scorings.add(both[:1])
    store.results.add([result(0, order)])
    assert races_of(store) == (0, 0)


def test_the_last_card_before_the_off_counts_and_none_after_it(store: Store):
    chance = np.random.default_rng(1)
    first, order = scorings(0, chance)
    late, _ = scorings(0, chance)
    after_the_off, _ = scorings(0, chance)
    store.scorings.add(first)
    store.scorings.add([replace(s, card_key="late", at=off_of(0) - dt.timedelta(minutes=1)) for s in late])
    store.scorings.add([replace(s, card_key="after", at=off_of(0) + dt.timedelta(minutes=1)) for s in after_the_off])
    store.results.add([result(0, order)])
    races, _, _ = paired_races(store, "3", "4", START, POLICY)
    store_of_late_alone = Store("sqlite://")
    store_of_late_alone.scorings.add(late)
    store_of_late_alone.results.add([result(0, order)])
    alone, _, _ = paired_races(store_of_late_alone, "3", "4", START, POLICY)
    assert races.control.tolist() == alone.control.tolist()


def test_a_correction_counts_from_the_moment_the_race_first_became_known(store: Store):
    both, order = scorings(0, np.random.default_rng(1))
    store.scorings.add(both)
    store.results.add([result(0, order)])
    before, _, _ = paired_races(store, "3", "4", START, POLICY)
    swapped = [9 - place for place in order]
    store.results.add([result(0, swapped, received_at=off_of(0) + dt.timedelta(days=2))])
    corrected, _, _ = paired_races(store, "3", "4", START, POLICY)
    assert corrected.control.tolist() != before.control.tolist()
    assert corrected.known_at.tolist() == before.known_at.tolist()


def test_a_result_under_another_id_is_found_by_course_and_off(store: Store):
    both, order = scorings(0, np.random.default_rng(1))
    store.scorings.add(both)
    store.results.add([result(0, order, race_id="another", race_key="another")])
    assert races_of(store) == (1, 0)


def test_a_starter_that_was_not_on_the_card_leaves_the_race_out_and_a_withdrawn_one_does_not(store: Store):
    both, order = scorings(0, np.random.default_rng(1))
    store.scorings.add(both)
    told = result(0, [*order, 9])
    store.results.add([told])
    assert races_of(store) == (0, 1)
    store.results.add([result(0, order[:-1], received_at=off_of(0) + dt.timedelta(hours=1))])
    assert races_of(store) == (1, 0)


def test_too_few_finishers_leave_the_race_out(store: Store):
    both, _ = scorings(0, np.random.default_rng(1))
    store.scorings.add(both)
    store.results.add([result(0, [1, 2, 3, None, None, None, None, None])])
    assert races_of(store) == (0, 1)


def test_a_better_challenger_is_seen_in_traffic_and_users_are_compared(store: Store):
    frozen = running(store)
    fill(store, races=320, users=400, better=0.5)
    [challenge] = conduct.standing(store, conduct.find(store, None), POLICY, NOW).challenges
    assert challenge.verdict.decision == "ship", challenge.verdict.causes
    assert challenge.seen.predictions == 400 * 320 // 5
    assert challenge.seen.foreign == 0
    assert len(challenge.seen.races) == 320
    [period] = challenge.seen.periods
    assert sum(period.counts) == 400
    clicks = challenge.verdict.arms["click"]
    assert isinstance(clicks, Difference)
    assert clicks.low < 0 < clicks.high
    assert isinstance(challenge.verdict.arms["accuracy"], Difference)
    assert frozen.fingerprint == conduct.find(store, "spring").fingerprint


def test_units_are_held_against_the_share_under_which_they_were_first_seen(store: Store):
    running(store)
    early = [prediction(i, 0, f"early-{i}", share=0.1) for i in range(300)]
    store.predictions.add(early)
    store.experiments.ramp("spring", (0.5,), "anna", "all is well", START + dt.timedelta(days=3))
    late = [prediction(1000 + i, 40, f"late-{i}", share=0.5) for i in range(300)]
    again = [prediction(2000 + i, 40, f"early-{i}", share=0.5) for i in range(300)]
    store.predictions.add([*late, *again])
    first, second = observed(store, plan(), "treatment", "4", POLICY).periods
    assert (first.shares, sum(first.counts)) == ((0.1,), 300)
    assert (second.shares, sum(second.counts)) == ((0.5,), 300)
    assert second.counts[1] > 2 * first.counts[1]


def test_a_challenger_that_fails_is_a_breach_within_the_latest_requests(store: Store):
    running(store)
    rows = [prediction(i, i % 8, f"u{i}", share=0.9) for i in range(400)]
    store.predictions.add(rows)
    experiment = conduct.find(store, None)
    guardian = conduct.Guardian(POLICY)
    assert guardian(store, experiment, NOW) is None
    failed = [
        replace(prediction(1000 + i, i % 8, f"u{i}", share=0.9), fallback="timeout", model_version="3")
        for i in range(100)
    ]
    store.predictions.add([row for row in failed if row.arm == "treatment"])
    assert "failures" in (guardian(store, experiment, NOW) or "")
    assert conduct.standing(store, experiment, POLICY, after(1)).alarming


def test_what_was_answered_by_a_third_version_is_counted_apart(store: Store):
    running(store)
    store.predictions.add([replace(prediction(1, 0, "u", share=0.0), model_version="9")])
    assert observed(store, plan(), "treatment", "4", POLICY).foreign == 1


def test_a_test_that_cannot_end_is_not_started(store: Store):
    with pytest.raises(NeverEnds):
        conduct.begin(store, plan(races_per_day=8.0), "anna")
    assert store.experiments.all() == []


def test_shipping_is_refused_unless_the_verdict_says_so(store: Store):
    running(store)
    experiment = conduct.find(store, None)
    told = {"reason": "we like it", "actor": "anna", "now": after(1)}
    with pytest.raises(conduct.NotShown) as refused:
        conduct.end(store, experiment, POLICY, shipped=True, **told)
    assert refused.value.exit_code == 3
    assert conduct.end(store, experiment, POLICY, **told).status == "stopped"


def test_users_split_anew_show_how_often_the_metrics_cry_wolf(store: Store):
    running(store)
    fill(store, races=40, users=300)
    found = conduct.split_anew(store, conduct.find(store, None), rounds=100, share=0.5, seed=1)
    assert found.metrics["click"].state == "fine"
    assert found.metrics["bet"].rate is None
    assert found.sound


def test_a_challenger_whose_chances_are_worse_is_a_breach_once_results_show_it(store: Store):
    frozen = running(store)
    guardian = conduct.Guardian(POLICY)
    experiment = conduct.find(store, None)
    assert guardian(store, experiment, NOW) is None
    fill(store, races=400, users=10, better=-1.5)
    assert "calibration" in (guardian(store, experiment, NOW) or "")
    told = conduct.running_ndcg(store, experiment, POLICY)
    assert told["treatment"] < told["control"]
    assert frozen.guardrails.max_log_loss_increase == 0.01
