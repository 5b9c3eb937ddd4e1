"""`oracle store`: the tables of our store, brought up to date by hand, and who may do what in them."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from oracle.cli.output import Json, emit
from oracle.settings import load

BEHIND = 10
"""Exit code of a look that found revisions missing."""

store = typer.Typer(
    name="store",
    help="The tables of our store: bring them up to date.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@store.callback()
def _group() -> None:
    """The tables of our store: bring them up to date."""


@store.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is missing; exit code 10 if anything is.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the tables to this release, in one transaction: what opening the store does anyhow, done before it.

    For where the role that serves may not change tables, and to see beforehand what a new release will do.
    """
    from oracle.store import database_of  # here, so that `oracle --help` does not wait for SQLAlchemy
    from oracle.store.migrations import HEAD, STEPS, standing
    from oracle.store.migrations import migrate as bring

    begun = time.perf_counter()
    ours = database_of(load())
    try:
        before = ours.read(standing)
        done = () if check else bring(ours)
    finally:
        ours.close()
    missing = before.missing if check else done
    document = {
        "store": ours.shown,
        "was": before.revision,
        "head": HEAD,
        "revisions": [{"revision": r, "brings": STEPS[r]} for r in missing],
        "done": not check,
        "seconds": round(time.perf_counter() - begun, 3),
    }
    emit(document, json=json, text=lambda: _told(document))
    if check and missing:
        raise typer.Exit(BEHIND)


def _told(d: dict[str, Any]) -> str:
    if not d["revisions"]:
        return f"{d['store']} is at {d['head']}: nothing is missing"
    verb = "brought" if d["done"] else "would bring"
    lines = [f"{d['store']}: {verb} from {d['was'] or 'nothing that was counted'} to {d['head']}"]
    return "\n".join([*lines, *(f"  {r['revision']} {r['brings']}" for r in d["revisions"])])
