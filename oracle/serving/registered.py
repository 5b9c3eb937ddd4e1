"""The versions of our registry as a source of models to serve.

A package is proven against the digest in the registry before anything is read from it, and proves itself file by file
when it is loaded: what answers is what was trained and registered.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from functools import cached_property

from oracle.ensemble.race_model import RaceModel
from oracle.errors import OracleError, Unavailable
from oracle.registry.content import prove
from oracle.registry.lifecycle import download
from oracle.registry.reach import reach
from oracle.registry.versions import ModelVersion, resolve, versions
from oracle.serving.messages import ModelMessage
from oracle.serving.remembered import Remembered
from oracle.serving.version import ModelsMessage, Served, Target, VersionMessage
from oracle.settings import Settings
from oracle.store import Away
from oracle.tracking.connection import Tracking, connect, shown

LOG = logging.getLogger("oracle.serving")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Registered:
    """Follows the model that the settings name; connects when it is first asked.

    Args:
        settings: Names the registry, the model, and the folder of the packages.
        key: Seals the memory of what the registry said last; without one there is none.
        now: The clock, UTC.
    """

    def __init__(self, settings: Settings, key: bytes = b"", now: Callable[[], dt.datetime] = _now) -> None:
        self._settings, self._now = settings, now
        self._cache = settings.root / "models"
        of = f"{shown(settings.tracking_uri)} {settings.tracking.model_name} {settings.tracking.alias}"
        self._memory = Remembered(self._cache, of, key)
        self._noting = threading.Lock()
        self.away: Away | None = None
        """Since when the registry or its artifacts do not answer, and why; None where they did when last asked."""
        self.asked = False
        """Whether the artifacts were ever asked for: until then nobody knows."""

    @cached_property
    def _tracking(self) -> Tracking:
        return connect(self._settings)

    def resolve(self, target: Target) -> ModelVersion:
        """Return the registered version the target means.

        Raises:
            NoSuchModel: there is none; says which there are.
            Unavailable: the registry does not answer.
        """
        return resolve(self._tracking, target.version)

    def load(self, target: Target, *, in_force: Served | None) -> Served:
        """Return the target's version, proven; `in_force` itself where that is the one already loaded.

        Where nothing is in force and the registry does not answer, the version that answered here last stands in.
        """
        try:
            found = self.resolve(target)
            message = named(found)
            if in_force is None or in_force.message != message:
                in_force = Served(RaceModel.load(download(self._tracking, found, self._cache)), message)
        except Unavailable as error:
            self._note(error)
            stand_in = self._last(target) if in_force is None else None
            if stand_in is None:
                raise
            return stand_in
        self._memory.keep(target, found, message, self._now())
        return in_force

    def known(self, target: Target) -> ModelMessage | None:
        """Return which version would stand in for the registry now, or None."""
        found = self._memory.find(target, self._now())
        return None if found is None else found.message

    def _last(self, target: Target) -> Served | None:
        known = self._memory.find(target, self._now())
        if known is None:
            return None
        folder = self._cache / known.digest
        try:
            prove(folder, known.digest)
            return Served(RaceModel.load(folder), known.message)
        except OracleError as error:
            LOG.warning("the version that answered last cannot stand in for the registry: %s", error)
            return None

    def look(self, serving: ModelMessage | None) -> None:
        """Ask whether the package of the version in force could be fetched now, so that `away` tells the truth."""
        if serving is None:
            return
        try:
            reach(self._tracking, self.resolve(Target(version=serving.version)))
        except OracleError as error:
            self._note(error)
        else:
            self._note(None)
        self.asked = True

    def _note(self, error: OracleError | None) -> None:
        with self._noting:
            if error is None:
                if self.away is not None:
                    LOG.warning("the registry and its artifacts are back")
                self.away = None
            elif self.away is None:
                self.away = Away(self._now(), str(error)[:500])
                LOG.warning("the registry or its artifacts are away, what serves goes on: %s", self.away.why)

    def listing(self) -> ModelsMessage:
        """Return what is registered, newest first; nothing registered is an empty list."""
        found = versions(self._tracking)[::-1]
        listed = [
            VersionMessage(
                version=str(each.number),
                semver=None if each.semver is None else str(each.semver),
                aliases=each.aliases,
                created=each.created,
                metrics=each.metrics,
            )
            for each in found
        ]
        return ModelsMessage(name=self._settings.tracking.model_name, versions=tuple(listed), serving=None)


def named(version: ModelVersion) -> ModelMessage:
    """Return the words by which an answer names the version."""
    semver = None if version.semver is None else str(version.semver)
    return ModelMessage(name=version.name, version=str(version.number), semver=semver)
