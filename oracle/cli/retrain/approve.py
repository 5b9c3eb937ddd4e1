"""`oracle retrain approve` and `reject`: somebody's yes or no to a candidate that waits for one."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from oracle.cli.ab.options import Actor
from oracle.cli.output import Json
from oracle.cli.retrain.options import say, working
from oracle.settings import load

Name = Annotated[str, typer.Argument(help="Id of the retraining.")]
Reason = Annotated[str, typer.Option(help="Why, for the log.")]


def approve(name: Name, reason: Reason, actor: Actor = None, json: Json = False) -> None:
    """Let a candidate that has proved itself go into service, and promote it at once.

    Refused, with exit code 3, where nothing waits for an approval. Where another version came into service meanwhile
    the candidate is not promoted: its evidence is about one that is there no more.
    """
    _answer(name, reason, actor, approved=True, json=json)


def reject(name: Name, reason: Reason, actor: Actor = None, json: Json = False) -> None:
    """Keep a candidate out of service; the registry keeps it, marked with the reason."""
    _answer(name, reason, actor, approved=False, json=json)


def _answer(name: str, reason: str, actor: str | None, *, approved: bool, json: bool) -> None:
    from oracle.retraining.pipeline import advance
    from oracle.retraining.promotion import answer

    now = dt.datetime.now(dt.UTC)
    with working(load(), None, None) as context:
        answer(context, name, approved=approved, actor=actor, reason=reason, now=now)
        say(context.store, advance(context, name, now), json=json)
