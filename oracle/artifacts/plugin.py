"""What MLflow finds under the schemes `sealed+s3` and `sealed+file`. Nothing is loaded before it is asked for.

MLflow loads this while it is itself being loaded, so that a module that needs MLflow could not stand here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracle.artifacts.repository import SealedRepository


def sealed_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> SealedRepository:
    """Return the repository of an address, as MLflow asks for it."""
    from oracle.artifacts.repository import SealedRepository

    return SealedRepository(artifact_uri, tracking_uri, registry_uri)
