"""The only hands that move the alias of a version in service or in staging, or its lifecycle tag.

Each act may be cut off between any two calls and be begun again: it comes to the same end. Whether it may be done at
all is decided in `oracle.registry.local`, which alone calls these.
"""

from __future__ import annotations

from collections.abc import Iterable

from oracle.governance.lifecycle import Stage, stage_of
from oracle.registry.versions import (
    CANDIDATE,
    LIFECYCLE,
    PRODUCTION,
    REASON,
    STAGING,
    ModelVersion,
)
from oracle.tracking.connection import Tracking, reaching

LONGEST = 1000
"""Characters of a reason that a tag holds."""


def stands(tracking: Tracking, version: ModelVersion) -> Stage:
    """Return where a version stands in its life."""
    return stage_of(version.lifecycle, serving=tracking.alias in version.aliases)


def into_staging(tracking: Tracking, version: ModelVersion) -> None:
    """Let a version prove itself: the alias of those who do points to it."""
    _mark(tracking, version, "staging", "waits to prove itself")
    _point(tracking, STAGING, version.number)


def into_service(tracking: Tracking, version: ModelVersion, others: Iterable[ModelVersion], why: str) -> None:
    """Let serving follow a version, and say of all that were in service where they stand now.

    The alias goes first: it is what serving follows, and what stands in a tag is told after it.

    Args:
        tracking: The registry.
        version: The version.
        others: All other versions.
        why: What is to stand at the version.
    """
    _point(tracking, tracking.alias, version.number)
    _mark(tracking, version, "production", why)
    for old in others:
        if old.lifecycle == PRODUCTION or tracking.alias in old.aliases:
            _mark(tracking, old, "archived", f"{version.label} took its place")


def out_of_staging(tracking: Tracking, version: ModelVersion, stage: Stage, why: str) -> None:
    """Say of a version that waits no more how it ended."""
    _mark(tracking, version, stage, why)


def _mark(tracking: Tracking, version: ModelVersion, stage: Stage, reason: str) -> None:
    """Say where a version stands, and why; one that waits no more loses the aliases of those who do."""
    reason = reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 3]}..."
    with reaching(tracking.uri):
        for tag, value in ((REASON, reason), (LIFECYCLE, stage)):
            tracking.client.set_model_version_tag(tracking.model_name, str(version.number), tag, value)
        for alias in {STAGING, CANDIDATE} & set(version.aliases) if stage != STAGING else ():
            tracking.client.delete_registered_model_alias(tracking.model_name, alias)


def _point(tracking: Tracking, alias: str, number: int) -> None:
    with reaching(tracking.uri):
        tracking.client.set_registered_model_alias(tracking.model_name, alias, str(number))
