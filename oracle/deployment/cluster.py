"""Ray: one node on the loopback interface, behind a token, with the switches that make Serve fast."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.deployment.part import Site
from oracle.deployment.places import write_private
from oracle.deployment.processes import Command
from oracle.serving import ingress
from oracle.serving.wiring import PATIENCE, REPLICA_ENVIRONMENT

LEAST_CPUS = 4
"""Logical ones: the gateway, a challenger and a training reserve more than a machine with two cores has."""


class Cluster:
    """The head of a cluster of one node."""

    name, title = "ray", "Ray"
    ports: Sequence[str] = ("ray", "dashboard", "client", "agent", "metrics")
    seconds = 120.0
    signals: Sequence[tuple[int, float]] = ((signal.SIGTERM, 30.0),)

    def __init__(self, site: Site, environment: Mapping[str, str], cores: int) -> None:
        self._site, self._environment, self._cores = site, environment, cores

    @property
    def _token(self) -> Path:
        return self._site.places.secrets / "ray.token"

    @property
    def _switches(self) -> Path:
        return self._site.places.secrets / "serve.json"

    def prepare(self) -> None:
        """Make the token file, a short folder for sockets, and HAProxy's own files and ports."""
        write_private(self._token, self._site.passwords.ray)
        folders = self._site.ledger.folders
        if not Path(folders.get("ray", "")).is_dir() or "ray" not in folders:
            folders["ray"] = tempfile.mkdtemp(prefix="or-", dir="/tmp")  # a socket's path has at most 107 characters
        if not self._switches.exists() or not Path(folders.get("haproxy", "/nowhere")).is_dir():
            found = ingress.prepare("haproxy", self._environment)
            folders.pop("haproxy", None)
            if found.folder is not None:
                folders["haproxy"] = str(found.folder)
            write_private(self._switches, json.dumps(dict(found.switches)))
        self._site.ledger.save()

    def command(self) -> Command:
        """Return how the head is started: in the foreground, so that its processes share its session."""
        site, folder = self._site, self._site.ledger.folders["ray"]
        passwords = site.passwords
        environment = {
            **site.settings,
            **json.loads(self._switches.read_text()),
            **REPLICA_ENVIRONMENT,
            **PATIENCE,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": folder,
            "ORACLE_HOME": str(site.places.home),
            "ORACLE_TRACKING__URI": site.tracking,
            "ORACLE_STORE__URI": site.store,
            "ORACLE_SERVING__PSEUDONYM_KEY": passwords.pseudonyms,
            "MLFLOW_TRACKING_USERNAME": "serving",
            "MLFLOW_TRACKING_PASSWORD": passwords.serving,
        }
        words = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--disable-usage-stats"]
        words += ["--node-ip-address=127.0.0.2", "--dashboard-host=127.0.0.1", f"--temp-dir={folder}"]
        words += [f"--num-cpus={max(self._cores, LEAST_CPUS)}", f"--port={site.port('ray')}"]
        words += [f"--dashboard-port={site.port('dashboard')}", f"--ray-client-server-port={site.port('client')}"]
        words += [
            f"--dashboard-agent-listen-port={site.port('agent')}",
            f"--metrics-export-port={site.port('metrics')}",
        ]
        return Command(words, environment, site.places.home)

    def lacking(self) -> str | None:
        """Return None once the dashboard answers to the token."""
        try:
            self.ask("GET", "/api/version")
        except (OSError, ValueError) as error:
            return str(error)
        return None

    def furnish(self) -> None:
        """Leave it empty: the app is a part of its own."""

    def clear(self) -> None:
        """Remove the folders of sockets, and end a HAProxy whose Ray died before it."""
        folders = self._site.ledger.folders
        switches = json.loads(self._switches.read_text()) if self._switches.exists() else {}
        if "haproxy" in folders:
            ingress.clear(ingress.Ingress(switches, Path(folders.pop("haproxy"))))
        if "ray" in folders:
            shutil.rmtree(folders.pop("ray"), ignore_errors=True)
        self._switches.unlink(missing_ok=True)
        self._site.ledger.save()

    def ask(self, method: str, path: str, document: Any = None, seconds: float = 10.0) -> Any:
        """Ask the dashboard, with the token, and return its answer.

        Raises:
            OSError: it does not answer, or refuses.
        """
        request = urllib.request.Request(
            f"{self._site.dashboard}{path}",
            None if document is None else json.dumps(document).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self._site.passwords.ray}"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as told:
                body = told.read()
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"{error.code}: {error.read(500).decode(errors='replace')}") from error
        return json.loads(body) if body else None
