"""The versions of the model as they stand at one moment, for one act."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.governance.approval import Promotion
from oracle.governance.lifecycle import NeverServed, Stage
from oracle.registry import acts
from oracle.registry.versions import PRODUCTION, ModelVersion, missing, versions
from oracle.tracking.connection import Tracking

TOOK = "took its place"
"""End of the reason of a version that was replaced in service."""


@dataclass(frozen=True)
class World:
    """The versions, and which one is in service."""

    tracking: Tracking
    known: list[ModelVersion]
    finished: Promotion | None = None
    """What was brought to its end before this act."""

    @classmethod
    def now(cls, tracking: Tracking, finished: Promotion | None = None) -> World:
        """Return the world as the registry has it.

        Args:
            tracking: The registry.
            finished: What was brought to its end just before.

        Raises:
            Unavailable: the registry did not answer.
        """
        return cls(tracking, versions(tracking), finished)

    @property
    def serving(self) -> ModelVersion | None:
        """The version that serving follows, or None."""
        return next((v for v in self.known if self.tracking.alias in v.aliases), None)

    @property
    def number(self) -> int | None:
        """Its number, or None."""
        return None if self.serving is None else self.serving.number

    def get(self, version: int) -> ModelVersion:
        """Return the version of that number.

        Raises:
            NoSuchModel: there is none.
        """
        found = next((v for v in self.known if v.number == version), None)
        if found is None:
            raise missing(self.tracking, str(version), self.known)
        return found

    def stage(self, version: ModelVersion) -> Stage:
        """Return where a version stands in its life."""
        return acts.stands(self.tracking, version)

    def others(self, version: ModelVersion) -> list[ModelVersion]:
        """Return all versions but one."""
        return [v for v in self.known if v.number != version.number]

    def before(self, told: list[Promotion]) -> int:
        """Return the version that was in service before the one that is.

        Args:
            told: The promotions of the model, the first first.

        Raises:
            NeverServed: none was, or nobody knows.
        """
        for promotion in reversed(told):
            if promotion.version != self.number:
                return promotion.version
        served = [v for v in self.known if has_served(v, told) and v.number != self.number]
        if served:
            return served[-1].number
        raise NeverServed(
            "nothing was in service before this version",
            value=self.number,
            next_step="name the version: oracle model rollback VERSION; oracle model list tells which have served",
        )


def require_served(version: ModelVersion, told: list[Promotion]) -> None:
    """Return silently if a version has been in service, by the record or by its own tag.

    Raises:
        NeverServed: it has not.
    """
    if not has_served(version, told):
        raise NeverServed(
            f"version {version.number} was never in service",
            value=version.label,
            allowed="a version that has served",
            next_step="oracle model list tells which have",
        )


def has_served(version: ModelVersion, told: list[Promotion]) -> bool:
    """Return whether a version was ever let into service: by the record, or by its tag where it is older than that.

    One that somebody put there outside of the authority was not.
    """
    if any(version.number == each.version for each in told):
        return True
    tagged = (version.reason or "").endswith(TOOK) or version.lifecycle == PRODUCTION
    return tagged and (not told or version.created < told[0].at)
