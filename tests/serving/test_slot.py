"""A slot: what stands in it moves on with the results in our store, and is swapped whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from oracle.data.results import results
from oracle.errors import UntrustedPackage
from oracle.serving.gateway import Gateway
from oracle.serving.health import health_of
from oracle.serving.slot import Slot
from oracle.serving.tending import Tasks, look, tend
from oracle.serving.version import Target
from oracle.store import Store, embedded
from tests.serving.arms import NOON, Shelf
from tests.serving.conftest import World, as_body
from tests.serving.test_form import _next_race


@pytest.fixture
def model(standing: Gateway) -> Any:
    return standing.slot.held().model


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = embedded(tmp_path)
    yield found
    found.close()


def tell(store: Store, model: Any) -> None:
    """Tell of a race that was run after the training."""
    store.results.add(list(results(_next_race(model.state), NOON)))


def answered(gateway: Gateway, body: bytes) -> Any:
    told = orjson.loads(asyncio.run(gateway.respond(body)))
    return gateway.store.predictions.get(told["prediction_id"])


def test_a_result_moves_the_form_of_the_next_answers_and_none_before(store: Store, model: Any, world: World):
    gateway = Gateway(Shelf({"production": model}), store)
    watch = tend(gateway, Tasks(), lambda: NOON)
    look(gateway, watch)
    body = as_body(world.card, off="2030-05-03T12:00:00+00:00")
    before = answered(gateway, body)
    tell(store, model)
    assert answered(gateway, body).form == 0  # nobody has looked yet
    look(gateway, watch)
    after = answered(gateway, body)
    assert (before.form, after.form) == (0, 1)
    assert before.card_key != after.card_key
    assert health_of(gateway).form.seq == 1  # type: ignore[union-attr]
    assert health_of(gateway).form.through == "2030-05-01"  # type: ignore[union-attr]
    assert gateway.slot.held().model is not model
    assert model.about.state_through < "2030"


def test_whoever_is_started_again_has_caught_up_before_it_answers(store: Store, model: Any, world: World):
    tell(store, model)
    gateway = Gateway(Shelf({"production": model}), store)
    assert answered(gateway, world.body).form == 1


def test_another_version_that_is_loaded_has_the_same_results(store: Store, model: Any):
    slot = Slot(Shelf({"1": model, "2": replace(model)}), store.results, now=lambda: NOON)
    slot.follow(Target(version="1"))
    tell(store, model)
    slot.catch_up()
    slot.follow(Target(version="2"))
    assert (slot.held().seq, slot.held().message.version) == (1, "2")


def test_looking_where_nothing_is_new_changes_nothing(store: Store, model: Any):
    slot = Slot(Shelf({"1": model}), store.results, now=lambda: NOON)
    slot.follow(Target(version="1"))
    held = slot.held()
    assert (slot.catch_up(), slot.held() is held) == (0, True)


def test_a_version_that_loads_and_cannot_answer_never_replaces_one_that_can(
    store: Store, model: Any, monkeypatch: pytest.MonkeyPatch
):
    slot = Slot(Shelf({"1": model, "2": replace(model)}), store.results, now=lambda: NOON, warm=True)
    slot.follow(Target(version="1"))

    def raises(_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(model), "warm", raises)
    slot.follow(Target(version="2"))
    assert slot.held().message.version == "1"
    assert isinstance(slot.refused, UntrustedPackage)
    assert "ZeroDivisionError" in str(slot.refused)


def test_an_empty_slot_says_why_and_holds_nothing(store: Store, model: Any):
    slot = Slot(Shelf({"1": model}), store.results, now=lambda: NOON)
    slot.follow(Target(version="1"))
    slot.empty()
    assert (slot.loaded, slot.refused, slot.asked, slot.catch_up()) == (None, None, None, 0)
