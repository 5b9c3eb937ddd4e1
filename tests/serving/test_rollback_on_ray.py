"""A rollback on a live app: one act, and nobody without an answer while the replicas follow."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from oracle.governance.gates import PromotionPolicy
from oracle.governance.roles import ROLES, Actor
from oracle.registry.lifecycle import download, register
from oracle.registry.local import LocalAuthority
from oracle.registry.versions import resolve
from oracle.settings import Settings
from oracle.store import embedded
from oracle.tracking.connection import connect
from oracle.tracking.runs import run
from tests.governance.measured import validation
from tests.serving.conftest import World
from tests.serving.live import Users, live

pytestmark = pytest.mark.cluster
FOLLOW = 2.0
"""Seconds between two looks of a replica at the alias; 30 by default."""


def test_a_rollback_under_load_is_in_force_within_a_minute_and_fails_no_request(world: World, tmp_path: Path) -> None:
    home = Path(shutil.copytree(world.home, tmp_path / "home"))
    settings = Settings(home=home)
    tracking, store = connect(settings), embedded(home)
    old = resolve(tracking)
    assert old.facts is not None
    with run(tracking, "the same, learned again") as recorder:
        facts = dataclasses.replace(old.facts, data="later")
        package = download(tracking, old, home / "models")
        new = register(tracking, package, world.card, facts, recorder.run_id)

    def ann() -> LocalAuthority:
        now = dt.datetime.now(dt.UTC)
        return LocalAuthority(tracking, store, PromotionPolicy(), Actor("ann", frozenset(ROLES)), now)

    request = ann().request(new.number, reason="better", measured={"validation": validation(old.number)}).request
    ann().promote(request.request_id)
    env = {"ORACLE_SERVING__FOLLOW_SECONDS": f"{FOLLOW:g}"}
    body: dict[str, Any] = json.loads(world.body)
    with live(home, tmp_path / "log", env=env, args={"challengers": 0}) as cluster:
        cluster.until(lambda told: told["model"]["version"] == str(new.number), 2)
        with Users(cluster, body, rate=20) as users:
            _until_asked(users, 20)
            began = time.monotonic()
            done = ann().rollback(reason="complaints")
            cluster.until(lambda told: told["model"]["version"] == str(old.number), 2)
            took = time.monotonic() - began
            _until_asked(users, len(users.asked) + 20)
    told = [each.told["model"]["version"] for each in sorted(users.asked, key=lambda each: each.sent) if each.told]
    assert (done.kind, done.version, done.replaced) == ("rollback", old.number, new.number)
    assert users.failed == []
    assert (told[0], told[-1]) == (str(new.number), str(old.number))
    assert took < 60
    store.close()


def _until_asked(users: Users, count: int) -> None:
    until = time.monotonic() + 60
    while len(users.asked) < count:
        assert time.monotonic() < until, users.failed[-1:]
        time.sleep(0.02)
