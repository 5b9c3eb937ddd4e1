"""`oracle retrain run` and `resume`: a retraining, step by step, until it ends or has to wait."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from oracle.cli.ab.options import Actor, acting
from oracle.cli.output import Json
from oracle.cli.retrain.options import Address, Data, Named, say, the_one, working
from oracle.settings import load


def run(
    retraining: Annotated[
        str | None, typer.Option(help="Id of one that was submitted; default: begin a new one by hand.")
    ] = None,
    data: Data = None,
    reason: Annotated[str, typer.Option(help="Why it is begun by hand, for the log.")] = "by hand",
    actor: Actor = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Learn again from new races, prove the candidate, and promote it where evidence and approval allow it.

    Every step is recorded: whoever is stopped or killed is followed by the same command with --retraining, or by
    `resume`. It returns where a live test or an approval has to be waited for. Ends with 1 where the retraining failed.
    """
    from oracle.retraining.pipeline import advance, by_hand

    now = dt.datetime.now(dt.UTC)
    with working(load(), data, address) as context:
        name = retraining or by_hand(context, reason, acting(actor), now).retraining_id
        say(context.store, advance(context, name, now), json=json)


def resume(name: Named = None, data: Data = None, address: Address = None, json: Json = False) -> None:
    """Go on with a retraining that was stopped, killed or left waiting; what is done already is not done again."""
    from oracle.retraining.pipeline import advance

    with working(load(), data, address) as context:
        there = the_one(context.store, name)
        done = advance(context, there.retraining_id, dt.datetime.now(dt.UTC))
        say(context.store, done, json=json)
