"""What the commands of `oracle retrain` share: the context they work in, and how a retraining is told."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import bars, emit, logged
from oracle.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracle.retraining.steps import Context
    from oracle.settings import Settings
    from oracle.store import Retraining, Store

Data = Annotated[
    str | None, typer.Option("--data", help="The dataset to begin with: a folder, or s3://...; default: the setting.")
]
Address = Annotated[
    str | None, typer.Option(help="Ray that a sweep joins; default: one of our own. Without trials none is needed.")
]
Named = Annotated[str | None, typer.Argument(help="Id of the retraining; default: the one that has not ended.")]
FAILED = 1


@contextmanager
def working(settings: Settings, data: str | None, address: str | None) -> Iterator[Context]:
    """Hold what a retraining works with; what is to be told goes to the alerts, and out at the end."""
    from oracle import cluster

    logged()
    if settings.candidate.trials:
        os.environ.update(cluster.environment(address, os.environ))  # before Ray is imported: it reads it then only
    from oracle import store
    from oracle.alerts import message
    from oracle.alerts.outbox import Outbox
    from oracle.retraining.steps import Context

    kept = store.open(settings)
    outbox = Outbox(kept, settings.alerts)

    def tell(kind: Any, title: str, document: Mapping[str, Any]) -> object:
        return outbox.tell(message.of_step(kind, title, document, dt.datetime.now(dt.UTC)))

    try:
        yield Context(settings=settings, store=kept, data=data, tell=tell, progress=bars, address=address)
    finally:
        kept.close()


def the_one(kept: Store, named: str | None) -> Retraining:
    """Return the retraining of an id, or the one that has not ended, or else the last.

    Raises:
        BadInput: there is none.
    """
    from oracle.retraining.promotion import found

    if named is not None:
        return found(kept, named)
    there = kept.retrainings.unfinished() or next(iter(kept.retrainings.all()[::-1]), None)
    if there is None:
        raise BadInput("nothing was ever retrained", next_step="oracle retrain run --data DATASET, or oracle monitor")
    return there


def document_of(kept: Store, retraining: Retraining) -> dict[str, Any]:
    """Return a retraining with the clock of its steps and what came out of each, as plain values."""
    from oracle.retraining.report import document

    return document(retraining, kept.retrainings.steps(retraining.retraining_id))


def say(kept: Store, retraining: Retraining, *, json: bool) -> None:
    """Print how a retraining stands, and end with 1 where it failed."""
    from oracle.retraining.report import text

    told = document_of(kept, retraining)
    emit(told, json=json, text=lambda: text(told))
    if retraining.status == "failed":
        raise typer.Exit(FAILED)
