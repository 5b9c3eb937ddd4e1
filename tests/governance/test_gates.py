"""Named gates: what each saw, what it wants, and the three things that follow."""

from __future__ import annotations

import dataclasses

import pytest

from oracle.governance.evidence import Subject
from oracle.governance.gates import OF_A_POOL, OF_ALL, PromotionPolicy, judge
from tests.governance.measured import validation

SUBJECT = Subject(
    "horses", 2, "v1.0.1", "run2", "f" * 64, "d", "form@1", "c", "FINISHED", {"test.model.ndcg_at_3": 0.5}
)
SERVING = Subject("horses", 1, "v1.0.0", "run1", "e" * 64, "d", "form@1", "c", "FINISHED")
POLICY = PromotionPolicy()


def outcome(measured: dict[str, object], policy: PromotionPolicy = POLICY, subject: Subject = SUBJECT) -> str:
    return judge(subject, SERVING, measured, policy).outcome


def test_a_version_that_passes_everything_is_promoted_and_every_gate_says_what_it_saw() -> None:
    verdict = judge(SUBJECT, SERVING, {"validation": validation()}, POLICY)
    assert verdict.outcome == "promote"
    assert all(finding.required for finding in verdict.findings)
    names = {finding.gate for finding in verdict.findings}
    assert names >= {"package", "run", "data", "floor", "measured on", *OF_ALL, *(f"{r} (form)" for r in OF_A_POOL)}


def test_what_nobody_compared_is_undecided() -> None:
    verdict = judge(SUBJECT, SERVING, {}, POLICY)
    assert (verdict.outcome, verdict.causes) == (
        "undecided",
        ("comparison: nothing; required: both versions on races that neither learned from",),
    )


def test_where_nothing_serves_there_is_nothing_to_be_compared_with() -> None:
    assert judge(SUBJECT, None, {}, POLICY).outcome == "promote"


@pytest.mark.parametrize("rule", ["canaries", "latency", "NDCG@3", "log-loss", "improvement", "slices", "calibration"])
def test_one_rule_that_fails_refuses_whatever_the_others_say(rule: str) -> None:
    measured = {"validation": validation(**{rule: "fail"}), "live_ab": {"decision": "ship"}}
    assert outcome(measured) == "refuse"


def test_a_rule_that_could_not_tell_is_settled_by_a_paired_test_that_says_ship() -> None:
    thin = validation(races="not enough evidence")
    assert outcome({"validation": thin}) == "undecided"
    assert outcome({"validation": thin, "replay_ab": {"decision": "continue"}}) == "undecided"
    assert outcome({"validation": thin, "replay_ab": {"decision": "ship"}}) == "promote"
    assert outcome({"validation": thin, "live_ab": {"decision": "ship"}}) == "promote"


def test_the_live_test_outweighs_the_replay() -> None:
    measured = {"validation": validation(), "replay_ab": {"decision": "ship"}}
    assert outcome({**measured, "live_ab": {"decision": "stop"}}) == "refuse"
    assert outcome({**measured, "live_ab": {"decision": "none"}}) == "promote"


def test_a_replay_that_stops_refuses_only_where_it_shows_harm() -> None:
    stops = {"decision": "stop", "accuracy": {"high": 0.001}}
    assert outcome({"validation": validation(), "replay_ab": stops}) == "promote"
    stops["accuracy"] = {"high": -0.001}
    assert outcome({"validation": validation(), "replay_ab": stops}) == "refuse"


def test_where_better_is_wanted_no_harm_is_not_enough() -> None:
    policy = PromotionPolicy(evidence="better")
    assert outcome({"validation": validation()}, policy) == "undecided"
    assert outcome({"validation": validation(), "replay_ab": {"decision": "ship"}}, policy) == "promote"
    assert outcome({"validation": validation(), "replay_ab": {"decision": "stop"}}, policy) == "refuse"


def test_a_floor_holds_where_one_is_set() -> None:
    measured = {"validation": validation()}
    assert outcome(measured, PromotionPolicy(min_ndcg_at_3=0.51)) == "refuse"
    assert outcome(measured, PromotionPolicy(min_ndcg_at_3=0.5)) == "promote"
    assert (
        outcome(measured, PromotionPolicy(min_ndcg_at_3=0.5), dataclasses.replace(SUBJECT, metrics={})) == "undecided"
    )


@pytest.mark.parametrize("lost", ["package", "data"])
def test_a_version_without_a_proof_of_what_it_is_does_not_pass(lost: str) -> None:
    assert outcome({"validation": validation()}, subject=dataclasses.replace(SUBJECT, **{lost: None})) == "refuse"
    running = dataclasses.replace(SUBJECT, run_status="RUNNING")
    assert outcome({"validation": validation()}, subject=running) == "refuse"


def test_evidence_on_another_version_refuses() -> None:
    assert outcome({"validation": validation(production=7)}) == "refuse"


def test_a_validation_that_leaves_its_rules_out_proves_nothing() -> None:
    for forged in ({"outcome": "pass", "rules": [], "production": "1"}, {"outcome": "pass", "production": "1"}):
        assert outcome({"validation": forged}) == "undecided"
    partial = validation()
    partial["rules"] = [rule for rule in partial["rules"] if rule["rule"] != "log-loss (form)"]
    assert outcome({"validation": partial}) == "undecided"
    assert outcome({"validation": {**validation(), "pools": ["form", "market"]}}) == "undecided"
    assert outcome({"validation": "all well"}) == "undecided"


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        POLICY.approval = "four eyes"  # type: ignore[misc]
