"""The one door into service: a version is promoted under a lock that every promotion takes, and only where it may.

A registry moves an alias whatever it points to. What was measured against one version says nothing about another, so
whoever promotes on evidence names the version that it was measured on, and is refused where that one is no longer in
service (compare and swap). The lock is our store's, since the registry has none.
"""

from __future__ import annotations

from oracle.errors import Refused
from oracle.registry import lifecycle
from oracle.registry.versions import ARCHIVED, PRODUCTION, ModelVersion, resolve, versions
from oracle.store import Store
from oracle.tracking.connection import Tracking

LOCK = "promotion"


class Superseded(Refused):
    """Another version came into service than the one that the evidence was measured on."""


def promote(tracking: Tracking, store: Store, wanted: str | int, *, expected: str | int | None = None) -> ModelVersion:
    """Let serving follow a version, and return it; one that did so already stays as it is.

    Args:
        tracking: The registry.
        store: Whose lock is taken.
        wanted: Number, semantic version or alias.
        expected: The version that must be in service now; None for whichever.

    Raises:
        NoSuchModel: there is no such version.
        Superseded: another version is in service than the one expected.
        Unavailable: registry or store did not answer, or somebody else is promoting.
    """
    with store.database.exclusive(LOCK):
        version = resolve(tracking, wanted)
        now = serving(tracking)
        if tracking.alias in version.aliases and version.lifecycle == PRODUCTION:
            return version
        if expected is None or tracking.alias in version.aliases:
            return lifecycle.promote(tracking, version.number)
        if version.lifecycle in (PRODUCTION, ARCHIVED):
            return version  # it was in service already, and somebody has moved on since
        if now is None or str(expected) not in (str(now.number), now.label):
            raise Superseded(
                "another version is in service than the one that the evidence was measured on",
                value=None if now is None else f"{now.number} ({now.label})",
                allowed=str(expected),
                next_step="retrain against the version that is in service now",
            )
        return lifecycle.promote(tracking, version.number)


def serving(tracking: Tracking) -> ModelVersion | None:
    """Return the version that serving follows, or None."""
    return next((version for version in versions(tracking) if tracking.alias in version.aliases), None)
