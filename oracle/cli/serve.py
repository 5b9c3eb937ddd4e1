"""`oracle serve`: the app on a Ray of its own, until it is told to stop."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from oracle.cli.output import Json, emit
from oracle.errors import Unavailable
from oracle.settings import Settings

if TYPE_CHECKING:
    from oracle.serving.registered import Registered
    from oracle.serving.version import Target

STEPS = 3


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: the setting serving.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; default: the setting serving.port.")
    ] = None,
    model_version: Annotated[
        str | None, typer.Option(help="Pin this version; default: the one under the production alias.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Processes that answer; default: the setting serving.replicas.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Join the Ray at this address; default: start one of our own.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until the app answers.")] = 180.0,
    json: Json = False,
) -> None:
    """Serve the production model over HTTP until Ctrl-C.

    Starts a Ray of its own on the loopback interface and ends it again. On a cluster use serve_config.yaml.
    """
    from oracle.serving.ingress import Ingress, clear, prepare
    from oracle.serving.place import Place, claim
    from oracle.serving.registered import Registered
    from oracle.serving.wiring import GatewayArgs, check_place, ray_environment, wire, with_key

    args = GatewayArgs(model_version=model_version, replicas=replicas)
    wiring = wire(args)
    place = Place(host or wiring.settings.serving.host, port or wiring.settings.serving.port)
    check_place(wiring.settings.serving, place.host)
    claim(place)
    _say(1, "finding the model in the registry")
    name = _wanted(Registered(wiring.settings, with_key(wiring).key), wiring.target)
    shown = "" if wiring.settings.serving.auth == "off" else ' -H "Authorization: Bearer $TOKEN"'
    _tell_of_tokens(wiring.settings)
    ingress = Ingress({}) if address else prepare(wiring.settings.serving.ingress, os.environ)
    if ingress.lacking:
        sys.stderr.write(f"{ingress.lacking}: Ray Serve's own proxy listens instead, at several times the cost\n")
    os.environ.update({**ray_environment(address), **ingress.switches})
    from oracle.serving import launch  # not earlier: Ray reads its environment while it is imported

    _on_signals(_interrupt)
    try:
        _say(2, f"joining the Ray at {address}" if address else "starting a Ray of our own")
        launch.start_ray(address)
        _on_signals(_interrupt)  # again: Ray sets its own
        launch.start_app(args, place)
        waiting = launch.until_ready(place, seconds=timeout)
        for _ in tqdm(waiting, bar_format=_line(3, f"loading {name}"), mininterval=1.0, leave=False):
            pass
        emit(
            {"url": place.url, "model": name, "docs": f"{place.url}/docs"},
            json=json,
            text=_ready(place.url, name, shown),
        )
        _until_interrupted()
    finally:
        _on_signals(signal.SIG_IGN)
        launch.stop(address)
        clear(ingress)


def _wanted(registry: Registered, target: Target) -> str:
    """Return the version that will answer, in words; where the registry is away, the one that stands in for it."""
    try:
        found = registry.resolve(target)
    except Unavailable as error:
        known = registry.known(target)
        if known is None:
            raise
        sys.stderr.write(f"{error}\nthe version that answered here last stands in until it does\n")
        return f"{known.name} {known.semver or known.version} (version {known.version})"
    return f"{found.name} {found.label} (version {found.number})"


def _tell_of_tokens(settings: Settings) -> None:
    """Say what there is to know of who may come in: nothing, where there is a token."""
    from oracle import store
    from oracle.serving.access import FIRST_TOKEN, FromStore

    if settings.serving.auth == "off":
        sys.stderr.write("serving.auth is off: whoever reaches this machine's loopback interface may use the API\n")
        return
    try:
        kept = store.open(settings)
    except Unavailable:  # those that serve say what that means for them
        return
    try:
        if not FromStore(kept)().any_at(dt.datetime.now(dt.UTC).timestamp()):
            sys.stderr.write(
                f"there is no token yet, so nobody may ask for predictions: {FIRST_TOKEN}\n"
                "(or start with ORACLE_SERVING__AUTH=off: everybody on this machine may, nobody else)\n"
            )
    finally:
        kept.close()


def _ready(url: str, name: str, shown: str) -> str:
    return f"""{name} answers at {url}

  curl -s {url}/v1/health
  curl -s {url}/v1/predict{shown} -H 'Content-Type: application/json' -d @card.json

{url}/docs has every field and an example card. Ctrl-C ends it."""


def _line(step: int, what: str) -> str:
    return f"[{step}/{STEPS}] {what} {{elapsed}}"


def _say(step: int, what: str) -> None:
    sys.stderr.write(f"[{step}/{STEPS}] {what}\n")


def _on_signals(handler: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)  # type: ignore[arg-type]  # a function, or SIG_IGN


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
    raise KeyboardInterrupt


def _until_interrupted() -> None:
    """Wait for Ctrl-C or SIGTERM; after a good start either is the expected end, not a failure."""
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        sys.stderr.write("stopping\n")
