"""Starts a server and keeps all its processes together: a program of its own, of the standard library only.

    python keeper.py COMMAND...

Servers fork, and some of their children let go of their parents; a benchmark that counts the processor time of a tree
would lose them, and could not end them. The keeper is a "subreaper" (prctl(2)): what loses its parent under it becomes
its child. When it is told to end, when whoever started it dies, or when the server has ended by itself, it ends all
that is left below it: politely, and after `PATIENCE` seconds for good.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PATIENCE = 25.0


class _Told(Exception):
    """The keeper was told to end."""


def main(command: list[str]) -> int:
    """Run the command until it ends or the keeper is told to end; return its exit code."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, _tell)
    # Ctrl-C is for the benchmark, which ends its servers in order. Not SIG_IGN, which the server would inherit.
    signal.signal(signal.SIGINT, _pass)
    server = subprocess.Popen(command, start_new_session=True)
    code = 0
    try:
        code = server.wait()
    except _Told:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.send_signal(signal.SIGTERM)
    _end(server)
    return code


def _tell(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
    raise _Told


def _pass(number: int, frame: FrameType | None) -> None:
    pass


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and all that is left below the keeper, and reap it."""
    until = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _below(os.getpid()):
            _signal(pid, number)
        until = time.monotonic() + 5.0
        while _reaped() and time.monotonic() < until:
            time.sleep(0.1)


def _reaped() -> bool:
    """Reap what has ended; tell whether anything is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _below(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        parents[int(text.split(" ", 1)[0])] = int(text.rsplit(")", 1)[1].split()[1])
    found, layer = [], [root]
    while layer:
        layer = [pid for pid, parent in parents.items() if parent in layer]
        found += layer
    return found


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
