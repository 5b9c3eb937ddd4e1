"""Every command alike: one document on standard output, an exit code that means something, help that helps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.cli.app import app
from oracle.errors import BadInput, Refused, Unavailable
from tests.house.commands import COMMANDS

NOISY = """
import os, signal, sys
import typer
from oracle.cli import output
from oracle.errors import BadInput, Refused, Unavailable
app = typer.Typer()

@app.callback()
def root() -> None: ...

@app.command()
def act(how: str, json: output.Json = False) -> None:
    print("printed by a library")
    os.write(1, b"written by a C++ library\\n")
    os.system("echo said by a child")
    if how == "well":
        output.emit({"value": float("nan"), "text": "ü", "n": 1}, json=json, text="done")
        print("and again, later")
    if how == "unexpected":
        raise RuntimeError("a fault of ours")
    if how == "interrupted":
        signal.raise_signal(signal.SIGINT)
    if how == "alarm":
        output.emit({"alarm": True}, json=json, text="alarm")
        raise typer.Exit(10)
    for error in (BadInput, Refused, Unavailable):
        if how == error.__name__:
            raise error("it cannot be", value="x", allowed=["a", "b"], next_step="try a")

sys.exit(output.run(app, sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def act(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command that prints in every way there is, and then ends as it is told."""
    file = tmp_path_factory.mktemp("noisy") / "noisy.py"
    file.write_text(NOISY, "utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        # A shell that runs its jobs in the background lets them ignore Ctrl-C, and children inherit that.
        heard = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
        return subprocess.run(
            [sys.executable, file, *words], capture_output=True, text=True, check=False, timeout=60, preexec_fn=heard
        )

    return run


def one_document(out: str) -> dict[str, Any]:
    assert out.count("\n") == 1, out
    document: dict[str, Any] = json.loads(out)
    return document


def test_whatever_libraries_print_standard_output_holds_the_document_alone(act: Any) -> None:
    done = act("act", "well", "--json")
    assert done.returncode == 0
    assert one_document(done.stdout) == {"value": None, "text": "ü", "n": 1}
    for noise in ("printed by a library", "written by a C++ library", "said by a child", "and again, later"):
        assert noise in done.stderr


def test_without_json_standard_output_holds_the_text_alone(act: Any) -> None:
    assert act("act", "well").stdout == "done\n"


@pytest.mark.parametrize(("kind", "code"), [("BadInput", 2), ("Refused", 3), ("Unavailable", 1)])
def test_an_error_of_ours_is_one_document_without_a_traceback(act: Any, kind: str, code: int) -> None:
    done = act("act", kind, "--json")
    assert done.returncode == code
    told = {"kind": kind, "message": "it cannot be", "value": "x", "allowed": "a, b", "next_step": "try a"}
    assert one_document(done.stdout) == {"error": told}
    assert "Traceback" not in done.stderr
    assert act("act", kind).stdout == ""


def test_the_classes_carry_these_exit_codes() -> None:
    assert [e.exit_code for e in (Unavailable, BadInput, Refused)] == [1, 2, 3]


def test_what_nobody_foresaw_is_one_document_and_the_traceback_goes_to_standard_error(act: Any) -> None:
    done = act("act", "unexpected", "--json")
    assert done.returncode == 1
    assert "a fault of ours" in one_document(done.stdout)["error"]["message"]
    assert "Traceback" in done.stderr


def test_an_interrupted_command_ends_as_shells_expect(act: Any) -> None:
    done = act("act", "interrupted", "--json")
    assert done.returncode == 128 + signal.SIGINT
    assert one_document(done.stdout)["error"]["kind"] == "Stopped"
    assert "stopped" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_alarm_has_an_exit_code_of_its_own_and_its_document(act: Any) -> None:
    done = act("act", "alarm", "--json")
    assert done.returncode == 10
    assert one_document(done.stdout) == {"alarm": True}


@pytest.mark.parametrize(("how", "code"), [("well", 0), ("BadInput", 2)])
def test_a_reader_that_has_gone_is_no_failure_of_ours(how: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISY, "utf-8")
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        command = [sys.executable, tmp_path / "noisy.py", "act", how, "--json"]
        done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    finally:
        os.close(theirs)
    assert "Traceback" not in done.stderr
    assert done.returncode == code


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json_and_says_what_each_option_is_for(name: str) -> None:
    command = COMMANDS[name]
    options = {option: p for p in command.params for option in p.opts}
    assert "--json" in options
    assert options["--json"].help == "Print exactly one JSON document on standard output."
    assert command.help
    assert all(getattr(p, "help", None) for p in command.params if p.name != "help"), name


def wrong() -> list[tuple[str, ...]]:
    """Return command lines that cannot be meant: no such command or option, something missing, a word for a number."""
    lines: list[tuple[str, ...]] = [("nonsense",), ("--nonsense",), ("trian", "--data", "x")]
    for name, command in COMMANDS.items():
        called = tuple(name.split())
        lines.append((*called, "--nonsense"))
        needed = [p for p in command.params if p.required]
        if needed:
            lines.append(called)
        lines += [
            (*called, *_given(command, p), p.opts[0], "many")
            for p in command.params
            if p.type_descriptor.annotation in (int, float)
        ]
        lines += [(*called, *_given(command, p), p.opts[0]) for p in command.params if p.opts[0] in ("--data", "--out")]
    return lines


def _given(command: Any, but: Any) -> list[str]:
    """Return the required words of a command, except for one."""
    words: list[str] = []
    for p in command.params:
        if p.required and p is not but:
            words += [p.opts[0], "1"] if p.opts[0].startswith("--") else ["1"]
    return words


@pytest.mark.slow
def test_every_wrong_command_line_ends_with_2_and_one_document(oracle_home: Path) -> None:
    """In one process of its own, since `run` takes standard output for itself."""
    script = f"""
import os, sys
from oracle.cli import output
from oracle.cli.app import app
real = os.dup(1)
for line in {wrong()!r}:
    for extra in ([], ["--json"]):
        at = next((i for i, word in enumerate(line) if word.startswith("--")), len(line))
        words = [*line[:at], *extra, *line[at:]]
        output._Result.write(f"\\x1e{{output.run(app, words)}}\\x1f{{' '.join(words)}}\\x1d".encode())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120, cwd=oracle_home
    )
    assert done.returncode == 0, done.stderr
    ends = [part.split("\x1e") for part in done.stdout.split("\x1d")[:-1]]
    assert len(ends) == 2 * len(wrong())
    for out, told in ends:
        code, line = told.split("\x1f")
        assert code == "2", line
        if "--json" in line:
            error = one_document(out)["error"]
            assert error["message"], line
        else:
            assert out == "", line
    assert "Traceback" not in done.stderr


def test_help_is_quick_to_load_and_needs_none_of_the_heavy_libraries() -> None:
    script = (
        "import sys\nfrom oracle.cli.app import app\n"
        "print(sorted({'pandas', 'ray', 'mlflow', 'lightgbm', 'sqlalchemy', 'scipy', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["--help"], *([*name.split(), "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_stands_on_standard_output(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    from oracle.cli import output

    assert output.run(app, words) == 0
    out = capfd.readouterr().out
    assert "Usage" in out
    assert "--help" in out
