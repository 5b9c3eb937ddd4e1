"""`oracle audit`: who did what, and whether the trail is as it was written. Each command has a file of its name."""

from __future__ import annotations

import typer

from oracle.cli.audit.anchor import anchor
from oracle.cli.audit.export import export
from oracle.cli.audit.log import log
from oracle.cli.audit.verify import verify

audit = typer.Typer(
    name="audit",
    help="The audit trail: read it, verify it, take it out, anchor it elsewhere.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (log, verify, export, anchor):
    audit.command()(command)
