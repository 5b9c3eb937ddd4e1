"""Where a model version stands in its life, and which moves there are: one table, and nothing beside it.

A version is registered (unstaged), proves itself (staging), serves (production), is replaced (archived) or found
wanting (rejected). A rollback brings back what has served before. Two marks tell where a version stands: the alias that
serving follows, and a tag. Where they differ the alias is right, since it is what answers: a tag that says `production`
without the alias is of a version that has been replaced and not yet told.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from oracle.errors import BadInput, Refused

Stage = Literal["unstaged", "staging", "production", "archived", "rejected"]
Move = Literal["stage", "first", "promote", "rollback", "replace", "reject", "retire"]

STAGES: tuple[Stage, ...] = get_args(Stage)

MOVES: Mapping[Move, Mapping[Stage, Stage]] = MappingProxyType(
    {
        "stage": {"unstaged": "staging"},
        "first": {"unstaged": "production", "staging": "production"},
        "promote": {"staging": "production"},
        "rollback": {"archived": "production"},
        "replace": {"production": "archived"},
        "reject": {"unstaged": "rejected", "staging": "rejected"},
        "retire": {"unstaged": "archived", "staging": "archived"},
    }
)
"""By move: from where, to where. What is not here is refused."""

_NEXT: Mapping[Stage, str] = MappingProxyType(
    {
        "unstaged": "ask for it: oracle model promote {version}",
        "staging": "see who has to decide: oracle model requests",
        "production": "it is in service; go back to another one with: oracle model rollback VERSION",
        "archived": "one that has served comes back with: oracle model rollback {version}",
        "rejected": "train and register another one: oracle train, or oracle retrain run",
    }
)


class NoSuchMove(Refused):
    """A version cannot go that way from where it stands."""


class NeverServed(Refused):
    """A version that was never in service was never approved either, and cannot be rolled back to."""


def stage_of(tag: str | None, *, serving: bool) -> Stage:
    """Return where a version stands.

    Args:
        tag: What its lifecycle tag says; None where it has none.
        serving: Whether the alias that serving follows points to it.

    Raises:
        BadInput: the tag says what no tag of ours says.

    >>> stage_of(None, serving=False), stage_of("staging", serving=True), stage_of("production", serving=False)
    ('unstaged', 'production', 'archived')
    """
    if serving:
        return "production"
    if tag is None:
        return "unstaged"
    if tag == "production":
        return "archived"
    found = next((stage for stage in STAGES if stage == tag), None)
    if found is None:
        raise BadInput("a version has an unknown lifecycle tag", value=tag, allowed=STAGES)
    return found


def after(move: Move, stage: Stage, version: object) -> Stage:
    """Return where a move leads.

    Args:
        move: The move.
        stage: Where the version stands.
        version: What it is called, for the message.

    Raises:
        NoSuchMove: it does not lead anywhere from there; says from where it would.
    """
    there = MOVES[move]
    if stage in there:
        return there[stage]
    raise NoSuchMove(
        f"{move}: version {version} is {stage}",
        value=stage,
        allowed=f"{' or '.join(there)} -> {next(iter(there.values()))}",
        next_step=_NEXT[stage].format(version=version),
    )
