"""`oracle model compare`: two versions side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load

Version = Annotated[str, typer.Argument(help="Number, v1.2.3 or alias of the version.")]


def compare(
    a: Version,
    b: Version,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Dataset on whose races both are measured, those that neither learned from."),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one HTML page with pictures.")] = None,
    json: Json = False,
) -> None:
    """Set two versions side by side: what they are made of, what they reached, and how they differ on the same races.

    Differences are B less A, with intervals by meeting. Without --data only what each run recorded is compared.
    """
    if html is not None and not html.absolute().parent.is_dir():
        raise BadInput("there is no folder for the page", value=str(html), next_step="make the folder first")
    from oracle.registry import side_by_side
    from oracle.registry.compare import compare as beside
    from oracle.registry.versions import resolve
    from oracle.retraining.comparing import load as loaded
    from oracle.retraining.comparing import measure
    from oracle.tracking.connection import connect

    settings = load()
    tracking = connect(settings)
    one, other = (loaded(settings, tracking, v) for v in [resolve(tracking, name) for name in (a, b)])
    evidence = None if data is None else measure(settings, data, one.model, other.model, bars)
    found = beside(one.side, other.side, evidence, settings.evaluation, settings.seed)
    if html is not None:
        html.write_text(side_by_side.page(found), "utf-8")
    emit({**found.as_dict(), "page": html and str(html)}, json=json, text=lambda: side_by_side.text(found))
