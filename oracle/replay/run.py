"""A replay from its first training to its report."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oracle import store as stores
from oracle.data.dataset import Dataset
from oracle.ensemble.race_model import RaceModel
from oracle.ensemble.recipe import SHIPPED, Recipe
from oracle.errors import BadInput
from oracle.progress import Progress
from oracle.registry.lifecycle import download
from oracle.registry.versions import resolve
from oracle.replay import calendar, leak, parts, pictures, record, report
from oracle.replay.calendar import Moment
from oracle.replay.loop import Loop, Maintained
from oracle.replay.memory import Meter
from oracle.replay.outcome import Outcome, compared, outcome, periods
from oracle.replay.play import Clockwork, Played, play
from oracle.replay.record import Record, Terms
from oracle.replay.timeline import Event, retrainings, timeline
from oracle.replay.told import Race, races_of
from oracle.replay.walk import history, walked
from oracle.settings import Settings
from oracle.store import Store
from oracle.tracking.connection import connect

Tend = Callable[[Settings, Store, Path, Progress], Loop]
"""Makes the loop that looks for drift and retrains in the replay's home: `oracle.replay.loop.Maintained`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be replayed, and how."""

    data: str
    first: dt.date
    last: dt.date
    home: Path
    odds: bool = False
    asks: int = 4
    """Users who ask for each card."""
    every_days: float = 7.0
    """Days between two looks of the monitor; 0 for none."""
    cooldown_days: float = 90.0
    """Days between two retrainings: a replay of years has no time for one a week."""
    speed: float | None = None
    """Times as fast as history went; None for as fast as it goes."""
    resume: bool = False
    recipe: Recipe = SHIPPED
    """What the first ensemble is made of; a retraining keeps to what is in service."""


@dataclass(frozen=True)
class Replayed:
    """What a replay came to."""

    document: dict[str, Any]
    picture: str

    @property
    def leaks(self) -> bool:
        """Whether a race was served with other features than a training reads of it."""
        return bool(self.document["leak"]["different"])

    def text(self) -> str:
        """Return it as a person reads it."""
        return report.text(self.document)

    def page(self) -> str:
        """Return it as one HTML page."""
        return report.page(self.document, self.picture)


def replay(wanted: Wanted, progress: Progress, tend: Tend = Maintained) -> Replayed:
    """Play a stretch of history through the real parts and return what came of it.

    Raises:
        NoSuchDataset: there is no dataset.
        NotEnoughData: too few races before the stretch to train a first model.
        BadInput: no race lies in the stretch, or the home holds something else.
        Unavailable: the server did not start, or died.
    """
    home = wanted.home.expanduser().absolute()
    kept = record.opened(home, _terms(wanted), resume=wanted.resume)
    own = parts.own_settings(home, wanted.cooldown_days)
    clockwork = Clockwork(dict(kept.seconds))
    with clockwork.spent("reading"):
        frame = history(wanted.data, wanted.last, own.check)
        before = parts.history_before(frame, wanted.first, home)
        races = races_of(frame[frame["date"] >= pd.Timestamp(wanted.first)], odds=wanted.odds)
    if not races:
        raise BadInput("no race lies in that stretch", value=f"{wanted.first} to {wanted.last}")
    with clockwork.spent("first training"):
        version = parts.first_model(before, own, wanted.recipe, progress, wanted.first)
    kept.first_version = str(version)
    kept.write()
    store = stores.open(own)
    try:
        loop = tend(own, store, before, progress)
        played = _played(wanted, races, home, kept, loop, store, clockwork, progress)
        with clockwork.spent("report"):
            told = _told(wanted, frame, own, kept, store, played, progress)
        seconds = {name: round(value, 1) for name, value in clockwork.seconds.items()}
        told.document["seconds"] = seconds | {"total": round(sum(clockwork.seconds.values()), 1)}
        return told
    finally:
        store.close()


def _terms(wanted: Wanted) -> Terms:
    return Terms(
        data=wanted.data,
        fingerprint=Dataset(wanted.data).fingerprint(),
        first=str(wanted.first),
        last=str(wanted.last),
        odds=wanted.odds,
        asks=wanted.asks,
        every_days=wanted.every_days,
        cooldown_days=wanted.cooldown_days,
    )


def _played(
    wanted: Wanted,
    races: list[Race],
    home: Path,
    kept: Record,
    loop: Loop,
    store: Store,
    clockwork: Clockwork,
    progress: Progress,
) -> Played:
    looks = calendar.looks(wanted.first, wanted.last, wanted.every_days)
    moments = calendar.moments([race.off for race in races], looks)
    with clockwork.spent("server starts"):
        context = parts.serving(home)
        server = context.__enter__()
    try:
        with Meter(server.process.pid) as meter:

            def look(moment: Moment) -> None:
                loop.look(moment.at, clockwork)
                with clockwork.spent("following"):
                    running = store.experiments.running()
                    server.until(loop.production(), running[-1].name if running else None)
                kept.looks.append(moment.at.isoformat())
                kept.trouble += loop.trouble()
                kept.seconds = dict(clockwork.seconds)
                kept.peak_memory_mb = max(kept.peak_memory_mb, meter.peak_mb)
                kept.write()

            done = record.done(kept, store)
            pause = _pauses(wanted.speed, moments[0].at)
            told = play(
                races, moments, server, look, clockwork, asks=wanted.asks, done=done, pause=pause, progress=progress
            )
        kept.peak_memory_mb = max(kept.peak_memory_mb, meter.peak_mb)
        return told
    finally:
        with clockwork.spent("server stops"):
            context.__exit__(None, None, None)


def _pauses(speed: float | None, first: dt.datetime) -> Callable[[Moment], None]:
    began = time.monotonic()

    def pause(moment: Moment) -> None:
        if speed is not None:
            time.sleep(max(0.0, began + (moment.at - first).total_seconds() / speed - time.monotonic()))

    return pause


def _told(
    wanted: Wanted,
    frame: pd.DataFrame,
    own: Settings,
    kept: Record,
    store: Store,
    played: Played,
    progress: Progress,
) -> Replayed:
    tracking = connect(own)
    first = resolve(tracking, str(kept.first_version))
    model = RaceModel.load(download(tracking, first, own.root / "models"))
    how = model.about.overround
    cards, ran = walked(frame, wanted.first, how, progress, odds=wanted.odds)
    began = dt.datetime.combine(wanted.first, dt.time(), dt.UTC) - dt.timedelta(days=1)
    found = outcome(cards, ran, store.predictions.between(), model, own.evaluation)
    leaks = leak.check(leak.fingerprints(cards), store.predictions.between(), store.scorings.between())
    events = timeline(store, began)
    document = {
        "first_date": str(wanted.first),
        "last_date": str(wanted.last),
        "home": str(kept.file.parent),
        "first_version": kept.first_version,
        "played": played.as_dict() | {"looks": len(kept.looks)},
        "leak": leaks.as_dict(),
        "periods": periods(found),
        "ahead": compared(found, own.evaluation, own.seed),
        "versions": _served_by(found),
        "events": [event.as_dict() for event in events],
        "alarms": _count(events, "alarm"),
        "checks": len(store.checks.since(began)),
        "promotions": _count(events, "promoted"),
        "retrainings": retrainings(store),
        "trouble": kept.trouble,
        "peak_memory_mb": round(kept.peak_memory_mb, 1),
    }
    return Replayed(document, pictures.picture(found, events))


def _served_by(found: Outcome) -> dict[str, int]:
    names, counts = np.unique(found.version[found.version != ""].astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _count(events: list[Event], kind: str) -> int:
    return sum(event.kind == kind for event in events)
