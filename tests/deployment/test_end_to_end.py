"""The whole way of a model, embedded and in production, by three people: from results to a rollback under load."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from oracle import settings
from oracle import store as stores
from oracle.data.cards import cards_of
from oracle.data.dataset import Dataset
from oracle.errors import Refused
from oracle.race import Status
from oracle.store import Prediction
from tests.deployment.houses import Commands, Embedded, House, LocalProd, Told

MAPPING = Path(__file__).resolve().parents[2] / "scripts" / "demo_mapping.toml"
RACES, LAST_DAYS = 400, 1
IN_FORCE = 60.0
"""Seconds within which a rollback has to be in force."""


@pytest.fixture(params=["embedded", pytest.param("local-prod", marks=[pytest.mark.services, pytest.mark.cluster])])
def house(request: pytest.FixtureRequest, oracle_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    if request.param == "embedded":
        yield Embedded(oracle_home, monkeypatch)
    else:
        yield LocalProd(request.getfixturevalue("deployment"), monkeypatch)


class Visitors:
    """People who ask for cards one after the other, until the block ends."""

    def __init__(self, house: House, card: dict[str, Any]) -> None:
        self._house, self._card, self.told = house, card, list[Told]()
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._stop.is_set():
            card = {**self._card, "race_id": f"load-{len(self.told)}"}
            try:
                self.told.append(self._house.ask("POST", "/v1/predict", card, f"user-{len(self.told) % 50}"))
            except OSError as error:
                self.told.append(Told(0, repr(error)))

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    @property
    def failed(self) -> list[Told]:
        return [each for each in self.told if each.status != 200]


def published(oracle: Commands, folder: Path) -> tuple[Path, Path, pd.DataFrame]:
    """Simulate a world and return its results as somebody's CSV, without the last days and whole; and its rows."""
    oracle("simulate", "--races", RACES, "--seed", 7, "--out", folder / "world")
    rows = Dataset(folder / "world").read()
    columns = tomllib.loads(MAPPING.read_text("utf-8"))["columns"]
    texts = rows.assign(off=rows["off"].dt.strftime("%Y-%m-%d %H:%M"), date=rows["date"].dt.strftime("%Y-%m-%d"))
    days = sorted(rows["date"].unique())
    files = folder / "early.csv", folder / "all.csv"
    for file, kept in zip(files, (texts[rows["date"] < days[-LAST_DAYS]], texts), strict=True):
        kept[list(columns)].rename(columns=columns).to_csv(file, sep=";", index=False)
    return *files, rows


def card_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Return a card of known horses, a day after the last race."""
    *_, last = cards_of(rows[~rows["status"].isin([Status.WITHDRAWN, Status.VOID])])
    card = dataclasses.replace(last, off=last.off + dt.timedelta(days=1), race_id="tomorrow-1")
    told: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(card), default=str))
    return told | {"off": card.off.isoformat()}


def until_served(house: House, card: dict[str, Any], version: int, seconds: float = IN_FORCE) -> float:
    """Return the seconds until a version answers."""
    began, told = time.monotonic(), Told(0, None)
    while time.monotonic() - began < seconds:
        told = house.ask("POST", "/v1/predict", {**card, "race_id": f"probe-{time.monotonic_ns()}"})
        if told.status == 200 and told.document["model"]["version"] == str(version):
            return time.monotonic() - began
        threading.Event().wait(0.05)
    raise AssertionError(told)


def kept() -> list[Prediction]:
    """Return every prediction in the store of whoever acts."""
    store = stores.open(settings.load())
    try:
        return list(store.predictions.between())
    finally:
        store.close()


def into_service(house: House, oracle: Commands, version: int, *more: object) -> dict[str, Any]:
    """Bring a version into service: the scientist asks, and may not say yes; the approver does."""
    house.become("scientist")
    asked: dict[str, Any] = oracle("model", "promote", version, "--reason", "it is better", *more)
    assert asked["status"] == "waits", asked
    with pytest.raises(Refused):
        oracle("model", "approve", asked["request"], "--reason", "it is mine")
    house.become("approver")
    done: dict[str, Any] = oracle("model", "approve", asked["request"], "--reason", "I looked at the evidence")
    assert done["approved_by"] == "approver"
    return asked


def test_three_people_bring_a_model_into_service_test_another_and_go_back(
    house: House, capfd: pytest.CaptureFixture[str], tmp_path: Path, request: pytest.FixtureRequest
):
    oracle = Commands(capfd)
    began = dt.datetime.now(dt.UTC)
    if isinstance(house, Embedded):  # who was set up together with the MLflow server elsewhere
        oracle("people", "add", "admin", "--role", "admin")
        house.become("admin")
        for person in ("scientist", "approver"):
            oracle("people", "add", person, "--role", person)
    early, whole, rows = published(oracle, tmp_path)
    card = card_of(rows)

    house.become("scientist")
    oracle("ingest", early, "--mapping", MAPPING, "--out", tmp_path / "races")
    assert oracle("train", "--data", tmp_path / "races")["model_version"] == 1
    into_service(house, oracle, 1)
    until_served(house, card, 1)

    order = [r for r in card["runners"] if not r.get("withdrawn")]
    ran = [{"horse": r["horse"], "horse_id": r["horse_id"], "position": n} for n, r in enumerate(order, 1)]
    race = {"race_id": card["race_id"], "course": card["course"], "off": card["off"], "runners": ran}
    predicted = house.ask("POST", "/v1/predict", card, "somebody")
    assert predicted.status == 200
    result = house.ask("POST", "/v1/results", {"races": [race]})
    assert result.status == 200
    assert result.document["races"][0]["predictions"] >= 1

    house.become("scientist")
    oracle("ingest", whole, "--mapping", MAPPING, "--out", tmp_path / "more")
    assert oracle("train", "--data", tmp_path / "more")["model_version"] == 2
    oracle(
        "ab",
        "start",
        "may",
        "--treatment",
        2,
        "--share",
        0.5,
        "--mean",
        0.5,
        "--sd",
        0.3,
        "--rho",
        0.95,
        "--races-per-day",
        500,
    )
    ends, arms = time.monotonic() + IN_FORCE, set[str | None]()
    while arms != {"control", "treatment"} and time.monotonic() < ends:
        for user in range(8):
            assert house.ask("POST", "/v1/predict", {**card, "race_id": f"ab-{user}"}, f"user-{user}").status == 200
        arms = {row.arm for row in kept() if row.experiment == "may"}
    assert arms == {"control", "treatment"}
    assert oracle("ab", "status", "may")["status"] == "running"
    assert oracle("ab", "stop", "may", "--reason", "seen enough")["status"] == "stopped"

    into_service(house, oracle, 2)
    until_served(house, card, 2)
    with Visitors(house, card) as visitors:
        clicked = time.monotonic()
        back = oracle("model", "rollback", "--reason", "the second one disappoints")
        in_force = until_served(house, card, 1) + time.monotonic() - clicked
    assert (back["version"], back["replaced"]) == (1, 2)
    assert in_force < IN_FORCE
    assert visitors.told
    assert visitors.failed == []

    house.become("admin")
    assert oracle("audit", "verify")["sound"]
    log = oracle("audit", "log", "--last", 1000)["entries"]
    done = {(e["actor"], e["outcome"]) for e in log if e["at"] >= began.isoformat()}
    assert {("scientist", "allowed"), ("scientist", "refused"), ("approver", "allowed")} <= done
    request.node.user_properties.append(("rollback_seconds", round(in_force, 2)))
    request.node.user_properties.append(("requests", len(visitors.told)))
