"""`oracle ab`: two versions against each other, from the plan to the report. Each command has a file of its name."""

from __future__ import annotations

import typer

from oracle.cli.ab.aa import aa
from oracle.cli.ab.plan import plan
from oracle.cli.ab.ramp import ramp
from oracle.cli.ab.replay import replay
from oracle.cli.ab.report import report
from oracle.cli.ab.simulate import simulate
from oracle.cli.ab.start import start
from oracle.cli.ab.status import status
from oracle.cli.ab.stop import stop

ab = typer.Typer(
    name="ab",
    help="Test a candidate against the production model on live traffic or on past races.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (plan, simulate, replay, start, status, ramp, stop, report, aa):
    ab.command()(command)
