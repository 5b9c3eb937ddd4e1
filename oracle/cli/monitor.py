"""`oracle monitor`: looks for drift, decides on retrainings, looks after those under way, and tells."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.output import Json, bars, emit, logged
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.retraining.monitor import Tick

ALARM = 10


def monitor(
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="Look again and again, such as every 15m, 1h or 1d.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="The dataset to train on: a folder, or s3://bucket/prefix; default: candidate.data."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Job API of the Ray that trains, such as http://127.0.0.1:8265; default: a process here."),
    ] = None,
    json: Json = False,
) -> None:
    """Check the production model for drift, decide whether to train anew, and look after what is under way.

    With --once exit code 10 says drift, 1 that something could not be done. With --every each look is one document, a
    look that fails is told and tried again, and Ctrl-C or SIGTERM ends it after the look it is at.
    """
    if once == (every is not None):
        raise BadInput("one of --once and --every is needed", allowed="--once, or --every 1h")
    from oracle.retraining.every import every as again
    from oracle.retraining.every import seconds_of

    seconds = 0.0 if every is None else seconds_of(every)
    if address is not None:
        from oracle.serving.wiring import ray_environment

        os.environ.update(ray_environment(address))  # before Ray is imported: it reads how to authenticate then
    from oracle import store
    from oracle.retraining.monitor import tick
    from oracle.retraining.surroundings import context

    logged()
    settings = load()
    kept = store.open(settings)
    work = context(settings, kept, data=data, address=address, beside=Path.cwd(), progress=bars)

    def look() -> Tick:
        found = tick(work, dt.datetime.now(dt.UTC))
        emit(found.as_dict(), json=json, text=lambda: told(found))
        return found

    try:
        if once:
            raise typer.Exit(_code(look()))
        again(look, seconds, _stopping(), time.monotonic)
        sys.stderr.write("stopping\n")
    finally:
        kept.close()


def _code(found: Tick) -> int:
    return 1 if found.trouble else ALARM if found.alarming else 0


def _stopping() -> threading.Event:
    """Return what the first Ctrl-C or SIGTERM sets; the second one does not wait for the look to end."""
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked)
    return stop


def told(found: Tick) -> str:
    """Return a tick as a person reads it."""
    check, under_way = found.check, found.retraining
    lines = [f"{found.at:%Y-%m-%d %H:%M}"]
    if check is not None:
        lines.append(f"check     {check.verdict}, {check.races:,} races of version {check.model_version}")
    if found.decision is not None:
        lines.append(f"decision  {found.decision.sentence}")
        lines.append(f"          oracle retrain why {found.decision.event_id}")
    if under_way is not None:
        lines.append(f"under way retraining {under_way.retraining_id}: {under_way.status}")
    lines += [f"told      {a.severity}: {a.title}" for a in found.alerts]
    if found.delivered.failed:
        lines.append(f"          {found.delivered.failed} deliveries failed and are tried again")
    return "\n".join([*lines, *(f"trouble   {each}" for each in found.trouble)])
