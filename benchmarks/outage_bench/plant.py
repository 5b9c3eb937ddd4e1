"""A production of one's own: PostgreSQL for our store, S3 for the artifacts, MLflow, receivers of alarms, and the app.

Every server is started by the measurement, on a free port of the loopback interface, and ended by its id.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError

from oracle.race import RaceCard
from oracle.settings import Settings
from tests.alerts.receiver import Receiver, receiving
from tests.serving import small_model
from tests.serving.clusters import free_ports
from tests.serving.live import Live, live
from tests.store.postgres import PostgreSQL
from tests.store.postgres import running as postgres

KEYS = {"AWS_ACCESS_KEY_ID": "oracle", "AWS_SECRET_ACCESS_KEY": "a secret of the measurement"}
BUCKET = "models"
SECRET = "a secret of some length"
READY = 120.0


class Process:
    """A server that can be started, frozen and stopped again and again."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, env={**os.environ, **self._environment}, stdout=out, stderr=out, start_new_session=True
            )

    def stop(self) -> None:
        """End it and its children."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class Bucket(Process):
    """An S3 server (`rclone serve s3`) over a folder."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        (folder / "s3" / BUCKET).mkdir(parents=True)
        rclone = str(Path(sys.executable).parent / "rclone")
        command = [rclone, "serve", "s3", str(folder / "s3"), "--addr", f"127.0.0.1:{self.port}"]
        keys = f'"{KEYS["AWS_ACCESS_KEY_ID"]},{KEYS["AWS_SECRET_ACCESS_KEY"]}"'
        super().__init__(command, {"RCLONE_AUTH_KEY": keys, "RCLONE_CONFIG": "/dev/null"}, folder / "s3.log")

    @property
    def variables(self) -> dict[str, str]:
        """What a client needs to know."""
        return {**KEYS, "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_DEFAULT_REGION": "us-east-1"}

    def until_ready(self) -> None:
        """Wait until it answers."""
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )

        def answers() -> bool:
            try:
                client.list_objects_v2(Bucket=BUCKET, MaxKeys=1)
            except (BotoCoreError, ClientError):
                return False
            return True

        wait_for(answers, "S3")


class Tracking(Process):
    """An MLflow server that alone knows the bucket."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        (self.port,) = free_ports(1)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--workers", "1", "--serve-artifacts"]
        command += ["--artifacts-destination", f"s3://{BUCKET}"]
        variables = {
            **bucket.variables,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        super().__init__(command, variables, folder / "mlflow.log")

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def until_ready(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                    return True
            except OSError:
                return False

        wait_for(answers, "MLflow")


def wait_for(true: Any, what: str, seconds: float = READY) -> float:
    """Return the seconds until a condition holds.

    Raises:
        TimeoutError: it never did.
    """
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - begun


@dataclass(frozen=True)
class Plant:
    """All of it, running."""

    postgres: PostgreSQL
    bucket: Bucket
    receiver: Receiver
    app: Live
    card: RaceCard
    replicas: int

    @property
    def alarms(self) -> list[str]:
        """The kinds of the alarms that were taken so far, in order."""
        return [str(json.loads(body)["kind"]) for _, body in self.receiver.accepted]

    def outages(self) -> dict[str, set[str]]:
        """Return what is away by the word of each replica that answers within a few questions."""
        said: dict[str, set[str]] = {}
        for _ in range(8 * self.replicas):
            health = self.app.health()
            said[health["replica"]] = {each["part"] for each in health["outages"]}
            if len(said) >= self.replicas:
                break
        return said

    def well(self) -> bool:
        """Return whether each replica says that nothing is away."""
        try:
            said = self.outages()
        except OSError:
            return False
        return len(said) >= self.replicas and not any(said.values())


@contextlib.contextmanager
def plant(
    folder: Path, *, replicas: int = 2, server: bool = True, made: tuple[Path, RaceCard] | None = None
) -> Iterator[Plant]:
    """Bring everything up: a small model trained, registered and in S3, and the app that serves it.

    Args:
        folder: For all that is written; emptied by whoever made it.
        replicas: Gateways.
        server: Reach MLflow through a server of its own, which alone knows the bucket; else as a file, with S3 direct.
        made: A home with a registered model, which is copied, and its card: then there is neither server nor bucket.
    """
    home = folder / "home"
    with contextlib.ExitStack() as held:
        database = held.enter_context(postgres())
        receiver = held.enter_context(receiving())
        bucket = Bucket(folder)
        held.callback(bucket.stop)
        if made is None:
            bucket.start()
            bucket.until_ready()
        variables = {
            "ORACLE_STORE__URI": database.address,
            "ORACLE_ALERTS__WEBHOOKS": json.dumps([receiver.address]),
            "ORACLE_ALERTS__SECRET": SECRET,
            "ORACLE_SERVING__FOLLOW_SECONDS": "5",
        }
        tracking = f"sqlite:///{home / 'mlflow.db'}"
        if server and made is None:
            kept = Tracking(folder, bucket)
            held.callback(kept.stop)
            kept.start()
            kept.until_ready()
            tracking = kept.address
        else:
            variables |= bucket.variables
        card = _model(home, folder / "races", tracking, bucket) if made is None else made[1]
        if made is not None:
            shutil.copytree(made[0], home)
        app = live(home, folder / "ray.log", replicas=replicas, args={"tracking_uri": tracking}, env=variables)
        yield Plant(database, bucket, receiver, held.enter_context(app), card, replicas)


def _model(home: Path, data: Path, tracking: str, bucket: Bucket) -> RaceCard:
    """Train a small model and register it, its package in the bucket; return a card to ask for."""
    results: pd.DataFrame = small_model.history()
    home.mkdir()
    with _environment(bucket.variables):
        settings = Settings(home=home).model_copy(
            update={"tracking": Settings(home=home).tracking.model_copy(update={"uri": tracking})}
        )
        if not tracking.startswith("http"):
            _experiment_in(settings)
        small_model.enter(home, results, data, settings)
    return small_model.next_card(results)


def _experiment_in(settings: Settings) -> None:
    from mlflow.tracking import MlflowClient

    from oracle.tracking.connection import load_mlflow, quiet

    load_mlflow()
    with quiet():
        client = MlflowClient(settings.tracking_uri, settings.tracking_uri)
        client.create_experiment(settings.tracking.experiment, artifact_location=f"s3://{BUCKET}")


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
