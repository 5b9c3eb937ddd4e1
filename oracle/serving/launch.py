"""Brings the app up on a Ray of its own, or on one that is named, and takes down only what it brought up.

Nothing is joined by accident: without an address a fresh Ray is started on the loopback interface, on free ports,
without a dashboard (whose job API runs anybody's code), behind a token that only its own processes know.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.schema import ApplicationStatus

from oracle.errors import Unavailable
from oracle.serving.app import build
from oracle.serving.place import Place
from oracle.serving.wiring import GatewayArgs

APP = "oracle"
POLL_SECONDS = 0.25


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
    # A proxy that died while starting is started again by the controller; `until_ready` is the judge.
    with contextlib.suppress(RayActorError):
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
    connection = HTTPConnection(place.near, place.port, timeout=5)
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
