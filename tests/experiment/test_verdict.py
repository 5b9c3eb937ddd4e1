from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.experiment.accuracy import clustered
from oracle.experiment.observed import Observed, PairedRaces, SharePeriod
from oracle.experiment.plan import make, read
from oracle.experiment.simulate import SHIPPED, STOPPED, UNDECIDED, differences, ended
from oracle.experiment.sizing import NeverEnds
from oracle.experiment.verdict import decide
from tests.experiment.seen import START, after, arm, observed, paired, plan

POOL = differences(0.0854, seed=1, races=4000)


def drawn(mean: float, races: int, seed: int = 1) -> np.ndarray:
    chance = np.random.default_rng(seed)
    size = np.abs(POOL[chance.integers(0, len(POOL), races)])
    return size * np.where(chance.random(races) < 0.5 * (1.0 + mean / np.abs(POOL).mean()), 1.0, -1.0)


def test_a_challenger_that_is_surely_better_ships():
    found = decide(observed(paired(drawn(0.01, 2500))), plan(), after(30))
    assert found.decision == "ship"
    assert found.accuracy.low > 0.0
    assert "decisive" in found.causes[0]
    assert 0 < found.accuracy.decisive < found.accuracy.races


def test_one_that_cannot_be_as_much_better_as_was_wanted_stops():
    found = decide(observed(paired(drawn(-0.004, 3000))), plan(), after(30))
    assert found.decision == "stop"
    assert "wanted" in found.causes[0]


def test_one_that_nobody_can_tell_yet_continues_and_says_about_how_long():
    found = decide(observed(paired(drawn(0.004, 300))), plan(), after(10))
    assert found.decision == "continue"
    assert found.days_left is not None
    assert 1.0 <= found.days_left <= 50.0
    assert found.label.startswith("continue (about ")


def test_races_of_the_first_hours_are_not_taken_for_the_rate_of_a_day():
    seen = observed(paired(drawn(0.004, 60), days=0.01))
    first = decide(seen, plan(races_per_day=40.0), after(0.01))
    assert first.days_left is not None
    assert first.days_left > 3


def test_the_floors_come_before_any_verdict_on_accuracy():
    small = observed(paired(drawn(0.01, 2500)), control=arm(500), treatment=arm(100), counts=(90, 10))
    assert decide(small, plan(), after(3)).decision == "continue"
    assert decide(small, plan(), after(8)).decision == "ship"
    both = plan(policy=plan().policy.model_copy(update={"floors": "both"}))
    assert decide(small, both, after(8)).decision == "continue"


def test_a_sample_ratio_that_is_off_blocks_every_decision():
    found = decide(observed(paired(drawn(0.01, 2500)), counts=(1800, 100)), plan(), after(30))
    assert found.decision == "unhealthy"
    assert "sample ratio" in found.causes[0]


def test_a_breached_guardrail_stops_before_the_floors_are_reached_and_rolls_back():
    broken = observed(paired(drawn(0.01, 50)), treatment=arm(300, failures=40))
    found = decide(broken, plan(), after(0.2))
    assert found.decision == "stop"
    assert found.rolls_back
    assert "guardrail failures" in found.causes[0]


def test_a_breach_is_said_and_rolls_back_also_where_the_sample_ratio_is_off():
    broken = observed(paired(drawn(0.01, 50)), treatment=arm(300, failures=40), counts=(1800, 100))
    found = decide(broken, plan(), after(2))
    assert found.decision == "unhealthy"
    assert found.rolls_back
    assert any("guardrail failures" in cause for cause in found.causes)


def test_time_that_runs_out_without_a_decision_stops_and_does_not_undo_one():
    assert decide(observed(paired(drawn(0.004, 300))), plan(), after(61)).decision == "stop"
    assert decide(observed(paired(drawn(0.01, 2500))), plan(), after(61)).decision == "ship"


def test_nothing_seen_is_continue():
    found = decide(Observed(), plan(), after(1))
    assert found.decision == "continue"
    assert found.accuracy.difference is None


def test_an_edited_plan_is_said():
    found = decide(Observed(), plan(), after(1), edited=True)
    assert found.edited
    assert any("edited" in cause for cause in found.causes)


def test_meetings_that_err_together_hold_a_verdict_back():
    # Every race of a meeting says the same: what looks like 2,400 races is 30.
    by_meeting = np.repeat(drawn(0.02, 30, seed=2), 80)
    races = paired(by_meeting, per_meeting=80)
    interval, effect = clustered(races, 1892, 0.05)
    assert effect is not None
    assert effect > 20
    assert interval is not None
    assert interval[0] < 0 < interval[1]
    assert decide(observed(races), plan(), after(30)).decision != "ship"


def test_a_few_meetings_ship_nothing_however_many_races_they_have():
    found = decide(observed(paired(drawn(0.02, 2500), per_meeting=700)), plan(), after(30))
    assert found.decision == "continue"
    assert "4 meetings" in found.causes[0]


@pytest.mark.parametrize("effect", [0.0, 0.0055, 0.011])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_rule_that_is_simulated_is_the_rule_that_decides(effect: float, seed: int):
    d = drawn(effect, 3784, seed)
    end, when, _ = ended(d, plan().size, races_per_look=20, per_meeting=8)
    early = plan(policy=plan().policy.model_copy(update={"min_days": 0.0, "max_days": 1e6}))
    word = {UNDECIDED: "continue", SHIPPED: "ship", STOPPED: "stop"}[end]

    def said(races: int) -> str:
        return decide(observed(paired(d[:races], days=races / 20.0)), early, after(races / 20.0)).decision

    assert said(when) == word
    assert said(max(when - 20, 20)) == "continue"


def test_an_aa_test_never_ships_and_calls_a_difference_unhealthy():
    aa = plan(mode="aa", treatments=("3",))
    assert decide(observed(paired(np.zeros(2500))), aa, after(30)).decision == "continue"
    assert decide(observed(paired(drawn(0.01, 2500))), aa, after(30)).decision == "unhealthy"


def test_challengers_share_one_budget_of_false_alarms():
    two = plan(treatments=("4", "5"), shares=(0.1, 0.1))
    assert two.alpha == pytest.approx(0.025)
    assert two.size.races > plan().size.races


@given(st.lists(st.floats(-1, 1), max_size=30), st.lists(st.floats(-1, 1), max_size=30))
def test_races_add_in_the_order_in_which_they_became_known(first: list[float], second: list[float]):
    both = paired(first) + replace_keys(paired(second))
    assert len(both) == len(first) + len(second)
    assert (np.diff(both.known_at) >= 0).all()
    assert both.difference.sum() == pytest.approx(sum(first) + sum(second), abs=1e-9)


def test_what_two_days_saw_adds_to_what_both_saw():
    d = drawn(0.01, 2500)
    whole = paired(d)
    cut = [PairedRaces(*(getattr(whole, n)[part] for n in whole.__dataclass_fields__)) for part in HALVES]
    days = [observed(part, counts=(900, 100), control=arm(900), treatment=arm(100)) for part in cut]
    both = days[0] + days[1]
    assert both.periods == (SharePeriod((0.1,), (1800, 200)),)
    assert both.predictions == 2000
    assert both.control.metrics["click"].users == 360
    one, other = (decide(seen, plan(), after(30)) for seen in (both, observed(whole)))
    assert one.accuracy.as_dict() == other.accuracy.as_dict()
    assert (both + Observed()).races.difference.tolist() == whole.difference.tolist()


HALVES = (slice(0, 1100), slice(1100, None))


def replace_keys(races: PairedRaces) -> PairedRaces:
    return replace(races, race_key=np.array([f"other {key}" for key in races.race_key], dtype=object))


def test_a_plan_is_one_text_and_any_edit_changes_its_fingerprint():
    one = plan()
    assert read(one.as_json()) == one
    assert read(one.as_json()).fingerprint == one.fingerprint
    assert plan(mean=0.551).fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"shares": (0.1, 0.1)}, "shares"),
        ({"shares": (1.5,)}, "share"),
        ({"treatments": ("3",)}, "challenge itself"),
        ({"treatments": ("4", "4"), "shares": (0.1, 0.1)}, "once"),
        ({"started_at": dt.datetime(2026, 1, 1)}, "time zone"),
        ({"name": "a b"}, "name"),
        ({"mode": "aa"}, "A/A"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_an_impossible_plan_is_refused_with_its_reason(changes: dict[str, object], what: str):
    told = plan().model_dump() | {"started_at": START} | changes
    with pytest.raises(BadInput, match=what):
        make(**told)


def test_a_plan_whose_time_ends_before_its_floor_is_refused():
    policy = plan().policy.model_copy(update={"max_days": 5.0, "floors": "both"})
    with pytest.raises(BadInput, match="max_days 5 ends"):
        plan(policy=policy)


def test_a_plan_that_cannot_end_in_its_time_is_refused_with_what_would_work():
    with pytest.raises(NeverEnds, match="60 days"):
        plan(races_per_day=20.0).must_end()
    plan(races_per_day=100.0).must_end()
    plan().must_end()


def test_time_that_runs_out_is_not_called_evidence():
    assert "not enough evidence" in decide(observed(paired(drawn(0.004, 300))), plan(), after(61)).causes[0]


def test_a_text_that_is_no_plan_is_refused():
    with pytest.raises(BadInput, match="not the plan"):
        read('{"name": "x"}')
