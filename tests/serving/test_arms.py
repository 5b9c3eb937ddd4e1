"""Two versions on one gateway: who answers, what is kept, and that no challenger costs anybody an answer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from oracle.errors import Unavailable
from oracle.experiment.assignment import CONTROL
from oracle.serving.caller import NOBODY, Caller
from oracle.serving.challenger import Asking
from oracle.serving.gateway import Gateway
from oracle.serving.health import health_of
from oracle.serving.kit import Kit
from oracle.serving.query import Query
from oracle.serving.shadow import ShadowPolicy
from oracle.serving.tending import Tasks, look, tend
from oracle.store import Experiment, Store, embedded
from oracle.store.experiments import fingerprint
from tests.serving.arms import NOON, Deployment, Shelf, challenger
from tests.serving.conftest import World, as_body

HALF = {"experiment": {"name": "e", "treatments": [{"version": "2", "share": 0.5}]}}
ALL = {"experiment": {"name": "e", "treatments": [{"version": "2", "share": 1.0}]}}


@pytest.fixture(scope="module")
def model(standing: Gateway) -> Any:
    return standing.slot.held().model


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = embedded(tmp_path)
    yield found
    found.close()


@pytest.fixture
def deployment(model: Any) -> Deployment:
    return Deployment(challenger(model, "2", "3"))


@pytest.fixture
def gateway(model: Any, store: Store, deployment: Deployment) -> Iterator[Gateway]:
    kit = Kit({"treatment": deployment.asking(5.0)}, key=b"k" * 32, shadow=ShadowPolicy(linger=0.0))
    found = Gateway(Shelf({"production": model, "1": model}), store, kit=kit)
    yield found
    found.close()


def answered(
    gateway: Gateway, *bodies: bytes, callers: list[Caller] | None = None, settle: bool = True
) -> list[dict[str, Any]]:
    """Return the answers to cards, one after the other, once the other arm has had its say."""

    async def story() -> list[dict[str, Any]]:
        told = [
            orjson.loads(await gateway.respond(body, caller=callers[n] if callers else NOBODY))
            for n, body in enumerate(bodies)
        ]
        if settle:
            await gateway.shadow.settled()
        gateway.shadow.close()
        return told

    return asyncio.run(story())


def users(gateway: Gateway, count: int) -> list[Caller]:
    return [Caller(gateway.kit.pseudonym(f"user-{n}")) for n in range(count)]


def rows(gateway: Gateway, told: list[dict[str, Any]]) -> list[Any]:
    return [gateway.store.predictions.get(each["prediction_id"]) for each in told]


def warm(gateway: Gateway, world: World, deployment: Deployment) -> None:
    """Have the challenger hold the version that is wanted: the first question finds it without."""
    answered(gateway, world.body)
    deployment.calls.clear()


def test_without_an_experiment_the_control_answers_and_nobody_else_is_asked(
    gateway: Gateway, world: World, deployment: Deployment
):
    [row] = rows(gateway, answered(gateway, world.body))
    assert (row.arm, row.experiment, row.unit, row.fallback) == (CONTROL, None, "tomorrow-1", None)
    assert (row.form, len(row.features), row.user) == (0, 16, None)
    assert not deployment.calls
    assert gateway.store.scorings.count() == 0


def test_units_are_users_and_sticky_and_each_arm_answers_with_its_version(
    gateway: Gateway, world: World, deployment: Deployment
):
    gateway.reconfigure(HALF)
    warm(gateway, world, deployment)
    callers = users(gateway, 12)
    first = rows(gateway, answered(gateway, *[world.body] * 12, callers=callers))
    again = rows(gateway, answered(gateway, *[world.body] * 12, callers=callers))
    assert [r.arm for r in first] == [r.arm for r in again]
    assert {r.arm for r in first} == {CONTROL, "treatment"}
    for row, caller in zip(first, callers, strict=True):
        assert (row.unit, row.user, row.experiment) == (caller.user, caller.user, "e")
        assert row.model_version == ("2" if row.arm == "treatment" else "production")
        assert row.fallback is None


def test_without_a_user_the_race_is_the_unit(gateway: Gateway, world: World, deployment: Deployment):
    gateway.reconfigure(HALF)
    warm(gateway, world, deployment)
    bodies = [as_body(world.card, race_id=f"race-{n % 8}") for n in range(16)]
    kept = rows(gateway, answered(gateway, *bodies))
    assert [r.unit for r in kept] == [f"race-{n % 8}" for n in range(16)]
    assert [r.arm for r in kept[:8]] == [r.arm for r in kept[8:]]
    assert len({r.arm for r in kept}) == 2


def test_both_arms_score_every_race_once_whoever_answered(gateway: Gateway, world: World, deployment: Deployment):
    gateway.reconfigure(HALF)
    warm(gateway, world, deployment)
    bodies = [as_body(world.card, race_id=f"race-{n}") for n in range(8)]
    answered(gateway, *bodies, *bodies)
    gateway.close()
    for n in range(8):
        scorings = gateway.store.scorings.of_race(f"race-{n}", "")
        assert {(s.arm, s.model_version) for s in scorings} == {(CONTROL, "production"), ("treatment", "2")}
        assert len({s.card_key for s in scorings}) == len({s.features for s in scorings}) == 1
        assert len({s.runners for s in scorings}) == 1  # the two versions are one model here
        assert len(orjson.loads(scorings[0].runners)) == len(world.card.runners)


def hang() -> Any:
    return asyncio.sleep(60)


def fail() -> Any:
    raise ValueError("broken")


def die() -> Any:
    raise ConnectionResetError("gone")


@pytest.mark.parametrize(("trouble", "why"), [(hang, "timeout"), (fail, "error"), (die, "dead")])
def test_a_challenger_in_trouble_costs_nobody_an_answer_and_is_counted(
    gateway: Gateway, world: World, deployment: Deployment, trouble: Callable[[], Any], why: str
):
    gateway.reconfigure(ALL)
    warm(gateway, world, deployment)
    deployment.trouble = trouble
    if trouble is hang:
        gateway.kit.challengers["treatment"]._timeout = 0.02
    bodies = [as_body(world.card, race_id=f"race-{n}") for n in range(7)]
    told = answered(gateway, *bodies, settle=False)
    kept = rows(gateway, told)
    reasons = [r.fallback for r in kept]  # shadow work fails too, and opens the circuit the sooner
    assert set(reasons) == {why, "open"}
    assert reasons == sorted(reasons, key=lambda reason: reason == "open")
    assert {(r.arm, r.model_version) for r in kept} == {("treatment", "production")}
    health = health_of(gateway)
    assert (health.status, health.routing.slots[1].circuit) == ("degraded", "open")
    assert gateway.kit.tally.take().counts["oracle_fallbacks", ("treatment", why)] == reasons.count(why)


def test_a_challenger_that_does_not_hold_the_version_yet_is_absent(
    gateway: Gateway, world: World, deployment: Deployment
):
    gateway.reconfigure(ALL)
    assert rows(gateway, answered(gateway, world.body))[0].fallback == "absent"
    assert rows(gateway, answered(gateway, world.body))[0].fallback is None
    assert health_of(gateway).status == "ok"


def test_reasons_are_the_controls_and_no_part_of_the_experiment(gateway: Gateway, world: World):
    gateway.reconfigure(ALL)
    told = orjson.loads(asyncio.run(gateway.respond(world.body, Query(explain=True, top=2))))
    assert told["model"]["version"] == "production"
    assert all(len(r["explanation"]["contributions"]) == 2 for r in told["runners"])


def test_a_repeated_request_gets_the_answer_that_was_given(gateway: Gateway, world: World):
    async def story() -> list[bytes]:
        caller = Caller(request_id="r-1")
        return [
            await gateway.respond(world.body, caller=caller),
            await gateway.respond(world.body, caller=caller),
            await gateway.respond(as_body(world.card, race_id="other"), caller=caller),
            await gateway.respond(world.body, Query(exotics=1), b"exotics=1", caller),
        ]

    first, again, other, more = asyncio.run(story())
    assert first == again
    assert len({orjson.loads(each)["prediction_id"] for each in (first, other, more)}) == 3
    assert gateway.store.predictions.count() == 3


def test_an_impossible_user_config_is_counted_and_the_last_good_stays(gateway: Gateway):
    gateway.reconfigure(HALF)
    for wanted in ({"experimant": {}}, {"experiment": {"name": "e", "treatments": [{"version": "2", "share": 2}]}}, 7):
        gateway.reconfigure(wanted)
    health = health_of(gateway)
    assert (health.routing.experiment, health.routing.slots[1].share, health.routing.rejections) == ("e", 0.5, 3)
    assert health.status == "degraded"
    gateway.reconfigure(HALF)
    assert (health_of(gateway).status, health_of(gateway).routing.rejections) == ("ok", 3)


def test_weights_of_the_control_change_its_answers_and_their_label(gateway: Gateway, world: World, model: Any):
    alone = {"market": {name: 1.0 if n == 0 else 0.0 for n, name in enumerate(model.market.weights)}}
    [plain] = answered(gateway, world.body)
    gateway.reconfigure({"control": {"weights": alone}})
    told = answered(gateway, world.body)
    assert [r["win"] for r in told[0]["runners"]] != [r["win"] for r in plain["runners"]]
    assert rows(gateway, told)[0].model_version.startswith("production+")
    gateway.reconfigure({"control": {"weights": {"market": {"nobody": 1.0}}}})
    assert health_of(gateway).status == "degraded"
    assert "nobody" in health_of(gateway).reasons[0]


def experiment(share: float = 1.0) -> Experiment:
    return Experiment(
        name="stored",
        plan="{}",
        fingerprint=fingerprint("{}"),
        control="production",
        treatments=(("treatment", "3"),),
        shares=(share,),
        started_at=NOON,
        actor="me",
    )


def test_an_experiment_of_the_store_is_followed_and_a_breach_rolls_it_back(gateway: Gateway, store: Store):
    seconds, breach = [0.0], [None, "errors"]
    watch = tend(gateway, Tasks(guard=lambda *_: breach.pop(0)), lambda: NOON, clock=lambda: seconds[0])
    look(gateway, watch)
    store.experiments.start(experiment())
    look(gateway, watch)
    assert (gateway.routing.experiment, gateway.routing.source, gateway.routing.shares) == ("stored", "store", (1.0,))
    store.experiments.ramp("stored", [0.25], "me", "slower", NOON)
    look(gateway, watch)
    assert gateway.routing.shares == (0.25,)
    for seconds[0] in (11.0, 22.0):
        look(gateway, watch)
    assert gateway.routing.experiment is None
    ended = store.experiments.get("stored")
    assert ended
    assert (ended.status, ended.reason) == ("rolled_back", "errors")
    assert store.experiments.changes("stored")[-1].actor == "guardrail"


def test_a_store_that_does_not_answer_changes_nothing_and_is_told(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    watch = tend(gateway, Tasks(), lambda: NOON)
    look(gateway, watch)
    gateway.reconfigure(HALF)

    def down() -> Any:
        raise Unavailable("our store did not answer")

    monkeypatch.setattr(watch, "_pulse", down)
    look(gateway, watch)
    assert gateway.routing.experiment == "e"
    assert "not looked at" in health_of(gateway).reasons[-1]


def test_a_fault_that_nobody_foresaw_in_following_results_shows_in_the_health(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    watch = tend(gateway, Tasks(), lambda: NOON)
    look(gateway, watch)
    monkeypatch.setattr(watch, "_pulse", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        look(gateway, watch)
    assert "ZeroDivisionError" in health_of(gateway).reasons[-1]
    monkeypatch.undo()
    look(gateway, watch)
    assert gateway.trouble is None


def test_the_moment_of_a_row_is_the_answers_own(gateway: Gateway, world: World):
    told = answered(gateway, world.body)
    [row] = rows(gateway, told)
    assert row.at == dt.datetime.fromisoformat(told[0]["at"])
    assert orjson.loads(row.answer) == told[0]


def test_an_asking_without_trouble_has_none(gateway: Gateway):
    asking: Asking = gateway.kit.challengers["treatment"]
    assert (asking.breaker.state, asking.last_error) == ("closed", None)
