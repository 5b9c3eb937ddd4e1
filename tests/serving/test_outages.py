"""What serving does without its store, its registry and its bucket, from one process, without a cluster."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from oracle.alerts import message
from oracle.alerts.direct import AGAIN, Alarm
from oracle.errors import NoSuchModel, Unavailable
from oracle.governance.access import Known, Snapshot
from oracle.registry.versions import resolve
from oracle.serving import http
from oracle.serving.caller import Caller
from oracle.serving.gateway import Gateway
from oracle.serving.health import health_of
from oracle.serving.kept_tokens import KeptTokens
from oracle.serving.kit import Kit
from oracle.serving.outages import Following, Outages
from oracle.serving.query import NOTHING_ASKED
from oracle.serving.registered import Registered, named
from oracle.serving.remembered import OLDEST, Remembered
from oracle.serving.slot import Slot
from oracle.serving.tending import Tasks, look, tend
from oracle.serving.version import Served, Target
from oracle.settings import load
from oracle.store import Away, Store, embedded
from oracle.tracking.connection import connect
from tests.alerts.receiver import receiving
from tests.alerts.test_alerts import genuine, settings
from tests.serving.arms import NOON, Shelf
from tests.serving.calls import call
from tests.serving.conftest import World

SECOND = dt.timedelta(seconds=1)
KEY = b"k" * 32


def until(true: Callable[[], bool], limit: float = 20.0) -> None:
    begun = time.perf_counter()
    while not true():
        assert time.perf_counter() - begun < limit, "it never came"
        threading.Event().wait(0.005)


class Held:
    """Somebody who holds the write lock of a SQLite store: to a writer it is away."""

    def __init__(self, file: Path) -> None:
        self._lock = sqlite3.connect(file, isolation_level=None)
        self._lock.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self._lock.execute("COMMIT")
        self._lock.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    embedded(tmp_path).close()
    found = Store(f"sqlite:///{tmp_path / 'oracle.db'}", patience=0.05)
    yield found
    found.close()


@pytest.fixture
def gateway(store: Store, standing: Gateway, tmp_path: Path) -> Iterator[Gateway]:
    kit = Kit(spool=tmp_path / "spool", patience=0.05)
    found = Gateway(Shelf({"production": standing.slot.held().model}), store, kit=kit)
    yield found
    found.close()


def ask(gateway: Gateway, body: bytes, request: str | None = None) -> Any:
    return orjson.loads(asyncio.run(gateway.respond(body, NOTHING_ASKED, b"", Caller(None, request))))


def test_a_card_is_answered_without_the_store_and_the_answer_can_be_read_and_repeated(
    gateway: Gateway, world: World, tmp_path: Path
):
    before = ask(gateway, world.body, "before")
    held = Held(tmp_path / "oracle.db")
    during = ask(gateway, world.body, "during")
    assert during["runners"] == before["runners"]
    assert [ask(gateway, world.body, name) for name in ("before", "during")] == [before, during]
    assert orjson.loads(gateway.prediction(during["prediction_id"])) == during
    health = health_of(gateway)
    assert (health.status, [(o.part, o.waiting) for o in health.outages]) == ("degraded", [("store", 1)])
    assert "1 rows wait on this machine" in health.reasons[0]
    held.end()
    until(lambda: gateway.commit.away is None)
    assert health_of(gateway).outages == ()
    assert gateway.store.predictions.count() == 2
    assert gateway.store.predictions.get(during["prediction_id"]).request_id == "during"


def test_what_needs_the_store_says_at_once_that_it_is_away_and_the_sender_may_repeat(
    gateway: Gateway, world: World, tmp_path: Path
):
    held = Held(tmp_path / "oracle.db")
    given = ask(gateway, world.body)["prediction_id"]
    app = http.build(gateway, max_body_bytes=10_000)
    event = {"event_id": "1", "prediction_id": given, "kind": "view", "at": "2026-05-03T12:00:00Z"}
    sent = [
        ("GET", "/v1/predictions/nobody-knows", b""),
        ("POST", "/v1/events", json.dumps({"events": [event]}).encode()),
        ("POST", "/v1/results", b"{}"),
    ]
    for method, path, body in sent:
        told = call(app, method, path, body)
        assert (told.status, told.headers["retry-after"]) == (503, "5"), path
        assert "our store is away since" in told.json()["error"]["message"]
    assert call(app, "GET", f"/v1/predictions/{given}").status == 200
    held.end()
    until(lambda: gateway.commit.away is None)
    assert call(app, *sent[1]).json() == {"new": 1, "same": 0, "unknown": []}


@pytest.mark.slow
def test_an_event_of_an_answer_that_another_process_has_not_brought_in_yet_is_not_called_unknown(
    gateway: Gateway, store: Store, standing: Gateway, world: World, tmp_path: Path
):
    held = Held(tmp_path / "oracle.db")
    kit = Kit(spool=tmp_path / "spool", patience=0.05, replica="other")
    slow = Store(f"sqlite:///{tmp_path / 'oracle.db'}", patience=0.05)
    other = Gateway(Shelf({"production": standing.slot.held().model}), slow, kit=kit)
    given = ask(other, world.body)["prediction_id"]
    other.commit.standby._closed.set()  # it hangs: its journal stays where it is, and is its own
    until(lambda: not other.commit.standby._thread.is_alive())
    held.end()
    until(lambda: gateway.commit.away is None)
    event = {"event_id": "1", "prediction_id": given, "kind": "view", "at": "2026-05-03T12:00:00Z"}
    app, body = http.build(gateway, max_body_bytes=10_000), json.dumps({"events": [event]}).encode()
    assert call(app, "POST", "/v1/events", body).status == 503
    other.close()
    until(lambda: store.predictions.count() == 1)
    until(lambda: call(app, "POST", "/v1/events", body).status == 200)
    assert store.events.count() == 1
    slow.close()


def test_a_replica_that_nobody_asks_notices_too_and_its_gauges_say_since_when(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    seconds = [0.0]
    watch = tend(gateway, Tasks(), lambda: NOON, clock=lambda: seconds[0])
    look(gateway, watch)
    gateway.commit.standby._closed.set()  # nobody finds it back while we look

    def gone(**_: object) -> None:
        raise Unavailable("our store did not answer")

    monkeypatch.setattr(gateway.store, "pulse", gone)
    look(gateway, watch)
    assert gateway.commit.away is None, "it stands by no more"
    gateway.commit.standby._closed.clear()
    seconds[0] = 1.0
    look(gateway, watch)
    assert gateway.commit.away.why == "our store did not answer"
    seconds[0] = 2.0
    look(gateway, watch)
    gauges = gateway.kit.tally.take().gauges
    assert gauges["oracle_store_away_seconds", ()] > 0
    assert gauges["oracle_spool_rows", ()] == 0
    assert gauges["oracle_registry_away_seconds", ()] == 0


def test_a_process_that_begins_without_the_store_lets_in_whom_it_let_in_last(tmp_path: Path):
    anna = Known("0" * 12, "anna", "hash", frozenset({"predict", "admin"}), 2e9, "expired", 60)
    answers: list[Snapshot | Unavailable] = [Snapshot({anna.token_id: anna})]

    def read() -> Snapshot:
        if isinstance(answers[-1], Unavailable):
            raise answers[-1]
        return answers[-1]

    def kept(key: bytes = KEY, after: int = 0) -> KeptTokens:
        return KeptTokens(read, tmp_path / "spool" / "tokens", key, 3600.0, lambda: NOON + after * SECOND)

    first = kept()
    assert first() == answers[0]
    assert (tmp_path / "spool" / "tokens").stat().st_mode & 0o777 == 0o600
    answers.append(Unavailable("gone"))
    assert kept(after=3600)() == answers[0]
    for refused in (kept(b"another key"), kept(after=3601), kept(after=-1), kept(b""), first):
        with pytest.raises(Unavailable):
            refused()
    answers.append(Snapshot())
    assert first() == Snapshot()
    answers.append(Unavailable("gone"))
    assert kept()() == Snapshot(), "a token that was revoked before the outage stays so"


# Alarms


def told(receiver: Any) -> list[str]:
    return [json.loads(body)["kind"] for _, body in receiver.accepted]


def test_an_alarm_reaches_its_receivers_without_the_store_and_is_in_it_afterwards_once(store: Store, tmp_path: Path):
    with receiving(500) as receiver:
        mine, other = (Alarm("store", tmp_path / "spool", settings(receiver.address), machine="box") for _ in range(2))
        for second in range(6):
            for each in (mine, other):
                each.ring(NOON + second * SECOND, "no route", NOON + second * SECOND)
        assert told(receiver) == ["store_away"]
        headers, body = receiver.accepted[0]
        assert genuine(headers, body, now=NOON)
        assert (mine.settle(store, NOON + 60 * SECOND), other.settle(store, NOON + 61 * SECOND)) == (True, False)
        assert told(receiver) == ["store_away", "store_back"]
    assert json.loads(receiver.accepted[1][1])["document"]["seconds"] == 60.0
    assert [a.kind for a in store.alerts.latest()] == ["store_back", "store_away"]
    (delivery,) = store.alerts.deliveries(store.alerts.latest()[1].alert_id)
    assert (delivery.attempts, delivery.delivered_at, delivery.next_at) == (2, NOON + 2 * SECOND, None)
    assert [p.name for p in (tmp_path / "spool").glob("*.json")] == []


def test_whoever_dies_while_he_tells_leaves_it_to_the_next(store: Store, tmp_path: Path):
    with receiving(500) as receiver:
        Alarm("artifacts", tmp_path, settings(receiver.address), machine="box").ring(NOON, "gone", NOON)
        assert told(receiver) == []
        heir = Alarm("artifacts", tmp_path, settings(receiver.address), machine="box")
        heir.ring(NOON + 9 * SECOND, "gone, he says", NOON + 9 * SECOND)
        assert told(receiver) == ["artifacts_away"]
        assert json.loads(receiver.accepted[0][1])["document"]["since"] == NOON.isoformat()
        assert heir.settle(store, NOON + 10 * SECOND)


def test_a_process_that_finds_it_back_a_little_later_than_another_opens_no_second_outage(store: Store, tmp_path: Path):
    with receiving() as receiver:
        first, second = (Alarm("store", tmp_path, settings(receiver.address), machine="box") for _ in range(2))
        first.ring(NOON, "gone", NOON)
        second.ring(NOON, "gone", NOON)
        first.settle(store, NOON + SECOND)
        second.ring(NOON, "gone", NOON + 2 * SECOND)
        assert told(receiver) == ["store_away", "store_back"]
        second.ring(NOON, "gone", NOON + 2 * SECOND + AGAIN)
        assert told(receiver)[2:] == ["store_away"]


def test_outages_of_two_machines_and_two_outages_of_one_are_four_alarms():
    ids = {message.away("store", where, "why", NOON + s * SECOND).alert_id for where in "ab" for s in (0, 1)}
    assert len(ids) == 4


class Bell:
    def __init__(self) -> None:
        self.rung: list[dt.datetime] = []
        self.settled = 0

    def ring(self, since: dt.datetime, why: str, now: dt.datetime) -> None:
        self.rung.append(now)

    def settle(self, store: Store, now: dt.datetime) -> bool:
        self.settled += 1
        return True


def test_the_alarm_waits_a_few_seconds_and_what_an_earlier_process_left_open_is_closed(gateway: Gateway):
    bell, moment = Bell(), [NOON]
    outages = Outages(gateway, {"store": bell}, lambda: moment[0])
    outages.look()
    outages.look()
    assert (bell.rung, bell.settled) == ([], 1)
    gateway.commit.standby.away = Away(NOON, "gone")
    for second in range(8):
        moment[0] = NOON + second * SECOND
        outages.look()
    assert bell.rung == [NOON + s * SECOND for s in (5, 6, 7)]
    gateway.commit.standby.away = None
    outages.look()
    assert bell.settled == 2


def test_a_process_that_has_just_begun_does_not_tell_that_the_artifacts_are_back(gateway: Gateway):
    bell = Bell()
    outages = Outages(gateway, {"artifacts": bell}, lambda: NOON)
    gateway.source.asked = False
    outages.look()
    assert bell.settled == 0
    gateway.source.asked = True
    outages.look()
    assert bell.settled == 1


# The registry and its artifacts


@pytest.fixture
def home(world: World, tmp_path: Path) -> Path:
    """A home of its own with the model in its cache."""
    shutil.copytree(world.home, tmp_path / "home")
    return tmp_path / "home"


def broken(registered: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise Unavailable("the tracking store did not answer")

    monkeypatch.setattr("oracle.serving.registered.resolve", gone)


def test_a_replica_that_begins_while_the_registry_is_away_serves_what_it_served_last(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
):
    wanted = load(home=home, tracking={"uri": f"sqlite:///{world.home / 'mlflow.db'}"})
    first = Registered(wanted, KEY).load(Target(), in_force=None)
    heir, stranger = Registered(wanted, KEY), Registered(wanted, b"another key")
    broken(heir, monkeypatch)
    again = heir.load(Target(), in_force=None)
    assert again.message == first.message
    assert heir.away.why.startswith("the tracking store did not answer")
    for lost in (stranger, Registered(wanted)):
        with pytest.raises(Unavailable):
            lost.load(Target(), in_force=None)
    with pytest.raises(Unavailable):
        heir.load(Target(version="latest"), in_force=None)  # that was never asked for
    with pytest.raises(Unavailable):
        heir.load(Target(), in_force=again)  # what stands here stays by the slot's own rule


@pytest.mark.parametrize(
    "attack", ["another digest", "another model", "a spoilt package", "too old", "from the future"]
)
def test_what_stands_in_for_the_registry_is_what_the_registry_said_and_nothing_else(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch, attack: str
):
    wanted = load(home=home, tracking={"uri": f"sqlite:///{world.home / 'mlflow.db'}"})
    moment = [NOON]
    Registered(wanted, KEY, lambda: moment[0]).load(Target(), in_force=None)
    (file,) = (home / "models").glob("last-known-*")
    seal, content = file.read_bytes().split(b"\n", 1)
    said = json.loads(content)
    if attack == "another digest":
        file.write_bytes(seal + b"\n" + content.replace(said["digest"].encode(), b"0" * 64))
    elif attack == "another model":
        monkeypatch.setenv("ORACLE_TRACKING__MODEL_NAME", "other")
        file.rename(file.with_name("last-known-0000"))
        wanted = load(home=home, tracking={"uri": f"sqlite:///{world.home / 'mlflow.db'}", "model_name": "other"})
    elif attack == "a spoilt package":
        next(p for p in (home / "models" / said["digest"]).rglob("*") if p.is_file()).write_bytes(b"spoilt")
    else:
        moment[0] += OLDEST + SECOND if attack == "too old" else -SECOND
    heir = Registered(wanted, KEY, lambda: moment[0])
    broken(heir, monkeypatch)
    with pytest.raises(Unavailable):
        heir.load(Target(), in_force=None)


def test_what_is_remembered_is_readable_by_nobody_else_and_not_written_without_need(world: World, tmp_path: Path):
    version = resolve(connect(load(home=world.home)))
    memory = Remembered(tmp_path, "here", KEY)
    memory.keep(Target(), version, named(version), NOON)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat().st_mtime_ns
    memory.keep(Target(), version, named(version), NOON + SECOND)
    assert file.stat().st_mtime_ns == before
    assert memory.find(Target(), NOON + SECOND).message == named(version)


def test_the_artifacts_are_asked_for_and_one_whose_bucket_is_gone_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The registry answers, and its artifacts are not where it says."""
    wanted = load(home=world.home)
    found = Registered(wanted, KEY)
    serving = found.load(Target(), in_force=None).message
    assert not found.asked
    found.look(serving)
    assert (found.away, found.asked) == (None, True)
    with monkeypatch.context() as emptied:
        emptied.setattr("mlflow.artifacts.list_artifacts", lambda **_: [])
        found.look(serving)
    assert "not in the artifact store" in found.away.why
    found.look(serving)
    assert found.away is None


class Registry(Shelf):
    away: Away | None = None
    looks = 0

    def look(self, serving: object) -> None:
        self.looks += 1


def test_the_alias_is_followed_in_its_time_and_at_once_when_the_registry_is_back(standing: Gateway):
    model, seconds = standing.slot.held().model, [0.0]
    registry = Registry({"production": model})
    slot = Slot(registry, None, now=lambda: NOON)
    slot.follow(Target())
    following = Following(slot, registry, every=30.0, clock=lambda: seconds[0])
    following.look()
    held = slot.held()
    assert (registry.asked, registry.looks) == (1, 1)
    registry.versions["production"] = Unavailable("gone")
    registry.away = Away(NOON, "gone")
    seconds[0] = 31.0
    following.look()
    assert isinstance(following.trouble, Unavailable)
    assert slot.held() is held
    registry.versions["production"] = model
    seconds[0] = 40.0

    def back(_: object) -> None:
        registry.away = None

    registry.look = back  # type: ignore[method-assign]
    following.look()
    assert (following.trouble, registry.asked) == (None, 3)


def test_a_version_that_is_slow_to_fetch_holds_up_no_result(standing: Gateway, store: Store):
    """A registry that hangs must not keep the form from moving on."""
    model, go, began = standing.slot.held().model, threading.Event(), threading.Event()

    class Slow(Shelf):
        def load(self, target: Target, *, in_force: Served | None) -> Served:
            if target.version == "2":
                began.set()
                assert go.wait(20)
            return super().load(target, in_force=in_force)

    slot = Slot(Slow({"1": model, "2": model}), store.results, now=lambda: NOON)
    slot.follow(Target(version="1"))
    thread = threading.Thread(target=lambda: slot.follow(Target(version="2")))
    thread.start()
    assert began.wait(20)
    assert slot.catch_up() == 0
    assert slot.held().message.version == "1"
    go.set()
    thread.join(20)
    assert slot.held().message.version == "2"


def test_an_empty_slot_is_filled_without_results_where_the_store_is_away(standing: Gateway):
    model = standing.slot.held().model

    class Gone:
        def since(self, seq: int) -> list[object]:
            raise Unavailable("our store did not answer")

    slot = Slot(Shelf({"1": model, "2": model}), Gone(), now=lambda: NOON)
    slot.follow(Target(version="1"))
    assert slot.held().seq == 0
    slot.follow(Target(version="2"))
    assert (slot.held().message.version, isinstance(slot.refused, Unavailable)) == ("1", True)
    slot.follow(Target(version="9"))
    assert isinstance(slot.refused, NoSuchModel)
