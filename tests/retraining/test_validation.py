"""When a candidate passes, fails, or nobody can tell: every rule by itself, with its cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oracle.retraining.validation import Evidence, PoolRaces, Verdict, validate
from oracle.settings import CandidatePolicy, EvaluationPolicy

POLICY, EVALUATION = CandidatePolicy(), EvaluationPolicy(resamples=200)
BIRDS = {"constant": True, "random": True, "shuffled": True}


def races(count: int = 600, *, gain: float = 0.0, noise: float = 0.05, seed: int = 1, **changes: Any) -> PoolRaces:
    """Return races, ten a meeting, in which the candidate is so much better in NDCG@3 and in log-loss."""
    chance = np.random.default_rng(seed)
    ndcg, loss = chance.random(count), 1.5 + chance.random(count)
    told: dict[str, Any] = {
        "pool": "form",
        "production_ndcg": ndcg,
        "candidate_ndcg": ndcg + gain + noise * chance.standard_normal(count),
        "production_loss": loss,
        "candidate_loss": loss - gain + noise * chance.standard_normal(count),
        "meeting": np.array([f"m{i // 10}" for i in range(count)], dtype=object),
        "slices": {"course": np.array([f"c{i % 3}" for i in range(count)], dtype=object)},
        "production_ece": 0.02,
        "candidate_ece": 0.02,
    }
    return PoolRaces(**told | changes)


def judged(*pools: PoolRaces, policy: CandidatePolicy = POLICY, **changes: Any) -> Verdict:
    told: dict[str, Any] = {"canaries": BIRDS, "production_ms": 4.0, "candidate_ms": 5.0}
    return validate(Evidence(pools, **told | changes), policy, EVALUATION, seed=7)


def ruled(verdict: Verdict, rule: str) -> str:
    return next(r.outcome for r in verdict.rulings if r.rule == rule)


def test_a_better_candidate_passes_and_the_cause_says_by_how_much() -> None:
    verdict = judged(races(gain=0.02))
    assert verdict.outcome == "pass"
    assert verdict.causes[0].startswith("improvement (form): log-loss -0.0")
    assert verdict.measured["form"]["races"] == 600
    assert verdict.as_dict()["rules"][0] == {
        "rule": "canaries",
        "outcome": "pass",
        "cause": "constant, random, shuffled score like chance",
        "observed": "constant, random, shuffled score like chance",
        "required": "all score like chance",
    }
    assert all(rule["observed"] is not None and rule["required"] for rule in verdict.as_dict()["rules"])


def test_a_candidate_that_is_surely_worse_fails() -> None:
    verdict = judged(races(gain=-0.03))
    assert verdict.outcome == "fail"
    assert {ruled(verdict, "NDCG@3 (form)"), ruled(verdict, "log-loss (form)")} == {"fail"}
    assert "surely worse" in verdict.causes[0]


def test_where_it_may_be_worse_by_more_than_the_margin_nobody_can_tell() -> None:
    verdict = judged(races(150, gain=0.001, noise=0.6))
    assert verdict.outcome == "not enough evidence"
    assert any("may be worse" in cause for cause in verdict.causes)


@pytest.mark.parametrize("count", [0, 40])
def test_too_few_races_are_no_verdict_on_the_candidate(count: int) -> None:
    verdict = judged(races(count))
    assert verdict.outcome == "not enough evidence"
    assert verdict.causes == (f"races (form): {count} of 100 races in {count // 10} of 10 meetings",)


def test_no_race_at_all_is_said_as_such() -> None:
    assert judged().outcome == "not enough evidence"


def test_every_pool_that_is_served_has_to_pass() -> None:
    verdict = judged(races(gain=0.02), races(gain=-0.03, pool="market"))
    assert verdict.outcome == "fail"
    assert ruled(verdict, "improvement (form)") == "pass"


def test_a_likely_improvement_may_not_be_a_sure_one() -> None:
    sure, seen = CandidatePolicy(improvement="sure"), races(200, gain=0.006, noise=0.1, seed=4)
    assert judged(seen).outcome == "pass"
    assert ruled(judged(seen, policy=sure), "improvement (form)") == "not enough evidence"
    assert judged(races(gain=0.02), policy=sure).outcome == "pass"


def test_a_slice_that_surely_loses_fails_the_whole_and_is_named() -> None:
    seen = races(gain=0.2)
    worse = seen.candidate_loss + np.where(seen.slices["course"] == "c1", 0.4, 0.0)
    verdict = judged(replace(seen, candidate_loss=worse))
    assert verdict.outcome == "fail"
    assert "course c1 loses +0.2" in verdict.causes[0]


def test_slices_of_an_equal_candidate_are_seldom_called_worse() -> None:
    def alarms(seed: int) -> bool:
        label = np.random.default_rng(seed).integers(0, 6, 600)
        slices = {"course": np.array([f"c{i}" for i in label], dtype=object)}
        seen = races(noise=0.3, seed=seed, slices=slices)
        return ruled(judged(seen, policy=CandidatePolicy(slice_margin=0.0)), "slices (form)") == "fail"

    assert sum(alarms(seed) for seed in range(40)) <= 5


def test_calibration_is_held_against_productions_own_and_a_floor() -> None:
    assert ruled(judged(races(candidate_ece=0.049)), "calibration (form)") == "pass"
    assert ruled(judged(races(candidate_ece=0.07)), "calibration (form)") == "fail"
    assert ruled(judged(races(candidate_ece=0.07, production_ece=0.065)), "calibration (form)") == "pass"


def test_a_canary_that_knows_something_and_a_slow_answer_fail_whatever_the_races_say() -> None:
    assert judged(races(gain=0.02), canaries={**BIRDS, "shuffled": False}).outcome == "fail"
    assert judged(races(gain=0.02), canaries={}).outcome == "not enough evidence"
    slow = judged(races(gain=0.02), candidate_ms=250.0)
    assert slow.outcome == "fail"
    assert "95% of cards in 250.0 ms" in slow.causes[0]
