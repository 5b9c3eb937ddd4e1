"""The app on Ray Serve, as serve_config.yaml says, on the port of the deployment."""

from __future__ import annotations

import contextlib
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

import oracle
from oracle.deployment.cluster import Cluster
from oracle.deployment.part import Site
from oracle.deployment.ports import listening
from oracle.errors import Unavailable, UnreadableFile

APPLICATIONS = "/api/serve/applications/"
POLL_SECONDS = 0.1


def shipped() -> Path:
    """Return the serve_config.yaml that came with the code: of the checkout, or of the installed package."""
    checkout = Path(oracle.__file__).resolve().parents[1] / "serve_config.yaml"
    return checkout if checkout.is_file() else Path(sys.prefix) / "share" / "equine-oracle" / "serve_config.yaml"


class Application:
    """The app; no process of its own, but a wish that the cluster fulfils."""

    name, title = "app", "the app"
    seconds = 240.0

    def __init__(self, site: Site, cluster: Cluster, config: Path) -> None:
        self._site, self._cluster, self._config = site, cluster, config

    def document(self) -> dict[str, Any]:
        """Return serve_config.yaml with the address of this deployment.

        Raises:
            UnreadableFile: it is missing or no YAML.
        """
        try:
            found: dict[str, Any] = yaml.safe_load(self._config.read_text("utf-8"))
            options = {"host": "127.0.0.1", "port": self._site.port("app")}
            return {**found, "http_options": {**found.get("http_options", {}), **options}}
        except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
            raise UnreadableFile("the configuration of the app cannot be read", value=self._config) from error

    def deploy(self) -> None:
        """Tell the cluster which app it should run; returns before it does."""
        self._cluster.ask("PUT", APPLICATIONS, self.document(), seconds=60)

    def lacking(self) -> str | None:
        """Return None once the app answers, whatever it thinks of its own health: an empty registry is no failure."""
        try:
            told = self._cluster.ask("GET", APPLICATIONS)["applications"].get("oracle", {})
        except (OSError, ValueError, KeyError) as error:
            return str(error)
        if told.get("status") == "DEPLOY_FAILED":
            raise Unavailable(f"the app did not start: {_why(told)}", next_step="mend it and run `oracle up` again")
        if told.get("status") != "RUNNING":
            return f"{told.get('status', 'not deployed')}: {str(told.get('message', '')).strip()[-300:]}"
        return None if self._answers() else "nothing answers on its port yet"

    def stop(self, seconds: float = 30.0) -> str:
        """Ask the cluster to end the app, and wait until nobody listens any more.

        Returns:
            `stopped`, or `gone` where there was no cluster to ask.
        """
        with contextlib.suppress(OSError):
            self._cluster.ask("DELETE", APPLICATIONS, seconds=seconds)
            ends = time.perf_counter() + seconds
            while listening(self._site.port("app")) and time.perf_counter() < ends:
                time.sleep(POLL_SECONDS)
            return "stopped"
        return "gone"

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self._site.port("app"), timeout=10)
        try:
            connection.request("GET", "/v1/health")
            return connection.getresponse().status in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def _why(told: dict[str, Any]) -> str:
    """Return the last line of what the first deployment that failed says."""
    said = [str(each.get("message", "")) for each in told.get("deployments", {}).values()] + [str(told.get("message"))]
    lines = [line.strip() for text in said for line in text.splitlines()[::-1] if line.strip()]
    return next((line for line in lines if "Error" in line or ": " in line), lines[0] if lines else "no reason given")
