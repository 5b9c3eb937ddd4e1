"""`oracle store`: the tables of our store, brought up to date by hand, and who may do what in them."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from oracle.cli.output import Json, emit
from oracle.errors import BadInput
from oracle.settings import load

ALARM = 10
"""Exit code of a look that found something missing, or too much."""

store = typer.Typer(
    name="store",
    help="The tables of our store: bring them up to date, and say who may do what in them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
        raise typer.Exit(ALARM)


def _told(d: dict[str, Any]) -> str:
    if not d["revisions"]:
        return f"{d['store']} is at {d['head']}: nothing is missing"
    verb = "brought" if d["done"] else "would bring"
    lines = [f"{d['store']}: {verb} from {d['was'] or 'nothing that was counted'} to {d['head']}"]
    return "\n".join([*lines, *(f"  {r['revision']} {r['brings']}" for r in d["revisions"])])


@store.command()
def grants(
    governor: Annotated[str, typer.Option(metavar="ROLE", help="Role of the MLflow server.")] = "governor",
    app: Annotated[str, typer.Option(metavar="ROLE", help="Role of all that serves and works.")] = "app",
    apply: Annotated[bool, typer.Option("--apply", help="Carry it out, as the owner of the tables.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare with what is granted; 10 if it differs.")] = False,
    json: Json = False,
) -> None:
    """Print who may do what in the store on PostgreSQL, as statements; carry them out, or compare.

    Neither role may change what only grows; the role that serves can decide nothing. Passwords are set elsewhere.
    """
    from oracle.store import database_of, grants

    if apply and check:
        raise BadInput("a look changes nothing", value="--apply --check", next_step="one after the other")
    ours, roles = database_of(load()), grants.Roles(governor, app)
    try:
        wrong = grants.differences(ours, roles) if check else ()
        said = grants.apply(ours, roles) if apply else () if check else grants.planned(ours, roles)
    finally:
        ours.close()
    document = {"store": ours.shown, "statements": said, "applied": apply, "differences": wrong if check else None}
    emit(document, json=json, text=lambda: _granted(document))
    if wrong:
        raise typer.Exit(ALARM)


def _granted(d: dict[str, Any]) -> str:
    if d["differences"] is not None:
        return "\n".join(d["differences"]) or f"{d['store']}: all is granted as it should be, and no more"
    if d["applied"]:
        return f"{d['store']}: {len(d['statements'])} statements carried out"
    return "\n".join(["BEGIN;", *(f"{statement};" for statement in d["statements"]), "COMMIT;"])
