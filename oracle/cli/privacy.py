"""`oracle privacy`: take a user out of our store, and look for personal data where it must not be."""

from __future__ import annotations

import datetime as dt
import getpass
import secrets
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput, OracleError
from oracle.settings import Settings, load

if TYPE_CHECKING:
    from oracle.governance.audit import Outcome
    from oracle.governance.roles import Actor
    from oracle.store import Store
    from oracle.store.erasure import Erased

privacy = typer.Typer(
    name="privacy",
    help="Take a user out of our store, or look for personal data where it must not be.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FOUND = 10
STAYS = (
    "answers to the user's cards, as those of nobody in particular",
    "sums over many users: standings and verdicts of experiments, drift checks, metrics",
    "Parquet that `oracle predictions export` wrote before, with the pseudonym in it: write those days again",
    "backups of the database, and on PostgreSQL its write-ahead log, until they are recycled",
    "answers that wait in a journal while the database is away: erase again once they have gone in",
)
"""What an erasure does not reach; docs/privacy.md says what to do about each."""


@privacy.command()
def erase(
    user: Annotated[str, typer.Argument(help="The user as the app knows them (X-User-Id); - reads it from stdin.")],
    key_file: Annotated[
        list[Path] | None,
        typer.Option(help="A file with a key that was in use before, such as an old pseudonym.key. May be repeated."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail; it must not name the user.")] = "asked to",
    json: Json = False,
) -> None:
    """Cut everything in our store from a user; again, it finds nothing more.

    The user's name is neither kept nor logged: the audit trail says that somebody was erased, when and by whom.
    """
    from oracle import store
    from oracle.serving.wiring import known_key

    name = sys.stdin.readline().strip() if user == "-" else user.strip()
    if not name:
        raise BadInput("nobody is named", allowed="the X-User-Id that the app sends")
    settings = load()
    pseudonyms = _pseudonyms(name, known_key(settings), key_file or ())
    kept = store.open(settings)
    try:
        done = _erase(kept, _actor(settings, kept), pseudonyms, reason)
    finally:
        kept.close()
    emit(asdict(done) | {"keys": len(pseudonyms), "stays": STAYS}, json=json, text=lambda: _erased(done))


def _pseudonyms(name: str, key: bytes, files: tuple[Path, ...] | list[Path]) -> set[str]:
    """Return what stands for a user under every key; a header is read without spaces around it."""
    from oracle.experiment.assignment import pseudonym
    from oracle.serving.wiring import key_of

    keys = [key]
    for file in files:
        if not file.is_file():
            raise BadInput("there is no such key", value=file, allowed="a file as pseudonym.key is")
        keys.append(key_of(file.read_bytes().strip()))
    return {pseudonym(name, each) for each in keys}


def _actor(settings: Settings, kept: Store) -> Actor:
    from oracle.governance.roles import ROLES, Actor

    name = settings.governance.actor or getpass.getuser()
    return Actor(name, kept.people.roles(name) if kept.people.anybody() else frozenset(ROLES))


def _erase(kept: Store, actor: Actor, pseudonyms: set[str], reason: str) -> Erased:
    from oracle.store.erasure import erase as cut

    try:
        actor.require("erase")
        done = cut(kept, pseudonyms, lambda: f"erased-{secrets.token_hex(16)}", progress=bars)
    except OracleError as error:
        _note(kept, actor, "refused" if error.exit_code == 3 else "failed", error.what, None)
        raise
    _note(kept, actor, "allowed", reason, asdict(done))
    return done


def _note(kept: Store, actor: Actor, outcome: Outcome, reason: str, after: dict[str, Any] | None) -> None:
    from oracle.governance.audit import Entry

    entry = Entry(
        entry_id=secrets.token_hex(16),
        at=dt.datetime.now(dt.UTC),
        actor=actor.name,
        action="erase",
        target="a user",
        outcome=outcome,
        reason=reason,
        after=None if after is None else orjson.dumps(after).decode(),
    )
    kept.audit.append(entry)


def _erased(done: Erased) -> str:
    first = f"{done.predictions:,} predictions cut from the user, {done.events:,} events deleted"
    if not done.predictions:
        first = "nothing is kept of this user: was the key that of the app, and the name as the app sends it?"
    return "\n".join([first, "what stays or is not reached:", *(f"  {each}" for each in STAYS)])


@privacy.command()
def scan(
    logs: Annotated[
        list[Path] | None, typer.Option(help="A log file or a folder of them to search as well. May be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Search our store, MLflow's database and files, and logs for personal data; tell how much stands where.

    What was found is never shown. Ends with 10 where anything was.
    """
    from oracle import store
    from oracle.store import personal

    settings = load()
    for each in logs or ():
        if not each.exists():
            raise BadInput("there is no such log", value=each, allowed="a file or a folder")
    kept = store.open(settings)
    try:
        seen = personal.in_store(kept, progress=bars)
    finally:
        kept.close()
    unreached = _mlflow(settings, seen)
    for each in logs or ():
        seen += personal.in_folder(each, f"logs: {each}", progress=bars)
    found = [asdict(each) for each in personal.sightings(seen)]
    document = {"found": found, "total": seen.total(), "unreached": unreached}
    emit(document, json=json, text=lambda: _scanned(document))
    if found:
        raise typer.Exit(FOUND)


def _mlflow(settings: Settings, seen: Counter[Any]) -> list[str]:
    """Search what MLflow keeps on this machine or in a database of its own, and return what was out of reach."""
    from oracle.store import personal
    from oracle.tracking.connection import reaching, shown

    unreached = []
    if settings.tracking_uri.startswith("http"):
        unreached.append(f"{shown(settings.tracking_uri)}: a server; scan where its database is")
    elif (
        not settings.tracking_uri.startswith("sqlite:///") or Path(settings.tracking_uri[len("sqlite:///") :]).exists()
    ):
        with reaching(settings.tracking_uri):
            seen += personal.in_database(settings.tracking_uri, progress=bars)
    artifacts = settings.root / "artifacts"
    if artifacts.is_dir():
        seen += personal.in_folder(artifacts, "artifacts", progress=bars)
    elif unreached:
        unreached.append("artifacts: kept elsewhere; scan a copy with --logs FOLDER")
    return unreached


def _scanned(document: dict[str, Any]) -> str:
    lines = [f"{each['count']:>8,} {each['kind']:<8} {each['place']}" for each in document["found"]]
    lines.append(f"{document['total']:,} found" if lines else "no personal data found")
    return "\n".join([*lines, *(f"not searched: {each}" for each in document["unreached"])])
