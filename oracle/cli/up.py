"""`oracle up` and `oracle down`: production on one machine."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oracle import settings
from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput

if TYPE_CHECKING:
    from oracle.deployment.down import Down
    from oracle.deployment.up import Up


class Profile(StrEnum):
    """What can be brought up."""

    LOCAL_PROD = "local-prod"


Home = Annotated[Path | None, typer.Option(help="Folder of the deployment; default: the setting home.")]


def up(
    profile: Annotated[Profile, typer.Option(help="What to bring up.")] = Profile.LOCAL_PROD,
    home: Home = None,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="PART=N", help="Port of a part, such as app=8000; default: a free one, kept."),
    ] = None,
    serve_config: Annotated[
        Path | None, typer.Option(help="Configuration of the app; default: the serve_config.yaml of this release.")
    ] = None,
    json: Json = False,
) -> None:
    """Start production on this machine: PostgreSQL, S3, the MLflow server, Ray and the app.

    What is up already stays as it is; only what is missing is started. Passwords are made once and lie in files under
    home that nobody else may read; none is printed. `oracle down` stops it again.
    """
    from oracle.deployment.up import Wish
    from oracle.deployment.up import up as bring

    tree = settings.load(home=home)
    found = bring(
        tree,
        Wish(_ports(port or ()), serve_config),
        os.environ,
        lambda: dt.datetime.now(dt.UTC),
        say=_say,
        progress=bars,
    )
    emit({"profile": profile.value, **found.as_dict()}, json=json, text=lambda: _told(found))


def down(home: Home = None, json: Json = False) -> None:
    """Stop exactly what `oracle up` started; data, passwords and logs stay."""
    from oracle.deployment.down import down as end

    found = end(settings.load(home=home), os.environ, dt.datetime.now(dt.UTC), say=_say)
    emit(found.as_dict(), json=json, text=lambda: _ended(found))


def _ports(words: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        name, equals, number = word.partition("=")
        if not equals or not number.isdecimal():
            raise BadInput("a port is told as PART=N", value=word, next_step="for example --port app=8000")
        found[name] = int(number)
    return found


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _told(found: Up) -> str:
    return f"""everything is up

  the app         {found.url}/docs
  MLflow          {found.tracking}
  Ray             {found.dashboard}
  first people    {found.people} (a file with a password each)
  logs            {found.logs}

  . {found.environment}     then `oracle train`, `oracle model list`, ... talk to it
  oracle down               stops it"""


def _ended(found: Down) -> str:
    if not found.parts:
        return "nothing was up"
    return f"{len(found.parts)} parts ended" + (f", and {found.strays} strays" if found.strays else "")
