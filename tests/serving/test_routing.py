"""Which version stands where, and who is assigned to whom."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadSetting
from oracle.experiment.assignment import CONTROL, arm, arm_names, position
from oracle.serving.routing import InForce, Routing, assigned, in_force, read_routing

KEY = b"k" * 32
USERS = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=50)

THREE = st.lists(st.floats(0, 1 / 3), min_size=3, max_size=3)


@dataclass(frozen=True)
class Running:
    name: str
    treatments: tuple[tuple[str, str], ...]
    shares: tuple[float, ...]


def routed(*shares: float, name: str = "e") -> InForce:
    treatments = [{"version": str(n), "share": share} for n, share in enumerate(shares, 2)]
    wanted = {"experiment": {"name": name, "treatments": treatments}}
    return in_force(read_routing(wanted, challengers=len(shares)), (), challengers=len(shares))


def arm_of(routing: InForce, unit: str) -> str:
    return assigned(routing, unit, lambda e, u: position(e, u, KEY), arm)


def test_nothing_said_is_the_control_for_everybody():
    routing = in_force(read_routing({}, challengers=1), (), challengers=1)
    assert (routing.control.version, routing.experiment, routing.arms) == (None, None, ())
    assert arm_of(routing, "anybody") == CONTROL


def test_version_and_revision_at_the_top_are_those_of_the_control():
    assert read_routing({"version": 3, "revision": 7}, challengers=0) == read_routing(
        {"control": {"version": "3", "revision": "7"}}, challengers=0
    )


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"verzion": "3"}, "verzion"),
        ({"control": {"verson": "3"}}, "control.verson"),
        ({"control": {"version": "a b"}}, "control.version"),
        ({"version": "3", "control": {"version": "4"}}, "not both"),
        ({"control": {"weights": {"market": {"a": float("nan")}}}}, "weights"),
        ({"control": {"weights": {"marked": {"a": 1}}}}, "weights"),
        ({"experiment": {"name": "e", "treatments": []}}, "treatments"),
        ({"experiment": {"name": "e e", "treatments": [{"version": "2"}]}}, "name"),
        ({"experiment": {"name": "e", "treatments": [{"version": "2", "share": 1.5}]}}, "share"),
        ({"experiment": {"name": "e", "treatments": [{"version": "2", "shares": 0.1}]}}, "shares"),
        ({"experiment": {"name": "e", "treatments": [{"share": 0.1}]}}, "version"),
        (["version"], "user_config"),
        (None, "user_config"),
    ],
)
def test_what_is_not_possible_is_refused_and_named(wanted: object, named: str):
    with pytest.raises(BadSetting) as caught:
        read_routing(wanted, challengers=2)
    assert named in str(caught.value)


def test_more_challengers_than_slots_are_refused_with_what_to_do():
    two = {"experiment": {"name": "e", "treatments": [{"version": "2"}, {"version": "3"}]}}
    assert read_routing(two, challengers=2).experiment
    with pytest.raises(BadSetting, match="challengers"):
        read_routing(two, challengers=1)


def test_two_challengers_share_the_units_so_neither_takes_more_than_half():
    with pytest.raises(BadSetting, match=r"at most 0\.5"):
        routed(0.6, 0.1)


def test_the_store_rules_the_challengers_and_user_config_the_control():
    configured = read_routing(
        {"version": "7", "experiment": {"name": "mine", "treatments": [{"version": "2", "share": 0.5}]}}, challengers=2
    )
    stored = Running("theirs", (("treatment", "3"), ("treatment-2", "4")), (0.1, 0.2))
    routing = in_force(configured, [stored], challengers=2)
    assert (routing.control.version, routing.experiment, routing.source) == ("7", "theirs", "store")
    assert [(a.name, a.target.version, a.share) for a in routing.arms] == [
        ("treatment", "3", 0.1),
        ("treatment-2", "4", 0.2),
    ]
    assert in_force(configured, [], challengers=2).experiment == "mine"
    assert in_force(configured, [stored], challengers=1).experiment == "mine"  # it needs slots that are not there


@given(USERS, st.floats(0, 1), st.floats(0, 1))
def test_ramping_up_never_moves_a_treated_unit(users: list[str], a: float, b: float):
    low, high = sorted((a, b))
    before, after = routed(low), routed(high)
    for user in users:
        if arm_of(before, user) != CONTROL:
            assert arm_of(after, user) == arm_of(before, user)


@given(
    USERS, st.lists(st.floats(0, 1 / 3), min_size=3, max_size=3), st.lists(st.floats(0, 1 / 3), min_size=3, max_size=3)
)
def test_ramping_one_challenger_moves_nobody_between_challengers(users: list[str], one: list[float], two: list[float]):
    before, after = routed(*one), routed(*(max(a, b) for a, b in zip(one, two, strict=True)))
    assert {arm_of(before, u) for u in users} <= {CONTROL, *arm_names(3)}
    for user in users:
        assert arm_of(before, user) in (CONTROL, arm_of(after, user))


def test_a_share_is_the_share_of_the_units():
    treated = sum(arm_of(routed(0.1), f"user-{n}") != CONTROL for n in range(20_000))
    assert treated == pytest.approx(2000, abs=150)


def test_a_routing_is_told_as_it_was_read():
    wanted = {"control": {"version": "3", "weights": {"form": {"a": 0.5}}}, "experiment": None}
    routing = read_routing(wanted, challengers=0)
    assert Routing.model_validate(routing.model_dump()) == routing
