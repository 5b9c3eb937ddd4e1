"""`oracle retrain`: a model trained anew by itself, and why. Each command has a file of its name."""

from __future__ import annotations

import typer

from oracle.cli.retrain.approve import approve, reject
from oracle.cli.retrain.run import resume, run
from oracle.cli.retrain.simulate import simulate
from oracle.cli.retrain.status import status
from oracle.cli.retrain.why import why

retrain = typer.Typer(
    name="retrain",
    help="A model trained anew, tested and promoted by itself: do it, follow it, ask why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (run, resume, status, approve, reject, why, simulate):
    retrain.command()(command)
