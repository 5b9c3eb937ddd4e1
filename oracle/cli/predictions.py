"""`oracle predictions`: the answers in our store, taken out for others to read, and let go when they are old."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.store.export import Exported

predictions = typer.Typer(
    name="predictions",
    help="The answers in our store: export them as Parquet, or let old ones go.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@predictions.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder to write to; made where it is missing.")],
    since: Annotated[str | None, typer.Option(metavar="DATE", help="First day, UTC; default: the first.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Last day, UTC; default: today.")] = None,
    json: Json = False,
) -> None:
    """Write predictions and scorings as Parquet, one file a day, with what became of each runner.

    A day that was exported before is replaced, whole or not at all, with the results that have come in since.
    """
    from oracle import store  # here, so that `oracle --help` does not wait for SQLAlchemy
    from oracle.store.export import export as take_out

    if ":/" in str(out) or (out.exists() and not out.is_dir()):
        raise BadInput("the export goes to a folder of this machine", value=str(out), allowed="a folder")
    begun = time.perf_counter()
    kept = store.open(load())
    try:
        done = take_out(kept, out, _day("--since", since), _day("--until", until), progress=bars)
    finally:
        kept.close()
    document = asdict(done) | {"out": str(out.absolute()), "seconds": round(time.perf_counter() - begun, 3)}
    emit(document, json=json, text=lambda: _told(done, out))


def _told(done: Exported, out: Path) -> str:
    if not done.dates:
        return "nothing was answered in that time: no file was written"
    return (
        f"{out}: {done.predictions:,} predictions and {done.scorings:,} scorings of {len(done.dates)} days,"
        f" {done.dates[0]} to {done.dates[-1]}; {done.rows:,} rows, {done.bytes / 1e6:.1f} MB"
    )


def _day(option: str, word: str | None) -> dt.date | None:
    try:
        return None if word is None else dt.date.fromisoformat(word)
    except ValueError as error:
        raise BadInput(f"{option} is no date", value=word, allowed="a date such as 2026-05-03") from error


@predictions.command()
def prune(
    older_than: Annotated[
        int, typer.Option(metavar="DAYS", help="Let go what was answered so many days ago, or more.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Delete old predictions with their scorings and events, by whole days (UTC); say first, do with --yes.

    Never goes what a running experiment is judged by. Results, experiments and their log stay.
    """
    from oracle import store  # here, so that `oracle --help` does not wait for SQLAlchemy
    from oracle.store.retention import boundary, prunable
    from oracle.store.retention import prune as let_go

    kept = store.open(load())
    try:
        limit = boundary(older_than, dt.datetime.now(dt.UTC), kept.experiments.running())
        counts = let_go(kept, limit.before) if yes else prunable(kept, limit.before)
    finally:
        kept.close()
    document = asdict(counts) | {"before": limit.before.isoformat(), "held_by": limit.held_by, "deleted": yes}
    emit(document, json=json, text=lambda: _gone(document))


def _gone(d: dict[str, Any]) -> str:
    verb = "deleted" if d["deleted"] else "would go"
    lines = [
        f"before {d['before'][:10]}: {d['predictions']:,} predictions, {d['scorings']:,} scorings and {d['events']:,}"
        f" events {verb}"
    ]
    if d["held_by"] is not None:
        lines.append(f"  what is later stays for the running experiment {d['held_by']}")
    if not d["deleted"]:
        lines.append("next: export them, and the same with --yes")
    return "\n".join(lines)
