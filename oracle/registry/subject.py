"""What the registry says of a version, as the evidence of a promotion holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle.errors import OracleError
from oracle.governance.evidence import Subject
from oracle.registry.versions import ModelVersion
from oracle.tracking.connection import Tracking, reaching

if TYPE_CHECKING:
    from mlflow.entities import Run

SHOWN = ("test.", "canaries.", "inference.")
"""Metrics of a run that go into the evidence."""


def subject_of(tracking: Tracking, version: ModelVersion) -> Subject:
    """Return a version with the metrics of its run, as far as the run is there.

    Raises:
        Unavailable: the registry did not answer.
    """
    run, facts = _run(tracking, version.run_id), version.facts
    metrics = {} if run is None else dict(run.data.metrics)
    return Subject(
        model=version.name,
        version=version.number,
        label=version.label,
        run_id=version.run_id,
        package=version.digest,
        data=facts.data if facts else None,
        features=facts.features if facts else None,
        code=facts.code if facts else None,
        run_status=None if run is None else str(run.info.status),
        metrics={name: float(metrics[name]) for name in sorted(metrics) if name.startswith(SHOWN)},
    )


def _run(tracking: Tracking, run_id: str) -> Run | None:
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    try:
        with reaching(tracking.uri):
            return tracking.client.get_run(run_id)
    except OracleError as error:
        if isinstance(error.__cause__, MlflowException) and error.__cause__.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
