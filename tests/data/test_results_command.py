"""`oracle results ingest`: the same files and rules as `oracle ingest`, into the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.data.dataset import Dataset
from oracle.features.forward import Telling, told
from oracle.features.races import from_frame
from oracle.store import embedded
from tests.data.test_ingest_command import RPSCRAPE, british


class End(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


@pytest.fixture
def command(
    oracle_home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., End]:
    """Runs a command line in this process."""

    def run(*words: object) -> End:
        monkeypatch.setattr(output._Result, "claim", classmethod(lambda _: None))
        code = output.run(app, [str(word) for word in words])
        said = capfd.readouterr()
        return End(code, said.out, said.err)

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "results.csv"
    path.write_text("\n".join([RPSCRAPE, *(british(place) for place in range(1, 6))]) + "\n", "utf-8")
    return path


def test_a_file_goes_into_the_store_once_however_often_it_is_taken_in(command: Callable[..., End], file: Path) -> None:
    first = command("results", "ingest", file, "--format", "rpscrape", "--json")
    assert first.code == 0, first.err
    assert (first.document["races_new"], first.document["rows_accepted"], first.document["latest"]) == (1, 5, 1)
    again = command("results", "ingest", file, "--format", "rpscrape", "--json").document
    assert (again["races_new"], again["races_same"], again["latest"]) == (0, 1, 1)


def test_a_later_file_that_tells_it_differently_is_a_correction(command: Callable[..., End], file: Path) -> None:
    command("results", "ingest", file, "--format", "rpscrape")
    file.write_text(file.read_text("utf-8").replace("Invented 5", "Renamed 5"), "utf-8")
    told_now = command("results", "ingest", file, "--format", "rpscrape", "--json").document
    assert (told_now["races_corrected"], told_now["latest"]) == (1, 2)


def test_the_store_holds_what_the_dataset_holds(command: Callable[..., End], file: Path, oracle_home: Path) -> None:
    """To the last bit: else the form that is served would not be that of a retraining."""
    command("ingest", file, "--format", "rpscrape", "--out", oracle_home / "races")
    command("results", "ingest", file, "--format", "rpscrape")
    [stored] = embedded(oracle_home).results.since(0)
    trained = from_frame(Dataset(str(oracle_home / "races")).read())
    [race] = told([Telling(stored.race_key, stored.seq, orjson.loads(stored.runners))])
    assert race.races is not None
    for name, values in trained.numbers.items():
        assert race.races.numbers[name].tobytes() == values.tobytes(), name
    for name, texts in trained.texts.items():
        assert race.races.texts[name].tolist() == texts.tolist(), name
    assert (race.races.off == trained.off).all()
    assert (race.races.day == trained.day).all()


def test_refused_rows_are_told_with_their_place_and_the_others_stand(command: Callable[..., End], file: Path) -> None:
    file.write_text(file.read_text("utf-8").replace(british(4), british(4, lbs=1)), "utf-8")
    report = command("results", "ingest", file, "--format", "rpscrape", "--json").document
    assert report["rows_quarantined"] == 1
    assert report["reasons"] == {"impossible_weight": 1}
    [row] = report["refused"]
    assert (row["file"], row["line"]) == ("results.csv", 5)


def test_where_no_row_makes_sense_it_ends_with_2(command: Callable[..., End], file: Path) -> None:
    rows = [RPSCRAPE, *(british(place, date="2199-01-01") for place in range(1, 6))]
    file.write_text("\n".join(rows) + "\n", "utf-8")
    end = command("results", "ingest", file, "--format", "rpscrape")
    assert end.code == 2
    assert "no row could be accepted" in end.err


@pytest.mark.parametrize("words", [["/nowhere", "--format", "hkjc"], ["x.csv"], ["x.csv", "--format", "nope"]])
def test_a_wrong_call_ends_with_2_and_says_what_to_do(command: Callable[..., End], words: list[str]) -> None:
    end = command("results", "ingest", *words, "--json")
    assert end.code == 2
    assert end.document["error"]["allowed"]
