"""`oracle drift`: two windows of races compared, and what the check is worth. Each command has a file of its name."""

from __future__ import annotations

import typer

from oracle.cli.drift.calibrate import calibrate
from oracle.cli.drift.check import check
from oracle.cli.drift.selftest import selftest

drift = typer.Typer(
    name="drift",
    help="Has racing, or what the model makes of it, changed: data, predictions, accuracy, results.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
drift.callback()(check)
for command in (selftest, calibrate):
    drift.command()(command)
