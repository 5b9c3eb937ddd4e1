"""The `oracle` command: which commands there are. Each lives in a file of its own name."""

from __future__ import annotations

import sys

import typer

from oracle.cli import output
from oracle.cli.ingest import ingest
from oracle.cli.models import models
from oracle.cli.predict import predict
from oracle.cli.serve import serve
from oracle.cli.simulate import simulate

app = typer.Typer(
    name="oracle",
    help="From race results to served, calibrated predictions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """From race results to served, calibrated predictions."""


app.command()(ingest)
app.command()(simulate)
app.command()(models)
app.command()(predict)
app.command()(serve)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(output.run(app))
