"""`oracle leakscan`: which columns and features of a dataset knew the result."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import Leak
from oracle.settings import load


def leakscan(
    dataset: Annotated[
        str, typer.Argument(help="A dataset, also with extra columns, or a Parquet or CSV table of runners.")
    ],
    columns: Annotated[
        str | None,
        typer.Option(
            help="Names of the dataset's own columns to scan, with commas; or a Parquet or CSV file of columns to join."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Look for columns that knew the result: exit code 0 where none did, 3 with the suspects ranked.

    Scanned are the columns of the dataset that are not results, or those of --columns, and every shipped feature.
    """
    from oracle.data import extra  # here, so that `oracle --help` does not wait for pandas
    from oracle.training.leakscan import leakscan as scan

    settings = load()
    found = extra.read(dataset)
    if columns is not None:
        file = Path(columns).is_file() or columns.lower().endswith(extra.READABLE)
        found = extra.beside(found, columns) if file else extra.only(found, [c.strip() for c in columns.split(",")])
    document = {"dataset": dataset, **scan(found, settings.leak, settings.seed, bars).as_dict()}
    emit(document, json=json, text=lambda: _told(document))
    if document["suspects"]:
        raise typer.Exit(Leak.exit_code)


def _told(document: dict[str, Any]) -> str:
    suspects = document["suspects"]
    lines = [
        f"{document['dataset']}: {document['columns']} columns on {document['races']:,} races against the"
        f" {document['basis']}: {len(suspects) or 'no'} suspect{'' if len(suspects) == 1 else 's'}"
    ]
    for rank, suspect in enumerate(suspects, start=1):
        lines.append(f"{rank:4}  {suspect['feature']}  ({suspect['score']:.1f} times the limit)")
        lines.append(textwrap.fill(suspect["reason"], 110, initial_indent=" " * 6, subsequent_indent=" " * 6))
    if document["not_scanned"]:
        lines.append(f"not scanned, no numbers: {', '.join(document['not_scanned'])}")
    return "\n".join(lines)
