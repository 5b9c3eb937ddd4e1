"""Combinations over HTTP and on the command line: asked for, they are there, and they add up."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.cli.predict import predict, table
from oracle.race import CardPrediction, RunnerPrediction
from oracle.ranking.plackett_luce import NONE, Discount
from oracle.serving.exotics import exotics
from oracle.serving.gateway import Gateway
from oracle.serving.messages import PredictionMessage
from tests.serving.calls import Answer
from tests.serving.conftest import World, as_body

Ask = Callable[..., Answer]
JSON = {"content-type": "application/json"}
MOST = {2: (2, 1, 2, 0), 3: (3, 3, 6, 6), 4: (4, 6, 12, 24)}
"""Combinations of place, quinella, exacta and trifecta, by the number of starters."""


def said(wins: list[float], withdrawn: int = 0, places: int = 1) -> CardPrediction:
    """Return an answer with these win probabilities, and some withdrawn runners first."""
    gone = [RunnerPrediction(f"Gone {i}", 90 + i, None, None, 0.0, 0.0, None, None, True) for i in range(withdrawn)]
    run = [RunnerPrediction(f"Horse {i}", i, i + 1, 0.0, p, p, None, None, True) for i, p in enumerate(wins)]
    return CardPrediction((*gone, *run), "form", places)


def test_combinations_come_only_when_they_are_asked_for(ask: Ask, world: World):
    assert ask("POST", "/v1/predict", world.body, JSON).json()["exotics"] is None
    told = ask("POST", "/v1/predict?exotics=3", world.body, JSON)
    answer = PredictionMessage.model_validate_json(told.body)
    assert answer.exotics is not None
    for pool in ("place", "quinella", "exacta", "trifecta"):
        found = getattr(answer.exotics, pool)
        assert len(found) == 3
        assert [c.prob for c in found] == sorted((c.prob for c in found), reverse=True)
        assert all(c.fair_odds == pytest.approx(1 / c.prob) for c in found)
    first = max(answer.runners, key=lambda r: r.win)
    assert answer.exotics.exacta[0].horses[0] == first.horse
    assert answer.exotics.place[0].prob == pytest.approx(max(r.place for r in answer.runners))
    again = ask("GET", f"/v1/predictions/{answer.prediction_id}")
    assert again.body == told.body


@pytest.mark.parametrize("asked", ["-1", "101", "many", "1.5"])
def test_an_impossible_number_is_refused_by_its_name(ask: Ask, world: World, asked: str):
    told = ask("POST", f"/v1/predict?exotics={asked}", world.body, JSON)
    assert told.status == 422
    assert (told.json()["error"]["field"], told.json()["error"]["value"]) == ("?exotics", asked)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=4).filter(any), st.integers(0, 3))
def test_withdrawn_runners_are_in_no_combination_and_all_of_them_sum_to_one(wins: list[float], withdrawn: int):
    told = exotics(said([w / sum(wins) for w in wins], withdrawn), Discount.henery(), 100)
    for pool, count in zip(("place", "quinella", "exacta", "trifecta"), MOST[len(wins)], strict=True):
        found = getattr(told, pool)
        assert len(found) == count
        assert not any(horse.startswith("Gone") for one in found for horse in one.horses)
        assert sum(one.prob for one in found) == pytest.approx(1 if count else 0, abs=1e-9)


def test_the_discount_of_the_model_is_the_one_that_is_used():
    plain, flat = (exotics(said([0.6, 0.3, 0.1]), d, 1) for d in (NONE, Discount(0.5, 0.5, 0.5)))
    assert plain.exacta[0].prob == pytest.approx(0.6 * 0.75)
    assert flat.exacta[0].prob < plain.exacta[0].prob


def test_a_scratched_favourite_is_gone_from_every_pool(standing: Gateway, world: World):
    favourite = max(standing.predict(world.body).runners, key=lambda r: r.win)
    runners = [dataclasses.replace(r, withdrawn=r.horse == favourite.horse) for r in world.card.runners]
    told = standing.predict(as_body(dataclasses.replace(world.card, runners=tuple(runners))), exotics=100)
    assert told.exotics is not None
    named = {
        h for pool in ("place", "quinella", "exacta", "trifecta") for c in getattr(told.exotics, pool) for h in c.horses
    }
    assert favourite.horse not in named
    assert len(named) > 2


def test_the_command_shows_them_as_tables(
    world_home: Path, world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    file = tmp_path / "card.json"
    file.write_bytes(world.body)
    predict(str(file), exotics=2)
    lines = capfd.readouterr().out.splitlines()
    for pool in ("place", "quinella", "exacta", "trifecta"):
        at = next(i for i, line in enumerate(lines) if line.split()[:1] == [pool])
        assert all("%" in line for line in lines[at + 1 : at + 3])
    predict(str(file), exotics=2, json=True)
    assert len(json.loads(capfd.readouterr().out)["exotics"]["trifecta"]) == 2


def test_without_combinations_the_table_is_as_ever(standing: Gateway, world: World):
    assert "trifecta" not in table(standing.predict(world.body))
