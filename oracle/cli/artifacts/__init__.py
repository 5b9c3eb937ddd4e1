"""`oracle artifacts`: whether the files of runs and models are encrypted, and what to do that they are."""

from __future__ import annotations

import typer

from oracle.cli.artifacts.check import check
from oracle.cli.artifacts.key import key
from oracle.cli.artifacts.protect import protect
from oracle.cli.artifacts.rotate import rotate

artifacts = typer.Typer(
    name="artifacts",
    help="Encryption of the files of runs and models: see what is not, and mend it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (check, protect, rotate, key):
    artifacts.command()(command)
