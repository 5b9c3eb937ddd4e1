"""Search spaces: they name what their families take, and what is shipped lies inside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.ensemble.recipe import SHIPPED, Member
from oracle.errors import BadInput
from oracle.models import families
from oracle.tuning.proposals import Told, propose
from oracle.tuning.space import SPACES, Choice, Real, Whole, candidates, inside, point_of, searched, shipped, values_of

HERE = sorted(set(SPACES) & set(families.FAMILIES))


def test_every_family_has_its_entry() -> None:
    assert set(families.FAMILIES) <= set(SPACES), "write a space for it, an empty one if it has nothing to tune"


@pytest.mark.parametrize("family", HERE)
def test_a_space_names_only_what_its_family_takes(family: str) -> None:
    for name, space in SPACES[family].items():
        for value in space.values if isinstance(space, Choice) else (space.low, space.high):
            families.ranker(family, {name: value})


@pytest.mark.parametrize("family", HERE)
def test_what_is_shipped_lies_inside(family: str) -> None:
    assert inside(SPACES[family], shipped(Member(family)))


@pytest.mark.parametrize("name", SHIPPED.members)
def test_what_the_shipped_recipe_takes_lies_inside(name: str) -> None:
    member = SHIPPED.members[name]
    assert inside(SPACES[member.family], shipped(member))


@pytest.mark.parametrize("family", HERE)
def test_a_point_reads_back_to_its_values(family: str) -> None:
    values = shipped(Member(family))
    assert values_of(family, SPACES[family], point_of(family, values)) == values


@pytest.mark.parametrize("space", [Real(0.1, 0.9), Real(1e-3, 10, log=True), Whole(1, 9), Choice(("a", (1.0, 0.5)))])
def test_the_ends_of_a_range_are_inside_and_what_lies_beyond_is_not(space: Real | Whole | Choice) -> None:
    if isinstance(space, Choice):
        assert all(space.holds(v) for v in space.values)
        assert not space.holds("c")
        assert space.labels == ("a", "1/0.5")
    else:
        assert space.holds(space.low)
        assert space.holds(space.high)
        assert not space.holds(space.low - 1)
        assert not space.holds(space.high + 1)


def test_only_what_was_asked_for_is_searched() -> None:
    assert list(searched(SHIPPED.members, ["win"])) == ["win"]
    assert "market" not in searched(SHIPPED.members)


def test_every_installed_family_can_answer_whether_the_shipped_recipe_has_it_or_not() -> None:
    tunable = {n for n in families.FAMILIES if SPACES[n]}
    assert tunable <= set(candidates(SHIPPED, priced=True))
    asked = candidates(SHIPPED, priced=True, names=["rank_xendcg"])
    assert set(asked) == {*SHIPPED.members, "rank_xendcg"}


@pytest.mark.parametrize("name", ["wni", "market", ""])
def test_a_family_that_cannot_be_tuned_is_refused_with_those_that_can(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        searched(SHIPPED.members, [name])
    assert caught.value.value == name
    assert "conditional_logit" in str(caught.value.allowed)


SMALL = {"a": {"x": Real(0.1, 10.0, log=True)}, "b": {"n": Whole(1, 9), "c": Choice(("u", "v"))}}


def told(values: list[float]) -> list[Told]:
    """Invent a history: the points that would have been proposed, with these values."""
    found: list[Told] = []
    for value in values:
        found.append(Told(propose("member", SMALL, found, 3), value))
    return found


@pytest.mark.slow
@given(st.lists(st.floats(-1, 1, allow_nan=False), max_size=14))
def test_a_proposal_holds_one_member_and_all_of_its_hyperparameters_within_their_ranges(values: list[float]) -> None:
    point = propose("member", SMALL, told(values), 3)
    which = str(point["member"])
    assert inside(SMALL[which], values_of(which, SMALL[which], point))
    assert set(point) == {"member", *(f"{which}/{n}" for n in SMALL[which])}


def test_the_same_history_and_seed_propose_the_same_and_another_history_something_else() -> None:
    history = told([0.5, 0.2, 0.9] * 5)
    assert propose("member", SMALL, history, 3) == propose("member", SMALL, history, 3)
    assert propose("member", SMALL, history, 3) != propose("member", SMALL, history[:-1], 3)


def test_every_member_is_tried_a_few_times_before_any_is_preferred() -> None:
    first = [str(t.point["member"]) for t in told([0.1, 9.0] * 3)]
    assert first.count("a") == first.count("b") == 3


def test_what_runs_and_what_failed_are_part_of_the_history() -> None:
    point = propose("member", SMALL, [], 3)
    propose("member", SMALL, [Told(point, None), Told(point, None, failed=True)], 3)


def test_it_learns_where_values_are_low() -> None:
    history: list[Told] = []
    for _ in range(40):
        point = propose("member", SMALL, history, 5)
        value = abs(float(point["a/x"]) - 1.0) if point["member"] == "a" else 9.0
        history.append(Told(point, value))
    late = history[-12:]
    assert sum(t.point["member"] == "a" for t in late) > 8
