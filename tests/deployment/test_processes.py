"""Processes known by number and birth: what is ours is ended whole, and nobody else's is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.deployment import processes
from oracle.deployment.processes import LABEL, Command, Started
from oracle.errors import Unavailable

LABELLED = f"label-of-these-tests-{os.getpid()}"
"""One for each worker: what one sweeps is none of the others'."""
SLEEPER = "import time; time.sleep(600)"
GENTLY = ((signal.SIGTERM, 5.0),)


def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Started]]:
    def run(program: str) -> Started:
        command = Command([sys.executable, "-c", program], {"SECRET": "told"}, tmp_path)
        return processes.start(command, tmp_path / "log", LABELLED, os.environ)

    yield run
    processes.sweep(LABELLED)


def said(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text()


def test_a_process_is_known_by_its_birth_and_not_by_its_number_alone(start: Callable[[str], Started]):
    begun = start(SLEEPER)
    assert processes.lives(begun)
    assert not processes.lives(Started(begun.pid, "another boot:1"))
    assert processes.stop(Started(begun.pid, "another boot:1"), LABELLED, GENTLY) == "gone"
    assert processes.lives(begun)
    assert processes.stop(begun, LABELLED, GENTLY) == "stopped"
    assert not processes.lives(begun)
    assert processes.stop(begun, LABELLED, GENTLY) == "gone"


def test_one_that_ignores_the_gentle_signal_is_killed(start: Callable[[str], Started], tmp_path: Path):
    begun = start("import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)")
    until(lambda: "deaf" in said(tmp_path))
    assert processes.stop(begun, LABELLED, ((signal.SIGTERM, 0.2),)) == "killed"
    assert not processes.lives(begun)


FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={apart})
print("born", flush=True)
time.sleep(600)
"""


def test_children_end_with_their_part_also_where_the_part_was_killed_before(
    start: Callable[[str], Started], tmp_path: Path
):
    begun = start(FAMILY.format(apart=False))
    until(lambda: "born" in said(tmp_path))
    os.kill(begun.pid, signal.SIGKILL)
    until(lambda: not processes.lives(begun))
    assert len(processes.of_session(begun, LABELLED)) == 1
    processes.stop(begun, LABELLED, ())
    assert processes.of_session(begun, LABELLED) == []


def test_a_child_that_left_the_session_is_found_by_its_label(start: Callable[[str], Started], tmp_path: Path):
    begun = start(FAMILY.format(apart=True))
    until(lambda: "born" in said(tmp_path))
    processes.stop(begun, LABELLED, GENTLY)
    assert len(processes.labelled(LABELLED)) == 1
    assert processes.labelled("another label") == []
    assert processes.sweep(LABELLED) == 1
    assert processes.labelled(LABELLED) == []


def test_a_stranger_in_a_session_whose_leader_is_gone_is_left_alone(tmp_path: Path):
    """The number of our dead leader was given to somebody else, who ended too and left a child without our label."""
    program = FAMILY.format(apart=False)
    stranger = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    assert stranger.stdout is not None
    stranger.stdout.readline()
    mine = Started(stranger.pid, processes.birth(stranger.pid) or "")
    [child] = [pid for pid in processes.of_session(mine, "any") if pid != stranger.pid]
    stranger.kill()
    stranger.wait()
    try:
        assert processes.of_session(mine, LABELLED) == []
        assert processes.stop(mine, LABELLED, GENTLY) == "gone"
        assert processes.birth(child) is not None
    finally:
        os.kill(child, signal.SIGKILL)
        stranger.stdout.close()


def test_a_part_inherits_nothing_that_would_steer_it(start: Callable[[str], Started], tmp_path: Path):
    told = processes.inherited({"PATH": "/bin", "ORACLE_SEED": "1", "PGHOST": "x", "AWS_PROFILE": "mine", "RAY_A": "1"})
    assert told == {"PATH": "/bin"}
    start("import os; print(os.environ['SECRET'], os.environ['" + LABEL + "'], os.getsid(0) == os.getpid())")
    until(lambda: f"told {LABELLED} True" in said(tmp_path))
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_program_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(Unavailable, match="/nowhere/postgres cannot be started"):
        processes.start(Command(["/nowhere/postgres"], {}, tmp_path), tmp_path / "log", LABELLED, {})
