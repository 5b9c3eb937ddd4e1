"""What a monitor works with on a real system: the registry's production model, its drift check, jobs and alerts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oracle.alerts import message
from oracle.alerts.outbox import Outbox
from oracle.errors import NoSuchModel
from oracle.progress import Progress, silent
from oracle.registry.lifecycle import download
from oracle.registry.versions import ModelVersion, resolve
from oracle.retraining import pipeline
from oracle.retraining.monitor import Context, Production
from oracle.retraining.on_ray import RayJobs
from oracle.retraining.processes import Processes
from oracle.retraining.promotion import found, settle
from oracle.retraining.shepherd import Shepherd
from oracle.retraining.steps import Context as Steps
from oracle.retraining.submission import Jobs
from oracle.settings import Settings
from oracle.store import Check, Store
from oracle.tracking.connection import Tracking, connect
from oracle.watching.check import Watched, check


class Watch:
    """Follows the version in production, loaded once for as long as it stays the same.

    Args:
        settings: The tree in force.
        store: Where predictions, results and checks are.
        progress: Told of the walk of a check.
    """

    def __init__(self, settings: Settings, store: Store, progress: Progress = silent) -> None:
        self._settings, self._store, self._progress = settings, store, progress
        self._tracking: Tracking | None = None
        self._watched: tuple[str | None, Watched] | None = None

    def production(self) -> Production | None:
        """Return the version in production and until when it knows results, None where there is none."""
        watched = self._follow()
        if watched is None:
            return None
        through = max(0.0, watched.model.state.through)
        return Production(watched.version, dt.datetime.fromtimestamp(through, dt.UTC))

    def check(self, now: dt.datetime) -> Check | None:
        """Return how the version in production does, None where there is none."""
        watched = self._follow()
        if watched is None:
            return None
        return check(self._store, watched, self._settings.drift, now, kind="monitor", progress=self._progress)

    def _follow(self) -> Watched | None:
        self._tracking = self._tracking or connect(self._settings)
        try:
            version: ModelVersion = resolve(self._tracking, None)
        except NoSuchModel:
            return None
        if (
            self._watched is None
            or self._watched[0] != version.digest
            or self._watched[1].version != str(version.number)
        ):
            folder = download(self._tracking, version, self._settings.root / "models")
            self._watched = version.digest, Watched.load(folder, str(version.number))
        return self._watched[1]


def context(
    settings: Settings,
    store: Store,
    *,
    data: str | None,
    address: str | None,
    beside: Path,
    progress: Progress = silent,
) -> Context:
    """Return what a tick works with.

    Args:
        settings: The tree in force.
        store: The store.
        data: Dataset to train on; by default `candidate.data`.
        address: Of the Ray whose job API gets the jobs; None for processes of this machine.
        beside: The working folder.
        progress: Told of each long loop.
    """
    data = data or settings.candidate.data
    outbox, watch = Outbox(store, settings.alerts), Watch(settings, store, progress)

    def steps(now: dt.datetime) -> Steps:
        def tell(kind: Any, title: str, document: Mapping[str, Any]) -> object:
            return outbox.tell(message.of_step(kind, title, document, now))

        return Steps(settings=settings, store=store, data=data, tell=tell, progress=progress)

    def advance(retraining_id: str, now: dt.datetime) -> object:
        return pipeline.advance(steps(now), retraining_id, now)

    def give_up(retraining_id: str, reason: str, now: dt.datetime) -> object:
        return settle(steps(now), found(store, retraining_id), "failed", reason, now)

    def at_work(retraining_id: str) -> bool:
        return pipeline.at_work(settings, retraining_id)

    jobs = jobs_at(address, settings, beside)
    return Context(
        settings=settings,
        store=store,
        outbox=outbox,
        shepherd=Shepherd(store, settings.retraining, jobs, advance, data, at_work, give_up),
        production=watch.production,
        check=watch.check,
        data=data,
    )


def jobs_at(address: str | None, settings: Settings, beside: Path) -> Jobs:
    """Return where jobs run: on the Ray at an address, or as processes of this machine."""
    if address is None:
        return Processes(settings.root / "jobs", beside)
    return RayJobs(address, {"ORACLE_HOME": str(settings.root)}, beside)
