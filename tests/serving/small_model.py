"""A small real model of a simulated world, made as a user makes one: a dataset, a training, a registered version."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from oracle.data.cards import cards_of
from oracle.data.dataset import Dataset
from oracle.data.simulate import simulate
from oracle.race import RaceCard, Status
from oracle.settings import Settings
from oracle.training import train

RACES = 300


def history() -> pd.DataFrame:
    """Return the results the model learns from."""
    return pd.concat([block.runners for block in simulate(RACES, seed=11)], ignore_index=True)


def enter(home: Path, results: pd.DataFrame, data: Path, settings: Settings | None = None) -> None:
    """Train on the results and register the model in the home; the first one goes into service."""
    Dataset(data).append(results)
    with _one_core():
        train(str(data), settings or Settings(home=home))


@contextmanager
def _one_core() -> Iterator[None]:
    """Train on one core: on so few races threads only wait for each other, for minutes where a machine is busy."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def next_card(results: pd.DataFrame) -> RaceCard:
    """Return a card of known horses: the starters of the last race meet again a day later."""
    started = results[~results["status"].isin([Status.WITHDRAWN, Status.VOID])]
    *_, last = cards_of(started)
    return dataclasses.replace(last, off=last.off + dt.timedelta(days=1), race_id="tomorrow-1")
