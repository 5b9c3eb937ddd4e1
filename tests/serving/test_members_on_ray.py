"""The ensemble spread over a real cluster answers to the last bit as it does in one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.ensemble.race_model import RaceModel
from oracle.serving.body import read_card
from oracle.serving.wiring import GatewayArgs, gateway, wire
from tests.serving.clusters import ask
from tests.serving.conftest import World
from tests.serving.live import live


@pytest.mark.cluster
def test_members_spread_out_answer_to_the_last_bit(world: World, tmp_path: Path):
    standing = gateway(wire(GatewayArgs(home=world.home)))
    model = standing.slot.held().model
    assert isinstance(model, RaceModel)
    with live(
        world.home, tmp_path / "log", replicas=1, args={"composition": "distributed", "challengers": 0}
    ) as spread:
        assert model.market is not None
        for name in {**model.form.used, **model.market.used}:
            spread.until(lambda _, name=name: bool(spread.processes(f"member-{name}")), 1, seconds=120)
        for number in range(20):
            body = json.dumps({**json.loads(world.body), "race_id": f"spread-{number}"}).encode()
            told = ask(spread.port, "POST", "/v1/predict", body, {"content-type": "application/json"}).json()
            [said] = model.predict([read_card(body).as_card()])
            assert [(r["score"], r["win"], r["place"]) for r in told["runners"]] == [
                (r.score, r.win, r.place) for r in said.runners
            ]
