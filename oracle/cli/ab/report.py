"""`oracle ab report`: everything about a test, as a document or as one page with pictures."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.ab.options import Experiment
from oracle.cli.output import Json, emit
from oracle.errors import BadInput
from oracle.settings import load


def report(
    name: Experiment = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one HTML page with pictures.")] = None,
    json: Json = False,
) -> None:
    """Report on a test: the plan, the verdict with its causes, health, users, and what was done to it."""
    from oracle import store
    from oracle.experiment import conduct

    settings = load()
    kept = store.open(settings)
    found = conduct.standing(kept, conduct.find(kept, name), settings.evaluation, dt.datetime.now(dt.UTC))
    if html is not None:
        write(html, found.page())
    document = found.document() | {"html": None if html is None else str(html)}
    log = [f"  {c['at']}  {c['what']:<12}{c['shares']}  {c['actor']}  {c['why']}" for c in found.log]
    emit(document, json=json, text=lambda: "\n".join([found.text(), "what was done:", *log]))


def write(file: Path, page: str) -> None:
    """Write a page.

    Raises:
        BadInput: it cannot be written there.
    """
    try:
        file.write_text(page, "utf-8")
    except OSError as error:
        raise BadInput(
            f"the page cannot be written: {error}", value=str(file), next_step="name another file"
        ) from error
