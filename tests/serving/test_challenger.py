"""A challenger from both ends: it holds what is wanted, and whatever it does is a reason and not an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import UntrustedPackage
from oracle.race import RaceCard
from oracle.serving.breaker import FAILURES, LONGEST, PAUSE, Breaker
from oracle.serving.challenger import IDLE_SECONDS, Asking, Challenger, Reply
from oracle.serving.gateway import Gateway
from oracle.serving.slot import Slot
from oracle.serving.version import Target
from tests.serving.arms import NOON, Deployment, Shelf, challenger
from tests.serving.conftest import World

TWO, THREE = Target(version="2"), Target(version="3")


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def model(standing: Gateway) -> Any:
    return standing.slot.held().model


def test_it_holds_nothing_until_a_version_is_wanted_and_then_answers_with_that_one(model: Any, world: World):
    held = challenger(model, "2", "3")
    held.look()
    assert held.score([world.card], TWO) is None
    held.look()
    reply = held.score([world.card, world.card], TWO)
    assert reply is not None
    assert (reply.model.version, len(reply.scored)) == ("2", 2)
    assert reply.scored[0].said == model.predict([world.card])[0]
    assert held.score([world.card], THREE) is None
    held.look()
    assert held.score([world.card], THREE)


def test_a_version_that_does_not_load_leaves_it_with_what_it_has(model: Any, world: World):
    shelf = Shelf({"2": model, "3": UntrustedPackage("a hash does not match")})
    held = Challenger(Slot(shelf, None, now=lambda: NOON))
    for target in (TWO, THREE):
        held.score([world.card], target)
        held.look()
    asked = shelf.asked
    held.look()
    assert held.score([world.card], THREE) is None
    assert shelf.asked == asked  # it does not ask the registry again and again


def test_an_idle_challenger_lets_its_model_go_unless_something_pins_it(model: Any, world: World):
    clock, slot = Seconds(), Slot(Shelf({"2": model}), None, now=lambda: NOON)
    held = Challenger(slot, clock)
    held.score([world.card], TWO)
    held.look()
    clock.now = IDLE_SECONDS + 1
    held.reconfigure({"version": "2"})
    held.look()
    assert slot.loaded
    held.reconfigure({})
    held.look()
    assert slot.loaded is None


def test_a_misspelt_user_config_changes_nothing(model: Any):
    slot = Slot(Shelf({"2": model}), None, now=lambda: NOON)
    held = Challenger(slot)
    held.reconfigure({"version": "2"})
    held.look()
    held.reconfigure({"verzion": "3"})
    held.look()
    assert slot.loaded
    assert slot.loaded.target == TWO
    assert "verzion" in str(slot.refused)


def asked(ask: Callable[..., Awaitable[Any]], times: int = 1, clock: Seconds | None = None) -> tuple[Asking, list[Any]]:
    asking = Asking(
        ask,
        timeout=0.05,
        cause=lambda e: "dead" if isinstance(e, ConnectionError) else "error",
        clock=clock or Seconds(),
    )

    async def all_of_them() -> list[Any]:
        return [await asking.score(cast("Sequence[RaceCard]", [None]), TWO) for _ in range(times)]

    return asking, asyncio.run(all_of_them())


async def hangs(*_: object) -> Reply | None:
    await asyncio.sleep(60)
    return None


async def raises(*_: object) -> Reply | None:
    raise ValueError("no")


async def dies(*_: object) -> Reply | None:
    raise ConnectionResetError


async def holds_another(*_: object) -> Reply | None:
    return None


@pytest.mark.parametrize(
    ("ask", "why"), [(hangs, "timeout"), (raises, "error"), (dies, "dead"), (holds_another, "absent")]
)
def test_whatever_goes_wrong_is_a_reason(ask: Callable[..., Awaitable[Any]], why: str):
    assert asked(ask)[1] == [why]


def test_an_answer_to_other_cards_is_an_error():
    async def too_few(*_: object) -> Any:
        return Reply(None, "2", None, 0, (), 0.0)  # type: ignore[arg-type]

    assert asked(too_few)[1] == ["error"]


def test_after_some_failures_in_a_row_nobody_is_asked_for_a_while():
    calls = []

    async def counted(*_: object) -> None:
        calls.append(1)
        raise ValueError

    asking, told = asked(counted, FAILURES + 3)
    assert (told, len(calls)) == (["error"] * FAILURES + ["open"] * 3, FAILURES)
    assert "ValueError" in str(asking.last_error)


def test_a_challenger_that_only_holds_another_version_opens_no_circuit():
    assert asked(holds_another, FAILURES + 3)[1] == ["absent"] * (FAILURES + 3)


def test_a_failing_circuit_lets_one_try_after_its_pause_and_closes_on_success():
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(0.0)
    assert not breaker.allows(PAUSE / 2)
    assert breaker.allows(PAUSE)
    assert not breaker.allows(PAUSE)  # one is trying
    breaker.failed(PAUSE)
    assert not breaker.allows(2 * PAUSE)
    assert breaker.allows(3 * PAUSE)
    breaker.succeeded()
    assert (breaker.state, breaker.allows(3 * PAUSE)) == ("closed", True)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=60))
def test_a_circuit_never_stays_shut_for_ever(steps: list[tuple[bool, float]]):
    breaker, now = Breaker(), 0.0
    for good, later in steps:
        now += later
        if breaker.allows(now):
            if good:
                breaker.succeeded()
            else:
                breaker.failed(now)
    assert breaker.allows(now + LONGEST)


def test_a_deployment_of_the_tests_answers_like_one(model: Any, world: World):
    deployment = Deployment(challenger(model, "2"))

    async def twice() -> list[Any]:
        asking = deployment.asking(5)
        return [await asking.score([world.card], TWO) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first == "absent"
    assert isinstance(second, Reply)
