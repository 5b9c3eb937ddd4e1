"""The ensemble spread out: the same answers to the last bit, whatever becomes of its members."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from oracle.errors import NoSuchModel
from oracle.serving.body import read_card
from oracle.serving.gateway import Gateway
from oracle.serving.members import KEPT, Member, Members
from oracle.serving.metrics import Tally
from oracle.serving.scoring import here
from oracle.serving.version import Target
from tests.serving.arms import Shelf
from tests.serving.conftest import World, as_body

VERSION = "1"


@pytest.fixture
def loaded(standing: Gateway) -> Any:
    return standing.slot.held()


def deployed(model: Any, names: Any) -> dict[str, Any]:
    """Return members as deployments answer: what they get and give has gone through a wire."""

    def one(name: str) -> Any:
        held = Member(name, Shelf({VERSION: model}))

        async def ask(matrix: Any, version: str) -> Any:
            told = held.score(pickle.loads(pickle.dumps(matrix)), version)
            held.look()
            return pickle.loads(pickle.dumps(told))

        return ask

    return {name: one(name) for name in names}


def cards(world: World, odds: bool) -> list[Any]:
    priced = read_card(world.body).as_card()
    bare = [{**asdict(r), "odds": None} for r in world.card.runners]
    return [priced, priced] if odds else [priced, read_card(as_body(world.card, runners=bare)).as_card()]


@pytest.mark.parametrize("odds", [True, False])
def test_members_elsewhere_give_the_answer_of_members_here(loaded: Any, world: World, odds: bool):
    tally = Tally()
    members = Members(deployed(loaded.model, loaded.model.members), tally)
    asked = cards(world, odds)
    expected = here(loaded.model, asked)
    for scored_here in (True, False):  # the first time nobody holds the version yet
        assert asyncio.run(members.score(loaded, asked)) == expected
        assert bool(tally.take().counts) == scored_here


@pytest.mark.parametrize("trouble", ["raises", "hangs", "short", "missing"])
def test_a_member_in_trouble_is_scored_here_to_the_same_bits(loaded: Any, world: World, trouble: str):
    async def bad(*_: object) -> Any:
        if trouble == "raises":
            raise ConnectionResetError
        if trouble == "hangs":
            await asyncio.sleep(60)
        return np.zeros(1)

    asks = {} if trouble == "missing" else dict.fromkeys(loaded.model.members, bad)
    tally = Tally()
    told = asyncio.run(Members(asks, tally, timeout=0.05).score(loaded, [world.card]))
    assert told == here(loaded.model, [world.card])
    assert all(name == "oracle_members_scored_here" for name, _ in tally.take().counts)


def test_a_member_holds_the_last_versions_that_were_asked_for(loaded: Any, world: World):
    shelf = Shelf(dict.fromkeys(("1", "2", "3"), loaded.model))
    name = next(iter(loaded.model.members))
    held, matrix = Member(name, shelf), loaded.model.prepare([world.card]).matrix
    for version in ("1", "2", "3"):
        assert held.score(matrix, version) is None
        held.look()
        assert np.array_equal(held.score(matrix, version), loaded.model.members[name].score(matrix))
    assert held.score(matrix, "2") is not None
    assert held.score(matrix, "1") is None
    assert KEPT == 2


def test_a_version_that_does_not_load_is_tried_again_when_it_is_asked_for_again(loaded: Any, world: World):
    shelf = Shelf()
    name = next(iter(loaded.model.members))
    held, matrix = Member(name, shelf), loaded.model.prepare([world.card]).matrix
    assert held.score(matrix, "1") is None
    with pytest.raises(NoSuchModel):
        held.look()
    held.look()
    shelf.versions["1"] = loaded.model
    assert held.score(matrix, "1") is None
    held.look()
    assert held.score(matrix, "1") is not None


def test_a_version_without_the_member_has_no_scores(loaded: Any, world: World):
    held = Member("nobody", Shelf({"1": loaded.model}))
    matrix = loaded.model.prepare([world.card]).matrix
    held.score(matrix, "1")
    held.look()
    assert held.score(matrix, "1") is None
    assert Target(version="1").label == "1"
