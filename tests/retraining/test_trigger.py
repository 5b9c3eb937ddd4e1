"""Whether to train anew: three answers, each with its cause, and laws that no sequence of evidence can break."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.retraining.evidence import parts_of
from oracle.retraining.trigger import (
    DRIFT,
    KINDS,
    NO_DRIFT,
    RULES,
    UNMEASURED,
    Decision,
    Evidence,
    Kind,
    Part,
    Past,
    decide,
)
from oracle.settings import RetrainingPolicy

NOW = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
POLICY = RetrainingPolicy()
QUIET = Evidence(
    model_version="7",
    drift={kind: Part(NO_DRIFT) for kind in KINDS},
    trained_at=NOW - 30 * DAY,
    new_races=500,
    latest="42",
)


def drifting(kind: Kind = "concept", evidence: Evidence = QUIET) -> Evidence:
    return replace(evidence, drift={**evidence.drift, kind: Part(DRIFT, "NDCG@3 fell by 4%")})


def rules(decision: Decision, says: str) -> list[str]:
    return [c.rule for c in decision.causes if c.says == says]


@pytest.mark.parametrize("kind", KINDS)
def test_drift_of_each_kind_starts_a_retraining_and_is_its_cause(kind: Kind):
    decision = decide(drifting(kind), POLICY, NOW)
    assert decision.decision == "retrain"
    assert [c.rule for c in decision.deciding] == [f"{kind}_drift"]
    assert "NDCG@3 fell by 4%" in decision.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_drift_that_the_policy_does_not_name_is_an_alarm_only(kind: Kind):
    policy = POLICY.model_copy(update={"on": tuple(k for k in KINDS if k != kind)})
    decision = decide(drifting(kind), policy, NOW)
    assert decision.decision == "ignore"
    assert "retraining.on does not name it" in decision.sentence


def test_data_drift_of_a_few_columns_is_an_alarm_only():
    """Prize money is raised and the going is the weather's: something always moves."""
    few, many = (replace(QUIET, drift={**QUIET.drift, "data": Part(DRIFT, "prize", s)}) for s in (0.24, 0.25))
    assert decide(many, POLICY, NOW).decision == "retrain"
    decision = decide(few, POLICY, NOW)
    assert decision.decision == "ignore"
    assert "24% of the columns, retraining.data_share is 25%" in decision.sentence


def test_the_share_of_the_columns_is_that_of_the_measured_ones():
    report = {"verdict": "drift", "cause": "2 of 12 columns", "tested": 8, "drifted": ["prize", "going"]}
    assert parts_of({"data": report})["data"] == Part(DRIFT, "2 of 12 columns", 0.25)


def test_a_quiet_day_is_ignored_and_says_why():
    decision = decide(QUIET, POLICY, NOW)
    assert decision.decision == "ignore"
    assert set(rules(decision, "quiet")) >= {f"{kind}_drift" for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_what_could_not_be_measured_neither_triggers_nor_counts_as_quiet(kind: Kind):
    blind = replace(QUIET, drift={**QUIET.drift, kind: Part(UNMEASURED, "12 races, 100 are needed")})
    gone = replace(QUIET, drift={k: v for k, v in QUIET.drift.items() if k != kind})
    for evidence in (blind, gone):
        decision = decide(evidence, POLICY, NOW)
        assert decision.decision == "wait"
        assert [c.rule for c in decision.deciding] == [f"{kind}_drift"]


def test_drift_of_one_kind_is_enough_where_another_could_not_be_measured():
    assert decide(replace(QUIET, drift={"data": Part(DRIFT)}), POLICY, NOW).decision == "retrain"


def test_a_schedule_and_enough_new_races_are_causes_of_their_own():
    due = decide(QUIET, POLICY.model_copy(update={"every_days": 30.0}), NOW)
    assert (due.decision, [c.rule for c in due.deciding]) == ("retrain", ["schedule"])
    assert decide(QUIET, POLICY.model_copy(update={"every_days": 31.0}), NOW).decision == "ignore"
    full = decide(QUIET, POLICY.model_copy(update={"new_races": 500}), NOW)
    assert (full.decision, [c.rule for c in full.deciding]) == ("retrain", ["new_races"])
    assert decide(QUIET, POLICY.model_copy(update={"new_races": 501}), NOW).decision == "ignore"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"past": (Past("r1", NOW - 40 * DAY),)}, "single_flight"),
        ({"past": (Past("r1", NOW - 40 * DAY, NOW - 6 * DAY),)}, "cooldown"),
        ({"past": (Past("r1", NOW - 6 * DAY, NOW - 6 * DAY),)}, "cooldown"),
        ({"new_races": 99}, "something_new"),
        ({"model_version": None}, "model"),
        ({"data": False}, "data"),
    ],
)
def test_what_holds_a_retraining_back_is_named(change: dict, rule: str):
    decision = decide(replace(drifting(), **change), POLICY, NOW)
    assert decision.decision == "wait"
    assert rule in [c.rule for c in decision.deciding]
    assert decision.retraining_id is None


def test_the_weekly_cap_holds_where_the_cooldown_would_not():
    past = tuple(Past(f"r{i}", NOW - i * DAY, NOW - i * DAY) for i in (2, 4))
    policy = POLICY.model_copy(update={"cooldown_days": 1.0})
    assert rules(decide(replace(drifting(), past=past), policy, NOW), "against") == ["weekly_cap"]
    assert decide(replace(drifting(), past=past), policy, NOW + 3.5 * DAY).decision == "retrain"


def test_nothing_is_held_back_on_a_quiet_day():
    decision = decide(replace(QUIET, past=(Past("r1", NOW - DAY),)), POLICY, NOW)
    assert decision.decision == "ignore"
    assert not rules(decision, "against")


def test_the_name_of_an_event_changes_with_what_is_known_and_not_with_the_clock():
    first = decide(drifting(), POLICY, NOW)
    assert decide(drifting(), POLICY, NOW + DAY).event_id == first.event_id
    others = [
        replace(drifting(), latest="43"),
        replace(drifting(), model_version="8"),
        drifting("data"),
        drifting("data", drifting()),
    ]
    assert len({first.event_id, *(decide(e, POLICY, NOW).event_id for e in others)}) == 5


PARTS = st.builds(Part, st.sampled_from((DRIFT, NO_DRIFT, UNMEASURED)), st.just("why"))
POLICIES = st.builds(
    RetrainingPolicy,
    on=st.sets(st.sampled_from(KINDS)).map(tuple),
    every_days=st.none() | st.floats(1, 60),
    new_races=st.none() | st.integers(1, 500),
    min_new_races=st.integers(0, 50),
    cooldown_days=st.floats(0, 12),
    per_week=st.integers(1, 4),
)
DAYS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(KINDS), PARTS), st.integers(0, 200), st.integers(1, 40), st.booleans()),
    min_size=1,
    max_size=30,
)


@given(DAYS, POLICIES)
def test_no_sequence_of_days_breaks_single_flight_the_cooldown_or_the_cap(days: list, policy: RetrainingPolicy):
    """Each entry: what was measured, new races, hours to the next look, and whether a running retraining ends."""
    now, past, new = NOW, [], 0
    for drift, races, hours, ends in days:
        now += hours * dt.timedelta(hours=1)
        if past and past[-1].ended_at is None and ends:
            past[-1] = replace(past[-1], ended_at=now)
        new += races
        evidence = Evidence(model_version="1", drift=drift, new_races=new, latest=str(new), past=tuple(past))
        decision = decide(evidence, policy, now)
        assert decision.causes
        assert decision.deciding
        assert decide(evidence, policy, now) == decision
        assert (decision.retraining_id is not None) == (decision.decision == "retrain")
        if decision.decision != "retrain":
            continue
        cooldown = dt.timedelta(days=policy.cooldown_days)
        assert all(p.ended_at is not None and now - p.ended_at >= cooldown for p in past)
        past.append(Past(str(decision.retraining_id), now))
        new = 0
    for first in past:
        within = [p for p in past if first.started_at <= p.started_at < first.started_at + 7 * DAY]
        assert len(within) <= policy.per_week


@given(st.dictionaries(st.sampled_from(KINDS), PARTS), POLICIES)
def test_a_retraining_always_has_something_measured_or_counted_for_it(drift: dict, policy: RetrainingPolicy):
    evidence = Evidence(model_version="1", drift=drift, new_races=400, trained_at=NOW - 20 * DAY)
    decision = decide(evidence, policy, NOW)
    measured = any(part.verdict == DRIFT and kind in policy.on for kind, part in drift.items())
    counted = (policy.new_races or 10**9) <= 400 or (policy.every_days or 10**9) <= 20
    assert (decision.decision == "retrain") == (measured or counted)
    assert len(decision.causes) == len(RULES) or decision.decision != "wait"
