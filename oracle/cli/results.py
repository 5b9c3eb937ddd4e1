"""`oracle results`: what became of the races, told to our store."""

from __future__ import annotations

import datetime as dt
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.ingest import source_of
from oracle.cli.output import Json, bars, emit
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.data.results import StoredReport

results = typer.Typer(
    name="results",
    help="Results of races, for the form that is served and for experiments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@results.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Result files, or folders that are searched for them.")],
    format_: Annotated[str | None, typer.Option("--format", help="The layout of the files (see docs/data.md).")] = None,
    mapping: Annotated[Path | None, typer.Option(help="A TOML file that describes any other layout.")] = None,
    json: Json = False,
) -> None:
    """Take race results into our store: what POST /v1/results does, from the files that `oracle ingest` reads.

    Every replica folds them into its form within seconds. Taking the same file in twice adds nothing; a result told
    differently corrects the earlier telling. Ends with exit code 2 where no row at all made sense.
    """
    from oracle import store  # here, so that `oracle --help` does not wait for pandas and SQLAlchemy
    from oracle.data.results import ingest as take_in

    settings = load()
    source = source_of(format_, mapping)
    began = time.perf_counter()
    report = take_in(paths, source, store.open(settings), dt.datetime.now(dt.UTC), bars, settings.check)
    document = asdict(report) | {"seconds": round(time.perf_counter() - began, 3)}
    emit(document, json=json, text=lambda: _told(report))
    if report.learnt_nothing:
        why = "see the reasons above" if report.rows_read else "the files have a header and no rows"
        sys.stderr.write(f"error: no row could be accepted: {why}; next: check --format or --mapping\n")
        raise typer.Exit(2)


def _told(report: StoredReport) -> str:
    """Return the report as a person reads it."""
    period = f", {report.first_date} to {report.last_date}" if report.first_date else ""
    races = report.races_new + report.races_same + report.races_corrected
    lines = [
        f"{races:,} races{period} ({report.races_new:,} new, {report.races_corrected:,} corrected,"
        f" {report.races_same:,} known); {report.predictions:,} predictions of them in the store",
        f"  rows read   {report.rows_read:>10,}",
        f"  accepted    {report.rows_accepted:>10,}",
        f"  duplicate   {report.rows_duplicate:>10,}",
        f"  quarantined {report.rows_quarantined:>10,}",
        *(f"    {count:>10,}  {code}" for code, count in list(report.reasons.items())[:5]),
        *(f"  {row['file']} line {row['line']}: {row['reason']}" for row in report.refused[:5]),
    ]
    return "\n".join(lines)
