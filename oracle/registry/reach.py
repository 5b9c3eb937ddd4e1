"""Whether the registry and the store of its artifacts answer: asked while nobody needs them, so that it is known."""

from __future__ import annotations

from oracle.errors import Unavailable
from oracle.registry import mlmodel
from oracle.registry.versions import ModelVersion
from oracle.tracking.connection import Tracking, reaching, shown


def reach(tracking: Tracking, version: ModelVersion) -> None:
    """Return if the package of a version could be fetched now; nothing is.

    Raises:
        Unavailable: the registry or its artifact store does not answer, or no longer has the package.
    """
    from mlflow.artifacts import list_artifacts

    with reaching(tracking.uri):
        source = tracking.client.get_model_version_download_uri(version.name, str(version.number))
        found = list_artifacts(artifact_uri=f"{source.rstrip('/')}/{mlmodel.PACKAGE}", tracking_uri=tracking.uri)
    if not found:
        raise Unavailable(
            f"the package of version {version.label} is not in the artifact store",
            value=shown(source),
            next_step="bring the bucket back, or roll back to a version whose package is there",
        )
