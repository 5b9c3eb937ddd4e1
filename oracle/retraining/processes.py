"""Jobs as processes of this machine: each at most once, alive beyond the monitor, and known to be alive or not.

The sign of life is the kernel's lock on a file, taken before the process is started and inherited by it: it goes with
the process, however that ends, and cannot be mistaken for that of another process with the same number.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from oracle.errors import Unavailable
from oracle.retraining.submission import JOB, Job, State, folder_of_jobs, tail

LAST_BYTES = 8192
BEGUN = b"started "
"""Written before a process is started: whoever dies in between has used the name up; the next attempt has another."""


class Processes:
    """Jobs of this machine.

    Args:
        folder: Where their marks and logs are kept.
        beside: The working folder, in which they are started too.
        command: What a job is, by default Python and the job's file.
    """

    where = "a process of this machine"

    def __init__(self, folder: Path, beside: Path, command: Sequence[str] | None = None) -> None:
        self._folder, self._beside, self._command = folder, beside, command
        self._children: list[subprocess.Popen[bytes]] = []

    def submit(self, job: Job) -> None:
        """Start a process under the name, unless there was one already.

        Raises:
            Unavailable: it cannot be started.
        """
        command = self._command or (sys.executable, str(folder_of_jobs(self._beside) / JOB))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._mark(job.submission_id).open("a+b") as mark:
                if not _locked(mark) or _begun(mark):
                    return
                _write(mark, BEGUN)
                with self._log(job.submission_id).open("ab") as log:
                    child = subprocess.Popen(
                        [*command, *job.words],
                        cwd=self._beside,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,  # Ctrl-C is meant for the monitor
                        pass_fds=(mark.fileno(),),
                    )
                self._children.append(child)
                _write(mark, str(child.pid).encode())
        except OSError as error:
            raise Unavailable(f"the job cannot be started: {error}", value=job.submission_id) from error

    def state(self, submission_id: str) -> State:
        """Return whether the process lives, was there and lives no more, or never was.

        Raises:
            Unavailable: its mark cannot be read.
        """
        self._children = [child for child in self._children if child.poll() is None]
        try:
            with self._mark(submission_id).open("rb") as mark:
                if not _locked(mark):
                    return "running"
                return "ended" if _begun(mark) else "unknown"
        except FileNotFoundError:
            return "unknown"
        except OSError as error:
            raise Unavailable(f"the mark of a job cannot be read: {error}", value=submission_id) from error

    def stop(self, submission_id: str) -> None:
        """Tell the process, and those it started, to end."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), self._mark(submission_id).open("rb") as mark:
            if not _locked(mark) and (pid := _pid(mark)):
                os.killpg(pid, signal.SIGTERM)

    def last_words(self, submission_id: str) -> str:
        """Return the end of the process's log."""
        try:
            return tail(self._log(submission_id).read_bytes()[-LAST_BYTES:].decode(errors="replace"))
        except OSError:
            return ""

    def _mark(self, submission_id: str) -> Path:
        return self._folder / f"{submission_id}.pid"

    def _log(self, submission_id: str) -> Path:
        return self._folder / f"{submission_id}.log"


def _locked(mark: IO[bytes]) -> bool:
    """Return whether we hold the lock now: nobody else does."""
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _begun(mark: IO[bytes]) -> bool:
    mark.seek(0)
    return mark.read(1) != b""


def _write(mark: IO[bytes], what: bytes) -> None:
    mark.write(what)
    mark.flush()


def _pid(mark: IO[bytes]) -> int:
    """Return the number of the process that was started, 0 where it was not written down."""
    mark.seek(len(BEGUN))
    written = mark.read()
    return int(written) if written.isdigit() else 0
