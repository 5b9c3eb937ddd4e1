"""`oracle predict` answers as the API does, without a server."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from oracle.cli.predict import HEADER, predict, table
from oracle.errors import BadCard, NoSuchModel, UnreadableFile
from oracle.serving.gateway import Gateway
from oracle.serving.messages import EXAMPLE
from tests.serving import hostile
from tests.serving.calls import Answer
from tests.serving.conftest import World


@pytest.fixture
def card(world: World, tmp_path: Path) -> Path:
    file = tmp_path / "card.json"
    file.write_bytes(world.body)
    return file


def oracle(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-c", "from oracle.cli.app import main; main()"]
    return subprocess.run([*program, *map(str, arguments)], input=stdin, capture_output=True, check=False)


def test_the_offline_answer_is_the_answer_of_the_api(
    ask: Callable[..., Answer], world_home: Path, card: Path, capfd: pytest.CaptureFixture[str]
):
    predict(str(card), json=True)
    offline = json.loads(capfd.readouterr().out)
    online = ask("POST", "/v1/predict", card.read_bytes(), {"content-type": "application/json"}).json()
    for told in (offline, online):
        del told["prediction_id"], told["at"]
    assert offline == online


@pytest.mark.usefixtures("world_home")
def test_a_card_from_standard_input_and_a_pinned_version_are_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    for version in ("1", "v1.0.0", "production"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(world.body)))
        predict("-", model_version=version)
        assert "equine-oracle v1.0.0 (version 1)" in capfd.readouterr().out


@pytest.mark.usefixtures("world_home")
def test_a_version_that_is_not_there_is_refused_with_those_that_are(card: Path):
    with pytest.raises(NoSuchModel) as caught:
        predict(str(card), model_version="17")
    assert "v1.0.0" in str(caught.value)


@pytest.mark.usefixtures("oracle_home")
@pytest.mark.parametrize(
    "body", [each.body for each in hostile.every() if not each.headers.get("content-encoding")][::40]
)
def test_a_malformed_card_is_refused_before_the_registry_is_asked(body: bytes, tmp_path: Path):
    file = tmp_path / "card.json"
    file.write_bytes(body)
    with pytest.raises((BadCard, UnreadableFile)):
        predict(str(file))


def test_a_malformed_card_ends_with_exit_code_2_and_one_sentence(tmp_path: Path):
    done = oracle("predict", "-", "--json", stdin=json.dumps(hostile.changed_runner(draw="third")).encode())
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["field"] == "runners[1].draw"
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("error: runners[1].draw must be a number; got 'third'; allowed: a whole number, 1 to 60")


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_card_that_cannot_be_read_names_the_file(name: str, tmp_path: Path):
    with pytest.raises(UnreadableFile) as caught:
        predict(str(tmp_path / name))
    assert str(tmp_path / name) in str(caught.value)


def test_the_table_is_aligned_and_ranked_with_withdrawn_runners_last(standing: Gateway):
    told = standing.predict(json.dumps(EXAMPLE).encode())
    lines = table(told).splitlines()
    rows = lines[1 : 1 + len(told.runners)]
    assert lines[0].split("  ")[0].strip() == HEADER[0]
    assert [row.split()[0] for row in rows[:-1]] == ["1", "2", "3"]
    assert "withdrawn" in rows[-1]
    ends = {line.index("win") + 3 for line in lines[:1]} | {row.index("%") + 1 for row in rows[:-1]}
    assert len(ends) == 1
    assert any(line.startswith("note: ") for line in lines)
