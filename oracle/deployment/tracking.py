"""The MLflow server: the only holder of the registry's database and of the bucket, and the only door to both."""

from __future__ import annotations

import datetime as dt
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib.metadata import entry_points

from oracle.deployment import people
from oracle.deployment.objects import BUCKET, Objects
from oracle.deployment.part import GENTLY, Site
from oracle.deployment.processes import Command
from oracle.errors import Unavailable
from oracle.tracking_server.launch import APP, launch


class TrackingServer:
    """The MLflow server with our app."""

    name, title = "mlflow", "MLflow server"
    ports: Sequence[str] = ("mlflow",)
    seconds = 240.0
    signals = GENTLY

    def __init__(self, site: Site, objects: Objects, now: dt.datetime) -> None:
        self._site, self._objects, self._now = site, objects, now

    def prepare(self) -> None:
        """Look whether MLflow will find our app and our artifact repository.

        Raises:
            Unavailable: the installed package is older than the code.
        """
        for group, name in (("mlflow.app", APP), ("mlflow.artifact_repository", "sealed+s3")):
            if not entry_points(group=group, name=name):
                raise Unavailable(
                    "this installation does not announce our part of the MLflow server",
                    value=f"{group}: {name}",
                    next_step="install the package again: make setup, or pip install -e .",
                )

    def command(self) -> Command:
        """Return how the server is started: every secret by environment or file."""
        site, password = self._site, self._site.passwords.mlflow
        told = launch(
            site.governed,
            site.places.secrets,
            backend=site.database("mlflow", password, "mlflow"),
            users=site.database("mlflow", password, "mlflow_users"),
            artifacts=f"sealed+s3://{BUCKET}",
            admin=(people.ADMIN, site.passwords.admin),
            port=site.port("mlflow"),
        )
        return Command(told.command, {**site.settings, **self._objects.access, **told.environment}, site.places.home)

    def lacking(self) -> str | None:
        """Return None once it answers."""
        try:
            with urllib.request.urlopen(f"{self._site.tracking}/health", timeout=10):
                return None
        except (OSError, urllib.error.URLError) as error:
            return str(error)

    def furnish(self) -> None:
        """Make the first people, the account that serving reads with, and the first token of the app."""
        people.settle(self._site)
        people.let_in(self._site, self._now)

    def clear(self) -> None:
        """Leave everything: it is in the database and the bucket."""
