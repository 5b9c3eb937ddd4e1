"""The real parts in a home of their own: a first model in its registry, and the server that follows it.

Nothing of the user's is touched: registry, store, models and snapshots lie under the replay's home, whatever the
settings of the machine say. The policies are the user's.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson
import pandas as pd

from oracle import settings
from oracle.data.dataset import Dataset
from oracle.ensemble.recipe import Recipe
from oracle.errors import NotEnoughData, OracleError, Unavailable
from oracle.progress import Progress
from oracle.serving.clock import HEADER
from oracle.settings import Settings

DATA = "data"
"""Folder under the home: the races before the replay, which everything that is trained begins with."""
FOLLOW_SECONDS = 3.0
STARTS_WITHIN, STOPS_WITHIN, ANSWERS_WITHIN, FOLLOWS_WITHIN = 240.0, 60.0, 120.0, 120.0
TRIES = 5


def own_settings(home: Path, cooldown_days: float | None = None) -> Settings:
    """Return the settings of the machine with everything that is kept lying under the home.

    Args:
        home: The replay's.
        cooldown_days: Days between two retrainings; None for those of the settings.
    """
    own = settings.load(home=home, tracking={"uri": _tracking(home)}, store={"uri": _store(home)})
    if cooldown_days is None:
        return own
    retraining = own.retraining.model_copy(update={"cooldown_days": cooldown_days})
    return own.model_copy(update={"retraining": retraining})


def _tracking(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"


def _store(home: Path) -> str:
    return f"sqlite:///{home / 'oracle.db'}"


def history_before(frame: pd.DataFrame, first: dt.date, home: Path) -> Path:
    """Return a dataset under the home with the races before a date, written where it is not there yet.

    Raises:
        NotEnoughData: there is no race before that date.
    """
    before = home / DATA
    if not Dataset(before).exists():
        frame = frame[frame["date"] < pd.Timestamp(first)]
        if frame.empty:
            raise NotEnoughData(
                "there is no race before the replay to train on",
                value=str(first),
                allowed="a --from after the first races of the dataset",
            )
        Dataset(before).append(frame)
    return before


def first_model(before: Path, own: Settings, recipe: Recipe, progress: Progress, first: dt.date) -> int:
    """Return the number of the first version, trained and registered where there is none; it serves from `first` on."""
    from oracle.registry.versions import versions
    from oracle.tracking.connection import connect
    from oracle.training import train

    there = versions(connect(own))
    if there:
        return there[0].number
    begins = dt.datetime.combine(first, dt.time(), dt.UTC)
    return train(str(before), own, progress=progress, recipe=recipe, now=begins).version.number


class Server:
    """`oracle serve` in a process of its own, and one connection to it."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._host, self._port = url.removeprefix("http://").split(":")
        self._connection = http.client.HTTPConnection(self._host, int(self._port), timeout=ANSWERS_WITHIN)

    def post(self, path: str, body: bytes, now: dt.datetime, **headers: str) -> dict[str, Any]:
        """Return the answer to a document posted at a moment of the replay.

        Raises:
            OracleError: it was refused; says why.
            Unavailable: the server does not answer.
        """
        told = {"Content-Type": "application/json", HEADER: now.isoformat()} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        status, said = self._send("POST", path, body, told)
        if status != http.client.OK:
            raise OracleError(f"POST {path} was refused", value=f"{status} {said.decode()[:400]}")
        found: dict[str, Any] = orjson.loads(said)
        return found

    def health(self) -> dict[str, Any]:
        """Return what the server says of itself."""
        found: dict[str, Any] = orjson.loads(self._send("GET", "/v1/health", None, {})[1])
        return found

    def until(self, version: str, experiment: str | None) -> None:
        """Return once that version answers for the control and that experiment is in force.

        Raises:
            Unavailable: it is not, in time.
        """
        began = time.monotonic()
        told: dict[str, Any] = {}
        while time.monotonic() - began < FOLLOWS_WITHIN:
            told = self.health()
            model, routing = told["model"] or {}, told["routing"]
            if model.get("version") == version and routing["experiment"] == experiment:
                return
            time.sleep(0.05)
        raise Unavailable("the server does not follow", value=told.get("reasons"), allowed=f"version {version}")

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        for attempt in range(TRIES):
            try:
                self._connection.request(method, path, body, dict(headers))
                answer = self._connection.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if self.process.poll() is not None or attempt == TRIES - 1:
                    raise Unavailable("the server of the replay does not answer", value=str(error)) from error
                time.sleep(0.2 * 2**attempt)
                continue
            if answer.status != http.client.SERVICE_UNAVAILABLE or attempt == TRIES - 1:
                return answer.status, said
            time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


@contextlib.contextmanager
def serving(home: Path) -> Iterator[Server]:
    """Run `oracle serve` on the home until the block ends; it ends with this process, whatever ends that.

    Raises:
        Unavailable: it did not start.
    """
    environment = {
        **os.environ,
        "ORACLE_HOME": str(home),
        "ORACLE_TRACKING__URI": _tracking(home),
        "ORACLE_STORE__URI": _store(home),
        "ORACLE_SERVING__REPLAY": "true",
        "ORACLE_SERVING__AUTH": "off",
        "ORACLE_SERVING__HOST": "127.0.0.1",
        "ORACLE_SERVING__REPLICAS": "1",
        "ORACLE_SERVING__FOLLOW_SECONDS": str(FOLLOW_SECONDS),
    }
    command = [sys.executable, "-c", "from oracle.cli.app import main; main()", "serve", "--json"]
    command += ["--port", str(_free_port()), "--timeout", str(STARTS_WITHIN)]
    with (home / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_with_parent,
        )
    try:
        server = Server(_ready(process, home), process)
        try:
            yield server
        finally:
            server.close()
    finally:
        _end(process)


def _ready(process: subprocess.Popen[bytes], home: Path) -> str:
    out: IO[bytes] | None = process.stdout
    assert out is not None
    line = out.readline()
    told: dict[str, Any] = orjson.loads(line) if line.strip() else {}
    if "url" not in told:
        raise Unavailable(
            "the server of the replay did not start", value=told.get("error"), next_step=f"see {home / 'serve.log'}"
        )
    return str(told["url"])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _with_parent() -> None:
    """Ask Linux to tell the server to stop when this process dies of something that it cannot handle."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _free_port() -> int:
    from oracle.serving.ingress import free_ports

    return free_ports(1)[0]
