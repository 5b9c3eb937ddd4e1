"""`oracle ingest`: raw result files into a dataset."""

from __future__ import annotations

import datetime as dt
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.data.ingest import IngestReport
    from oracle.data.sources.base import Source


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Result files, or folders that are searched for them.")],
    out: Annotated[str, typer.Option("--out", help="The dataset: a folder, or s3://bucket/prefix.")],
    format_: Annotated[str | None, typer.Option("--format", help="The layout of the files (see docs/data.md).")] = None,
    mapping: Annotated[Path | None, typer.Option(help="A TOML file that describes any other layout.")] = None,
    json: Json = False,
) -> None:
    """Take race results into a dataset: accept, recognise duplicates, quarantine with reasons.

    Taking the same file in twice adds nothing; a later file with corrected results replaces the races it corrects.
    Ends with exit code 2 where no row at all made sense.
    """
    from oracle.data.dataset import Dataset  # here, so that `oracle --help` does not wait for pandas
    from oracle.data.ingest import ingest as take_in

    limits = load().check
    source = source_of(format_, mapping)
    began = time.perf_counter()
    report = take_in(paths, source, Dataset(out), dt.datetime.now(dt.UTC), bars, limits)
    document = asdict(report) | {"seconds": round(time.perf_counter() - began, 3)}
    emit(document, json=json, text=lambda: _told(report, out))
    if report.learnt_nothing:
        why = "see the reasons above" if report.rows_read else "the files have a header and no rows"
        sys.stderr.write(f"error: no row could be accepted: {why}; next: check --format or --mapping\n")
        raise typer.Exit(2)


def source_of(format_: str | None, mapping: Path | None) -> Source:
    """Return the layout that the options name.

    Raises:
        BadInput: both or neither are given, or there is no such format.
    """
    from oracle.data.sources import SOURCES
    from oracle.data.sources.mapping import mapped

    if (format_ is None) == (mapping is None):
        raise BadInput(
            "give either --format or --mapping",
            value="both" if format_ else "neither",
            allowed=[f"--format {name}" for name in SOURCES] + ["--mapping FILE.toml"],
        )
    if mapping is not None:
        return mapped(mapping)
    if format_ is None or format_ not in SOURCES:
        raise BadInput(
            "unknown format",
            value=format_,
            allowed=list(SOURCES),
            next_step="describe any other layout in a mapping file and give it with --mapping",
        )
    return SOURCES[format_]


def _told(report: IngestReport, out: str) -> str:
    """Return the report as a person reads it."""
    period = f", {report.first_date} to {report.last_date}" if report.first_date else ""
    lines = [
        f"{out}: {report.races:,} races{period} ({report.races_new:,} new, {report.races_replaced:,} replaced)",
        f"  rows read   {report.rows_read:>10,}",
        f"  accepted    {report.rows_accepted:>10,}",
        f"  duplicate   {report.rows_duplicate:>10,}",
        f"  quarantined {report.rows_quarantined:>10,}",
        *(f"    {count:>10,}  {code}" for code, count in list(report.reasons.items())[:5]),
    ]
    if len(report.reasons) > 5:
        lines.append(f"    and {len(report.reasons) - 5} more reasons")
    if report.quarantine:
        lines.append(f"  refused rows with their reasons: {report.quarantine}")
    return "\n".join(lines)
