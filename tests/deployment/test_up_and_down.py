"""A production that comes up, is hurt, comes up again and goes away without a trace, and leaves others alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from oracle import settings
from oracle.deployment import ledger, passwords, ports, processes
from oracle.deployment.places import Places
from oracle.deployment.tracking import TrackingServer
from oracle.errors import Unavailable
from tests.deployment.houses import Deployment, brought_up, folder, surroundings
from tests.store import postgres

pytestmark = [pytest.mark.services]


@pytest.fixture
def others() -> Iterator[Any]:
    """Somebody else's PostgreSQL, and a process that calls itself as a part of ours does."""
    with postgres.running() as server:
        words = [sys.executable, "-c", "import time; time.sleep(600)", "rclone", "serve", "s3"]
        neighbour = subprocess.Popen(words, start_new_session=True)
        yield server, neighbour
        assert neighbour.poll() is None
        neighbour.kill()
        neighbour.wait()


def private(home: Path) -> list[str]:
    """Return the files under home, logs and data apart, that others may read and that hold a secret."""
    secrets = passwords.kept(home / "secrets" / "passwords.json")
    values = [str(getattr(secrets, name)).encode() for name in passwords.Passwords.__slots__ if name != "label"]
    return [
        str(file)
        for file in [*home.glob("*"), *home.glob("logs/*"), *home.glob("secrets/*"), *home.glob("people/*")]
        if file.is_file() and any(v in file.read_bytes() for v in values) and file.stat().st_mode & 0o077
    ]


def command_lines() -> str:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


@pytest.mark.cluster
def test_parts_that_were_killed_come_back_and_nothing_else_is_touched(deployment: Deployment, others: Any):
    again = deployment.up()
    assert {each.what for each in again.parts} == {"was up"}
    home = deployment.home
    book = ledger.read(Places(home).ledger)
    kept = {part: book.begun(part) for part in book.started}
    for part in ("postgresql", "s3", "mlflow"):
        begun = book.begun(part)
        assert begun is not None
        os.kill(begun.pid, signal.SIGKILL)
    mended = {each.part: each.what for each in deployment.up().parts}
    assert mended == {"postgresql": "started", "s3": "started", "mlflow": "started", "ray": "was up", "app": "was up"}
    assert ledger.read(Places(home).ledger).begun("ray") == kept["ray"]
    server, _ = others
    with server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.cluster
def test_no_secret_is_in_a_command_line_in_a_log_or_in_a_file_that_others_may_read(deployment: Deployment):
    secrets = passwords.kept(deployment.home / "secrets" / "passwords.json")
    values = [str(getattr(secrets, name)) for name in passwords.Passwords.__slots__ if name != "label"]
    shown = command_lines() + str(deployment.found.as_dict())
    shown += "".join(log.read_text(errors="replace") for log in deployment.home.glob("logs/*"))
    assert not [value for value in values if value in shown]
    assert private(deployment.home) == []


def test_an_up_that_fails_half_way_says_why_and_down_undoes_it(
    announced: Path, monkeypatch: pytest.MonkeyPatch, others: Any
):
    """The MLflow server ends at once; what was started before it is up, and is ended; then there is nothing."""

    def broken(_: TrackingServer) -> processes.Command:
        return processes.Command([sys.executable, "-c", "raise SystemExit('the cellar is flooded')"], {}, Path("/"))

    monkeypatch.setattr(TrackingServer, "command", broken)
    with folder() as home:
        environment: Mapping[str, str] = surroundings(announced)
        half = Deployment(home, None, environment, 0.0)  # type: ignore[arg-type]
        try:
            with pytest.raises(Unavailable, match=r"MLflow server ended .*cellar is flooded"):
                brought_up(home, environment)
            book = ledger.read(Places(home).ledger)
            assert (book.running("postgresql"), book.running("s3"), book.running("mlflow")) == (True, True, False)
        finally:
            began = time.monotonic()
            ended = half.down()
        assert time.monotonic() - began < 30
        assert {each.part: each.what for each in ended.parts} == {
            "mlflow": "gone",
            "s3": "stopped",
            "postgresql": "stopped",
        }
        label = passwords.kept(home / "secrets" / "passwords.json").label
        assert (ended.listening, ended.strays, processes.labelled(label)) == ((), 0, [])
        assert not [port for port in book.ports.values() if ports.listening(port)]
        assert half.down().parts == ()
        assert settings.load(home=home).root == home
