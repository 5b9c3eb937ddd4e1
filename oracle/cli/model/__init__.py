"""`oracle model`: which versions there are, what served when, and who lets which one go into service."""

from __future__ import annotations

import typer

from oracle.cli.model.at import at
from oracle.cli.model.compare import compare
from oracle.cli.model.list import listed
from oracle.cli.model.promote import promote
from oracle.cli.model.rollback import rollback
from oracle.cli.model.ruling import approve, reject, requests, withdraw
from oracle.cli.model.show import resolved, show

model = typer.Typer(
    name="model",
    help="Versions of the model: which there are, what served when, and who lets which one go into service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
model.command("list")(listed)
model.command("resolve")(resolved)
for command in (show, compare, promote, requests, approve, reject, withdraw, rollback, at):
    model.command()(command)
