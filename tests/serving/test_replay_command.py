"""`oracle ab replay` on registered versions: the document, the page, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.data.dataset import Dataset
from tests.serving.conftest import World


class End(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@pytest.fixture(scope="module")
def data(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "races"
    Dataset(str(path)).append(world.results)
    return path


@pytest.fixture
def replay(
    world_home: Path, data: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., End]:
    def run(*words: object, control: str = "1", treatment: str = "production") -> End:
        monkeypatch.setattr(output._Result, "claim", classmethod(lambda _: None))
        line = ["ab", "replay", "--control", control, "--treatment", treatment, "--data", data, *words]
        code = output.run(app, [str(word) for word in line])
        said = capfd.readouterr()
        return End(code, said.out, said.err)

    return run


def test_the_document_holds_what_a_test_is_planned_with_and_the_page_its_pictures(
    replay: Callable[..., End], tmp_path: Path
) -> None:
    end = replay("--json", "--html", tmp_path / "page.html")
    assert end.code == 0, end.err
    told = end.document
    assert told["control"]["version"] == told["treatment"]["version"] == "1"
    assert 0 < told["mean"] < 1
    assert told["races"] == told["accuracy"]["races"]
    assert (told["rho"], told["decisive"], told["sizes"]) == (pytest.approx(1.0), 0, None)
    assert told["races_per_day"] > 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "<svg" in page


def test_the_text_names_period_races_and_verdict(replay: Callable[..., End]) -> None:
    out = replay("--no-odds").out
    assert "verdict: continue: an A/A test decides nothing" in out
    assert "of them decisive" in out


def test_a_date_within_the_training_is_refused_with_3_and_the_date_that_is_fair(replay: Callable[..., End]) -> None:
    end = replay("--since", "2015-01-01", "--json")
    assert end.code == 3
    assert end.document["error"]["kind"] == "Hindsight"
    fair = end.document["error"]["next_step"].split()[1].rstrip(",")
    assert replay("--since", fair).code == 0


@pytest.mark.parametrize(
    ("words", "treatment"),
    [
        (["--since", "yesterday"], "1"),
        ([], "99"),
        (["--html", "/nowhere/at/all.html"], "1"),
    ],
)
def test_what_cannot_be_meant_ends_with_2(replay: Callable[..., End], words: list[str], treatment: str) -> None:
    end = replay(*words, "--json", treatment=treatment)
    assert end.code == 2
    assert end.document["error"]["allowed"]
