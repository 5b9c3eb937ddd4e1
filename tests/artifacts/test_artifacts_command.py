"""`oracle artifacts` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oracle.artifacts import files, keyring
from oracle.cli import output
from oracle.cli.app import app
from oracle.settings import load


@pytest.fixture
def run(oracle_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command of the group and returns its exit code, its document, and what it said beside it."""
    out: list[bytes] = []
    monkeypatch.setattr(output._Result, "claim", lambda: None)
    monkeypatch.setattr(output._Result, "write", out.append)

    def act(*words: str) -> tuple[int, dict[str, Any], str]:
        out.clear()
        code = output.run(app, ["artifacts", *words, "--json"])
        return code, json.loads(out[0]), capsys.readouterr().err

    return act


def test_keys_are_made_listed_and_never_shown(run: Any) -> None:
    assert run("key")[1]["opens"] == []
    made = [run("key", "--new")[1]["made"] for _ in range(2)]
    code, listed, err = run("key")
    assert (code, listed["opens"], listed["seals"]) == (0, made[::-1], made[1])
    secrets = [keyring.written(k) for k in keyring.of(load()).values()]
    assert not [s for s in secrets if s in json.dumps(listed) + err]


def test_a_file_in_the_clear_is_an_alarm_and_named(run: Any, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    assert run("check", str(tmp_path / "s"))[0] == 0
    (tmp_path / "s" / "model.bin").write_bytes(b"x")
    code, found, _ = run("check", str(tmp_path / "s"))
    assert (code, found["alarm"], found["stores"][0]["in_the_clear"]) == (10, True, ["model.bin"])


def test_a_new_key_and_a_rotation_leave_nothing_under_the_old_one(run: Any, tmp_path: Path) -> None:
    run("key", "--new")
    root = tmp_path / "s"
    root.mkdir()
    files.seal([b"x"], root / "m", keyring.of(load()).sealing, f"file://{root}/m")
    new = run("key", "--new")[1]["made"]
    code, done, _ = run("rotate", f"sealed+file://{root}")
    assert (code, done["stores"][0]["rewrapped"], done["stores"][0]["key"]) == (0, 1, new)
    code, found, _ = run("check", str(root), "--whole")
    assert (code, found["stores"][0]["keys"]) == (0, {new: 1})


def test_bad_input_is_one_sentence(run: Any, tmp_path: Path) -> None:
    for words, code in (
        (("check", "gs://bucket/x"), 2),
        (("check", str(tmp_path / "none")), 2),
        (("protect", str(tmp_path)), 2),
        (("rotate", str(tmp_path)), 3),
    ):
        found, document, err = run(*words)
        assert (found, set(document)) == (code, {"error"}), words
        assert "Traceback" not in err


def test_a_server_that_keeps_the_artifacts_must_be_told_of(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORACLE_TRACKING__URI", "http://127.0.0.1:9")
    code, document, _ = run("check")
    assert code == 2
    assert "--artifacts-destination" in document["error"]["allowed"]
