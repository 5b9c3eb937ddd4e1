"""`oracle tune` and `oracle train --recipe` refuse what cannot be done before anything is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.ensemble.recipe import SHIPPED, read
from oracle.errors import BadInput, Refused, UnreadableFile
from oracle.settings import Settings
from oracle.tuning.sweep import Request, Subject, sweep
from tests.models import world
from tests.tracking.stores import fresh_home
from tests.training.commands import oracle


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ({"trials": 0}, "0"),
        ({"trials": -3}, "-3"),
        ({"seconds": -1.0}, "-1"),
        ({"seconds": 0.0}, "0"),
        ({"cpus": 0}, "0"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(wrong: dict, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        Request(**wrong)
    assert str(caught.value.value).startswith(value)
    assert caught.value.allowed


def test_a_family_that_cannot_be_tuned_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BadInput) as caught:
        Request(families=("win", "wni"))
    assert caught.value.value == "wni"


def test_a_sweep_of_other_races_is_refused_before_anything_is_started(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps({"format": 1, "id": "x", "dataset": "another"}))
    settings = Settings(home=fresh_home(tmp_path_factory))
    subject = Subject("world", "this one", world.history(), {})
    with pytest.raises(Refused, match="another dataset") as caught:
        sweep(subject, settings, Request(resume=True), tmp_path, "y", lambda _: None)
    assert (caught.value.value, caught.value.allowed) == ("this one", "another")


@pytest.mark.slow
def test_the_command_ends_with_2_and_one_document_where_there_is_nothing_to_resume(tmp_path: Path) -> None:
    done = oracle(tmp_path, "tune", "--json", "--data", tmp_path / "nowhere", "--resume")
    assert (done.code, done.document["error"]["message"]) == (2, "there is no sweep to resume")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "members": {}}'])
def test_a_recipe_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(BadInput):
        read(tmp_path / "recipe.json")
    with pytest.raises(UnreadableFile):
        read(tmp_path / "missing.json")


def test_a_recipe_reads_back_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(SHIPPED.as_dict()))
    assert read(tmp_path / "recipe.json") == SHIPPED
