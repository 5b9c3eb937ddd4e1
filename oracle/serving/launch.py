"""Brings the app up on a Ray of its own, or on one that is named, and takes down only what it brought up.

Nothing is joined by accident: without an address a fresh Ray is started on the loopback interface, on free ports,
without a dashboard (whose job API runs anybody's code), behind a token that only its own processes know.
"""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

import ray
from ray import serve
from ray.serve.schema import ApplicationStatus

from oracle.errors import BadInput, Unavailable
from oracle.serving.app import build
from oracle.serving.wiring import GatewayArgs

APP = "oracle"
POLL_SECONDS = 0.25
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class PortTaken(BadInput):
    """Somebody else listens on the port."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the app listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Address of the app, as a caller on this machine writes it."""
        host = ANYWHERE.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def claim(place: Place) -> None:
    """Return if the place can be listened on.

    Raises:
        PortTaken: another process listens there.
        BadInput: the host is no address of this machine, or the port needs rights we do not have.
    """
    try:
        family, kind, _, _, where = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        shown = f"{place.host}:{place.port}"
        if error.errno == errno.EADDRINUSE:
            raise PortTaken("the port is in use", value=shown, next_step="choose another with --port") from error
        raise BadInput(f"cannot listen there: {error.strerror}", value=shown, next_step="see --host, --port") from error


def start_ray(address: str | None) -> None:
    """Start a Ray of our own, or join the one at `address`.

    The process must carry `oracle.serving.wiring.ray_environment` since before Ray was imported.

    Raises:
        Unavailable: there is no Ray at that address, or ours does not start.
    """
    own: dict[str, Any] = {}
    if address is None:
        own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(
            address=address or "local",
            namespace="serve",
            logging_level=logging.ERROR,
            log_to_driver=False,
            **own,
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        next_step = "check --address, or leave it out to start a Ray of our own" if address else "see the lines above"
        raise Unavailable(f"Ray did not start: {error}", value=address, next_step=next_step) from error


def start_app(args: GatewayArgs, place: Place) -> None:
    """Ask Ray Serve to run the app at `place`; returns before it is ready (see `until_ready`)."""
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": place.host, "port": place.port},
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )
    target = serve.RunTarget(build(args), name=APP, route_prefix="/")
    serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)


def until_ready(place: Place, *, seconds: float) -> Iterator[float]:
    """Yield the seconds waited until the app answers at `place`.

    Raises:
        Unavailable: it failed to start, or did not answer in time.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < seconds:
        app = serve.status().applications.get(APP)
        if app is not None and app.status == ApplicationStatus.DEPLOY_FAILED:
            raise Unavailable(
                f"the app did not start: {_last_line(app.message)}", next_step="oracle predict shows more"
            )
        if app is not None and app.status == ApplicationStatus.RUNNING and _answers(place):
            return
        yield waited
        time.sleep(POLL_SECONDS)
    raise Unavailable(f"the app did not answer within {seconds:.0f} s", value=place.url, next_step="raise --timeout")


def stop(address: str | None) -> None:
    """End what was started: our own Ray as a whole, on a joined one only our app."""
    if not ray.is_initialized():
        return
    try:
        if address is None:
            serve.shutdown()  # type: ignore[no-untyped-call]
        else:
            serve.delete(APP)
    finally:
        ray.shutdown()


def _answers(place: Place) -> bool:
    """Tell whether an app of ours answers there, whatever it thinks of its own health."""
    connection = HTTPConnection(ANYWHERE.get(place.host, place.host), place.port, timeout=5)
    try:
        connection.request("GET", "/v1/health")
        return connection.getresponse().status in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _last_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
