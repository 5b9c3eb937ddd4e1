"""A thousand identifiers of invented people through every door: none of them is found in what is kept or logged.

A real gateway behind a real HTTP server, a real store, a real MLflow and the log of the whole process; then every byte
of the databases, the files and the log is searched.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import logging
import sys
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from oracle.alerts.message import Message
from oracle.alerts.outbox import Outbox
from oracle.errors import BadInput
from oracle.governance import logs
from oracle.governance.audit import GENESIS, digest
from oracle.governance.privacy import certain
from oracle.serving.caller import Tokens
from oracle.serving.door import Door
from oracle.serving.replicas import GatewayProcess
from oracle.serving.wiring import GatewayArgs, wire, with_key
from oracle.settings import AlertSettings, Settings
from oracle.store import Grant, Store
from oracle.store.retrainings import Decision, Step
from oracle.tracking import runs
from oracle.tracking.connection import Tracking, connect
from tests.governance.people import identifiers, unclear
from tests.serving.conftest import World, as_body
from tests.store.rows import NOON, check, experiment, retraining
from tests.store.test_governed import REQUEST, RULING, entry
from tests.tracking.stores import fresh_home

COUNT = 1000
SEED = 6_006
FIELDS = ("horse", "jockey", "trainer", "sire", "gear")
JSON = {"content-type": "application/json"}


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Path]:
    """The file to which every logger of the process writes all it has to say, as a replica's do."""
    factory, hooks = logging.getLogRecordFactory(), (sys.excepthook, threading.excepthook)
    file = tmp_path / "logs" / "process.log"
    file.parent.mkdir()
    handler = logging.FileHandler(file)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for client in ("httpx", "httpcore"):  # the caller's own, not ours
        logging.getLogger(client).setLevel(logging.WARNING)
    logs.install()
    yield file
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()
    logging.setLogRecordFactory(factory)
    sys.excepthook, threading.excepthook = hooks


@contextlib.contextmanager
def served(app: Any) -> Iterator[httpx.Client]:
    """A client of a server on a free port, with a line per request in the log."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, log_level="debug"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)


def card_of(world: World, names: Sequence[str], at: int) -> dict[str, Any]:
    """Return a card with an identifier in every text of it, each at another place in each card."""
    card = json.loads(as_body(world.card, race_id=f"race-{at}"))
    turn = itertools.islice(itertools.cycle(names), at, None)
    for runner in card["runners"]:
        runner |= {field: next(turn) for field in FIELDS}
        runner["horse_id"] = next((name for name in (next(turn),) if certain(name)), None)
        runner["jockey_id"] = runner["trainer_id"] = None
    return card | {field: next(turn) for field in ("course", "race_name", "race_class", "track")}


def through_http(client: httpx.Client, world: World, names: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    """Send every identifier in every place of a request, well-formed and not."""
    first = ""
    for at, name in enumerate(names):
        card = card_of(world, names, at)
        who = {b"x-user-id": name.encode(), b"x-request-id": name.encode()}
        told = client.post("/v1/predict", json=card, headers=who)
        assert told.status_code == 200, told.text
        assert told.json()["runners"][0]["horse"] == card["runners"][0]["horse"]
        first = first or told.json()["prediction_id"]
        if at % 10 == 0:
            again = client.post("/v1/predict", json=card, headers=who)
            assert again.json()["prediction_id"] == told.json()["prediction_id"]
        small = {"course": "X", "off": card["off"], "race_id": name, "runners": [{"horse": "A"}, {"horse": "B"}]}
        assert client.post("/v1/predict", json=small).status_code == (422 if certain(name) else 200)
    event = {"kind": "view", "at": "2025-06-01T15:31:07+08:00", "prediction_id": first}
    for some in texts:
        quoted = [urllib.parse.quote(name, safe="") for name in some]
        body = as_body(world.card)
        assert client.post(f"/v1/predict?{'=&'.join(quoted[:10])}=1", content=body).status_code == 422
        assert client.get(f"/v1/predictions/{quoted[0]}?{'=x&'.join(quoted)}").status_code in (404, 422)
        assert client.get(f"/v1/{'/x/'.join(quoted)}", headers={"x-user-id": quoted[0]}).status_code == 404
        assert client.post("/v1/predict", content="; ".join(some).encode(), headers=JSON).status_code == 422
        wrong = json.loads(body) | dict.fromkeys(some, 1) | {"distance_m": some[0], "going": some[1]}
        assert client.post("/v1/predict", json=wrong).status_code == 422
        told = client.post("/v1/events", json={"events": [event | {"event_id": name} for name in some]})
        assert told.status_code == 422
    results_through_http(client, names, texts)


def results_through_http(client: httpx.Client, names: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    turn = itertools.cycle(names)
    for month in range(1, 8):
        races = [
            {"course": next(turn), "off": f"2024-0{month}-{day:02}T15:{minute:02}:00+08:00", "race_name": next(turn)}
            | {
                "runners": [
                    {"horse": f"H{i}", "position": i, "jockey": next(turn), "gear": next(turn)} for i in (1, 2, 3)
                ]
            }
            for day in range(1, 6)
            for minute in range(20)
        ]
        assert client.post("/v1/results", json={"races": races}).status_code == 200
    for some in texts:
        races = [
            {"race_id": n, "course": n, "off": "2024-06-01T15:00:00+08:00", "runners": [{"horse": n}]} for n in some
        ]
        assert client.post("/v1/results", json={"races": races}).status_code == 422


def through_store(kept: Store, texts: Sequence[str], names: Sequence[str]) -> list[Message]:
    """Write every identifier wherever people write freely; return what receivers of alerts were told."""
    posted: list[Message] = []
    settings = AlertSettings(webhooks=("https://receiver.example/x",), secret="s" * 16)

    def post(address: str, told: Message, now: dt.datetime) -> str | None:
        posted.append(told)
        return f"not taken: {told.title}"

    outbox = Outbox(kept, settings, post)
    for at, text in enumerate(texts):
        told = json.dumps({"why": text, text: [text]}, ensure_ascii=at % 2 == 0)
        kept.experiments.start(experiment(f"x{at}", started_at=NOON + dt.timedelta(hours=at)))
        kept.experiments.ramp(f"x{at}", (0.2,), "anna", text, NOON)
        kept.experiments.end(f"x{at}", "stopped", text, "anna", NOON)
        kept.checks.add(check(f"c{at}", document=told))
        kept.retrainings.decide(Decision(event_id=f"e{at}", at=NOON, decision="wait", causes=told))
        kept.retrainings.start(retraining(f"n{at}", cause=told))
        kept.retrainings.step(Step(retraining_id=f"n{at}", step="s", status="done", at=NOON, document=told))
        kept.retrainings.end(f"n{at}", "failed", text, NOON)
        outbox.tell(Message(f"a{at}", NOON, "drift", "warning", text, {"why": text, text: [text]}))
        outbox.deliver(NOON)
        kept.audit.append(entry(f"t{at}", target=text, reason=text, before=told, after=told))
        kept.approvals.ask(replace(REQUEST, request_id=f"r{at}", reason=text), entry(f"ra{at}"))
        kept.approvals.rule(replace(RULING, request_id=f"r{at}", reason=text), entry(f"rb{at}"))
    for name in filter(certain, names):
        with pytest.raises(BadInput):
            kept.people.grant(Grant(grant_id=name, at=NOON, name=name, roles="admin", actor="root"), entry(f"g{name}"))
        with pytest.raises(BadInput):
            kept.experiments.start(experiment(name))
        kept.audit.append(entry(f"actor {names.index(name)}", actor=name))
    return posted


def through_mlflow(home: Path, texts: Sequence[str], names: Sequence[str]) -> None:
    from mlflow.entities import Param, RunTag

    tracking = connect(Settings(home=home, tracking={"experiment": "of-a-test"}))
    client = tracking.client
    for first in range(0, len(names), 100):
        part = names[first : first + 100]
        opened = client.create_run(tracking.experiment_id, tags={"note": part[0]}, run_name=part[1])
        client.log_batch(
            opened.info.run_id,
            params=[Param(f"p{i}", name) for i, name in enumerate(part)],
            tags=[RunTag(f"t{i}", name) for i, name in enumerate(part)],
        )
        client.log_text(opened.info.run_id, "\n".join(part), "note.txt")
        client.set_tag(opened.info.run_id, "one", part[2])
        client.log_param(opened.info.run_id, "one", part[3])
        client.update_run(opened.info.run_id, name=part[4])
        client.set_experiment_tag(tracking.experiment_id, "note", part[5])
    for at, text in enumerate(texts[:5]):
        client.create_registered_model(f"m{at}", tags={"note": text}, description=text)
        client.update_registered_model(f"m{at}", description=text)
        client.set_registered_model_tag(f"m{at}", "other", text)
        with pytest.raises(ValueError, match="/"):
            _fail(tracking, text)


def _fail(tracking: Tracking, text: str) -> None:
    with runs.run(tracking, text, {"note": text}) as recorder:
        recorder.artifact_json("note.json", {"why": text})
        recorder.tags({"more": text})
        raise ValueError(text)


class _Failing:
    """A gateway that repeats what it was sent in an exception that nobody foresaw."""

    def __init__(self, tally: Any) -> None:
        self.kit, self.model = type("Kit", (), {"tally": tally}), None

    async def respond(self, body: bytes, *_: object) -> bytes:
        raise ValueError(body.decode())


def through_failures(tally: Any, texts: Sequence[str]) -> None:
    broken = Door(None, _Failing(tally), tokens=Tokens(), pseudonym=str, max_body_bytes=10_000)  # type: ignore[arg-type]
    with served(broken) as client:
        for text in texts:
            assert client.post("/v1/predict", content=text.encode(), headers=JSON).status_code == 500


def ways_to_write(name: str) -> set[bytes]:
    """Return an identifier as databases, addresses and JSON may hold it, and the street of an address alone."""
    first = name.split(",")[0]
    street = [first] if len(first) > 10 and any(map(str.isdigit, first)) and first != name else []
    return {
        way.encode()
        for text in (name, *street)
        for way in (text, urllib.parse.quote(text), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    }


@pytest.mark.slow
def test_a_thousand_identifiers_through_every_door_leave_no_trace(
    world: World,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    logged: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    names = identifiers(SEED, COUNT, lambda kind, text: not unclear(kind, text) and len(text) <= 120)
    groups = [names[at : at + 25] for at in range(0, COUNT, 25)]
    texts = [" / ".join(group) for group in groups]
    home, mlflow = tmp_path / "home", fresh_home(tmp_path_factory)
    home.mkdir()
    wiring = with_key(wire(GatewayArgs(home=home, tracking_uri=f"sqlite:///{world.home / 'mlflow.db'}")))
    process = GatewayProcess(wiring, {}, cause=lambda _: "error", export=lambda _: None)
    posted: list[Message] = []
    try:
        with served(process.app) as client:
            through_http(client, world, names, groups)
        through_failures(process.gateway.kit.tally, texts)
        posted = through_store(process.gateway.store, texts, names)
        through_mlflow(mlflow, texts, names)
        kept = list(process.gateway.store.predictions.between())
        links = process.gateway.store.audit.links(most=100_000)
    finally:
        process.close()
    printed = capfd.readouterr()

    assert len({p.user for p in kept}) == COUNT + 1
    assert len(posted) > 0
    assert logged.stat().st_size > 100 * COUNT
    previous = GENESIS
    for link in links:
        assert (link.previous, link.hash) == (previous, digest(link.position, previous, link.entry))
        previous = link.hash
    folders = (home, mlflow, logged.parent)
    files = {f: f.read_bytes() for folder in folders for f in folder.rglob("*") if f.is_file() and f.suffix != ".lock"}
    files[Path("printed")] = (printed.out + printed.err).encode()
    files[Path("posted")] = json.dumps([astuple(each) for each in posted], default=str).encode()
    files[Path("answers")] = "\n".join(p.card + p.answer for p in kept).encode()
    leaks = {
        (name, file.name)
        for name in names
        for way in ways_to_write(name)
        for file, said in files.items()
        if way in said
    }
    assert not leaks
