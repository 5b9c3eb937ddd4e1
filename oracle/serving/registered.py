"""The versions of our registry as a source of models to serve.

A package is proven against the digest in the registry before anything is read from it, and proves itself file by file
when it is loaded: what answers is what was trained and registered.
"""

from __future__ import annotations

from functools import cached_property

from oracle.ensemble.race_model import RaceModel
from oracle.registry.lifecycle import download
from oracle.registry.versions import ModelVersion, resolve, versions
from oracle.serving.messages import ModelMessage
from oracle.serving.version import ModelsMessage, Served, Target, VersionMessage
from oracle.settings import Settings
from oracle.tracking.connection import Tracking, connect


class Registered:
    """Follows the model that the settings name; connects when it is first asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

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
        """Return the target's version, proven; `in_force` itself where that is the one already loaded."""
        found = self.resolve(target)
        message = named(found)
        if in_force is not None and in_force.message == message:
            return in_force
        return Served(RaceModel.load(download(self._tracking, found, self._settings.root / "models")), message)

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
