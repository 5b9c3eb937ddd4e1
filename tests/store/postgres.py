"""A PostgreSQL of our own: a folder, a port, and a process that is stopped, or killed, by its number."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

PATIENCE = 60.0


def _programs() -> Path | None:
    """Return the folder of initdb and pg_ctl: on the path, or where Debian keeps them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max((p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgreSQL:
    """A server on the loopback interface with one database `oracle`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self.port = free_port()
        self.address = f"postgresql://oracle@127.0.0.1:{self.port}/oracle"

    def make(self) -> None:
        self._run("initdb", "-D", str(self._folder), "-U", "oracle", "-A", "trust", "-E", "UTF8", "--locale=C")

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k '' -c fsync=on"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder), "-l", log, "-w", "-t", "60", "-o", options, "start")

    @property
    def pid(self) -> int:
        """Number of the postmaster."""
        return int((self._folder / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """Kill the server as a power cut would; its children notice and go."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        (self._folder / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        with suppress(subprocess.CalledProcessError):  # it may have been killed
            self._run("pg_ctl", "-D", str(self._folder), "-m", "immediate", "-w", "stop")

    def freeze(self) -> Callable[[], None]:
        """Stop every process of the server: it closes no connection and answers nothing; return what ends that."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        stopped = [self.pid, *map(int, children)]
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

        def thaw() -> None:
            for pid in reversed(stopped):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

        return thaw

    def terminate_others(self) -> int:
        """Cut every connection to the server and return how many there were."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'oracle' AND pid <> pg_backend_pid()"
            ).fetchall()
        return len(rows)

    def connect(self, database: str = "oracle") -> psycopg.Connection:
        return psycopg.connect(f"postgresql://oracle@127.0.0.1:{self.port}/{database}", autocommit=True)

    def fresh(self, name: str) -> str:
        """Make an empty database and return its address."""
        with self.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://oracle@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *words: str) -> None:
        command: Sequence[str] = [str(self._programs / program), *words]
        user = pwd.getpwnam("postgres").pw_name if os.getuid() == 0 else None  # the server refuses to run as root
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            user=user,
            extra_groups=[] if user else None,
            cwd="/",
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, stderr=done.stderr)


@contextmanager
def running() -> Iterator[PostgreSQL]:
    """Start a server in a folder of its own, and stop it in the end; skip, with the reason, where there is none.

    The folder is none of pytest's: those are closed to the server's user.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine: neither initdb on the path nor /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="oracle-postgres-"))
    try:
        if os.getuid() == 0:
            try:
                owner = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres to run it as")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        server = PostgreSQL(folder / "data", programs)
        server.make()
        server.start()
        try:
            with server.connect("postgres") as connection:
                connection.execute("CREATE DATABASE oracle")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
