"""A small real model in a registry of its own, made once for the whole session."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pytest
from fastapi import FastAPI

from oracle.race import RaceCard
from oracle.serving import http
from oracle.serving.gateway import Gateway
from oracle.serving.wiring import GatewayArgs, gateway, wire
from tests.serving import small_model
from tests.serving.calls import Answer, call
from tests.tracking.stores import fresh_home


@dataclass(frozen=True)
class World:
    """A home with a registered model, and what it was trained on."""

    home: Path
    results: pd.DataFrame
    card: RaceCard
    """Known horses that meet again the day after the last race."""

    @property
    def body(self) -> bytes:
        return as_body(self.card)


def as_body(card: RaceCard, **changes: object) -> bytes:
    return json.dumps(asdict(card) | {"off": card.off.isoformat()} | changes).encode()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    results = small_model.history()
    return World(_trained(tmp_path_factory, results), results, small_model.next_card(results))


def _trained(factory: pytest.TempPathFactory, results: pd.DataFrame) -> Path:
    """Return a home with the model, trained once for all workers of this test run."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _train(factory, results)
    told = factory.getbasetemp().parent / "serving-world"
    with told.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_text(str(_train(factory, results)))
    return Path(told.read_text())


def _train(factory: pytest.TempPathFactory, results: pd.DataFrame) -> Path:
    home = fresh_home(factory)
    small_model.enter(home, results, factory.mktemp("data") / "world")
    return home


@pytest.fixture
def world_home(world: World, oracle_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment names the home with the model; nothing else of the machine is seen."""
    monkeypatch.setenv("ORACLE_HOME", str(world.home))
    return world.home


@pytest.fixture(scope="session")
def standing(world: World) -> Gateway:
    """A gateway that answers with the model."""
    return gateway(wire(GatewayArgs(home=world.home)))


@pytest.fixture(scope="session")
def app(standing: Gateway) -> FastAPI:
    return http.build(standing, max_body_bytes=262_144)


@pytest.fixture(scope="session")
def ask(app: FastAPI) -> Callable[..., Answer]:
    """A function that sends one request to the app."""
    return lambda method, path, body=b"", headers=None: call(app, method, path, body, headers)
