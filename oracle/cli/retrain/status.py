"""`oracle retrain status`: what a retraining has done so far, how long each step took, and what came out of it."""

from __future__ import annotations

from oracle.cli.output import Json
from oracle.cli.retrain.options import Named, say, the_one
from oracle.settings import load


def status(name: Named = None, json: Json = False) -> None:
    """Say how a retraining stands, step by step; exit code 1 where it failed."""
    from oracle import store

    kept = store.open(load())
    try:
        say(kept, the_one(kept, name), json=json)
    finally:
        kept.close()
