"""The MLflow server: the only holder of the registry's database and of the bucket, and the only door to both."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from oracle.deployment.objects import BUCKET, Objects
from oracle.deployment.part import GENTLY, Site
from oracle.deployment.places import write_private
from oracle.deployment.processes import Command

APP = "basic-auth"
ADMIN = "admin"


class TrackingServer:
    """The MLflow server with our app."""

    name, title = "mlflow", "MLflow server"
    ports: Sequence[str] = ("mlflow",)
    seconds = 240.0
    signals = GENTLY

    def __init__(self, site: Site, objects: Objects) -> None:
        self._site, self._objects = site, objects

    @property
    def _users(self) -> Path:
        return self._site.places.secrets / "auth.ini"

    def prepare(self) -> None:
        """Write where MLflow finds its users: the same database as everything else of its own."""
        address = self._site.database("mlflow", self._site.passwords.mlflow, "mlflow")
        lines = ["[mlflow]", "default_permission = MANAGE", f"database_uri = {address}", f"admin_username = {ADMIN}"]
        lines += ["authorization_function = mlflow.server.auth:authenticate_request_basic_auth"]
        lines += ["auth_cache_ttl_seconds = 60"]
        write_private(self._users, "\n".join(lines) + "\n")

    def command(self) -> Command:
        """Return how the server is started: every secret by environment or file."""
        passwords = self._site.passwords
        environment = {
            **self._site.settings,
            **self._objects.access,
            "MLFLOW_BACKEND_STORE_URI": self._site.database("mlflow", passwords.mlflow, "mlflow"),
            "MLFLOW_ARTIFACTS_DESTINATION": f"sealed+s3://{BUCKET}",
            "MLFLOW_AUTH_CONFIG_PATH": str(self._users),
            "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
            "MLFLOW_AUTH_ADMIN_PASSWORD": passwords.admin,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": passwords.flask,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "ORACLE_HOME": str(self._site.places.home),
            "ORACLE_STORE__URI": self._site.governed_store,
        }
        words = [sys.executable, "-m", "mlflow", "server", "--app-name", APP, "--serve-artifacts", "--workers", "1"]
        words += ["--host", "127.0.0.1", "--port", str(self._site.port("mlflow"))]
        return Command(words, environment, self._site.places.home)

    def lacking(self) -> str | None:
        """Return None once it answers."""
        try:
            with urllib.request.urlopen(f"{self._site.tracking}/health", timeout=10):
                return None
        except (OSError, urllib.error.URLError) as error:
            return str(error)

    def furnish(self) -> None:
        """Make the first people and the account that serving reads with."""
        from oracle.deployment.people import settle

        settle(self._site)

    def clear(self) -> None:
        """Leave everything: it is in the database and the bucket."""
