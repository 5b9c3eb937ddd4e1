"""`oracle drift`: a window of races against its reference, and an exit code of 10 where they differ too much."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load
from oracle.settings.policies import DriftPolicy

if TYPE_CHECKING:
    from oracle.drift.verdict import Report

ALARM = 10
_REFERENCE = "Parquet (a file, a folder, a pattern), a dataset, same-weeks (of earlier years), or a kept .sketch."


def check(
    context: typer.Context,
    reference: Annotated[str | None, typer.Option(metavar="A", help=_REFERENCE)] = None,
    current: Annotated[
        str | None, typer.Option(metavar="B", help="The window in question: Parquet or a dataset.")
    ] = None,
    history: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where same-weeks looks; default: where the window is.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="First date of the window; default: all of it.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Last date of the window.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="race, meeting, day, or a column whose equal neighbours belong together.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="RAY", help="Count on the Ray at this address; local: on one of our own.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FILE.sketch", help="Keep the reference as counted, for the next check."),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as a page with pictures.")] = None,
    json: Json = False,
) -> None:
    """Compare a window of races with a reference. Exit code 10 on drift.

    Four answers, each drift, no drift or could not measure: the columns (KS, chi-square), the predictions, the accuracy
    against the market's, the results. Any Parquet may be compared; columns of ours are known by their names.
    """
    if context.invoked_subcommand is not None:
        return
    if reference is None or current is None:
        raise BadInput("two windows are compared", allowed="--reference A --current B", next_step="oracle drift --help")
    if html is not None and not html.parent.is_dir():
        raise BadInput("there is no folder for the page", value=str(html), allowed="a file in a folder that is there")
    if keep is not None and (keep.suffix != ".sketch" or not keep.parent.is_dir()):
        allowed = "a file that ends in .sketch, in a folder that is there"
        raise BadInput("no reference can be kept there", value=str(keep), allowed=allowed)
    from oracle.cli.drift.windows import Asked, compared  # here, so that `oracle --help` does not wait for numba
    from oracle.drift import report as room

    began = time.perf_counter(), time.process_time()
    policy = load().drift
    asked = Asked(reference, current, history, _day("--since", since), _day("--until", until), cluster, address, keep)
    found, elsewhere = compared(asked, policy, bars)
    found = found.timed(round(time.perf_counter() - began[0], 3), round(time.process_time() - began[1] + elsewhere, 3))
    if html is not None:
        html.write_text(room.page(found), encoding="utf-8")
    emit(_document(found, asked, policy), json=json, text=lambda: room.text(found))
    if found.alarm:
        raise typer.Exit(ALARM)


def _document(found: Report, asked: Any, policy: DriftPolicy) -> dict[str, Any]:
    return {**found.as_dict(), "compared": asked.as_dict(), "policy": policy.model_dump()}


def _day(option: str, text: str | None) -> dt.date | None:
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{option} is no date", value=text, allowed="such as 2024-09-01") from error
