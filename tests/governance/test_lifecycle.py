"""Where a version stands, and where it may go from there."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from oracle.errors import BadInput
from oracle.governance.lifecycle import MOVES, STAGES, Move, NoSuchMove, after, stage_of

ALLOWED = {
    ("stage", "unstaged", "staging"),
    ("first", "unstaged", "production"),
    ("first", "staging", "production"),
    ("promote", "staging", "production"),
    ("rollback", "archived", "production"),
    ("replace", "production", "archived"),
    ("reject", "unstaged", "rejected"),
    ("reject", "staging", "rejected"),
    ("retire", "unstaged", "archived"),
    ("retire", "staging", "archived"),
}


def test_these_moves_and_no_others_are_allowed() -> None:
    assert {(move, here, there) for move, ways in MOVES.items() for here, there in ways.items()} == ALLOWED
    for move, here in itertools.product(get_args(Move), STAGES):
        if not any((move, here) == way[:2] for way in ALLOWED):
            with pytest.raises(NoSuchMove) as refused:
                after(move, here, 3)
            assert refused.value.value == here
            assert refused.value.allowed
            assert refused.value.next_step


def test_nothing_comes_back_from_the_rejected() -> None:
    assert not any("rejected" in ways for ways in MOVES.values())


def test_the_alias_is_right_where_the_tag_says_otherwise() -> None:
    assert [stage_of(tag, serving=True) for tag in (None, "archived", "rejected")] == ["production"] * 3
    assert stage_of("production", serving=False) == "archived"
    assert stage_of(None, serving=False) == "unstaged"


def test_a_tag_that_is_none_of_ours_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="golden"):
        stage_of("golden", serving=False)
