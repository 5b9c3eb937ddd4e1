"""Everything that is known of one version: what it is, where it stands, and how it came there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oracle.governance import lineage
from oracle.governance.approval import Promotion, Request, Ruling
from oracle.registry import acts
from oracle.registry.subject import subject_of
from oracle.registry.versions import ModelVersion
from oracle.registry.world import has_served
from oracle.store import Experiment
from oracle.tracking.connection import Tracking


def row(tracking: Tracking, version: ModelVersion, told: Sequence[Promotion]) -> dict[str, Any]:
    """Return a version as a list shows it, as plain values.

    Args:
        tracking: The registry.
        version: The version.
        told: The promotions of the model, the first first.
    """
    facts = version.facts
    return {
        "version": version.number,
        "semver": str(version.semver) if version.semver else None,
        "stage": acts.stands(tracking, version),
        "aliases": list(version.aliases),
        "created": version.created.isoformat(timespec="seconds"),
        "run_id": version.run_id,
        "uri": version.uri,
        "metrics": dict(version.metrics),
        "features": facts.features if facts else None,
        "data_fingerprint": facts.data if facts else None,
        "git_commit": facts.code if facts else None,
        "package_sha256": version.digest,
        "stage_reason": version.reason,
        "retraining": version.retraining,
        "has_served": has_served(version, list(told)) or tracking.alias in version.aliases,
    }


def of_version(
    tracking: Tracking,
    version: ModelVersion,
    told: Sequence[Promotion],
    asked: Sequence[tuple[Request, Sequence[Ruling]]],
    tests: Sequence[Experiment],
) -> dict[str, Any]:
    """Return a version with its run's metrics, its requests, what was said to them, and when it was in service.

    Args:
        tracking: The registry.
        version: The version.
        told: The promotions of the model, the first first.
        asked: The requests for the version, each with what was said to it.
        tests: The experiments there were.

    Raises:
        Unavailable: the registry did not answer.
    """
    subject, facts = subject_of(tracking, version), version.facts
    return {
        **row(tracking, version, told),
        "run_status": subject.run_status,
        "families": sorted(facts.families) if facts else None,
        "aggregation": facts.aggregation if facts else None,
        "metrics": dict(subject.metrics) or dict(version.metrics),
        "requests": [lineage.of_request(request, rulings) for request, rulings in asked],
        "in_service": [
            lineage.of_promotion(each, told[at + 1].at if at + 1 < len(told) else None)
            for at, each in enumerate(told)
            if each.version == version.number
        ],
        "experiments": [
            {"name": e.name, "status": e.status, "control": e.control, "treatments": list(e.treatments)}
            for e in tests
            if str(version.number) in (e.control, *e.treatments)
        ],
    }


def outside(tracking: Tracking, known: Sequence[ModelVersion], told: Sequence[Promotion]) -> str | None:
    """Return what is wrong where the alias and the record name different versions, None where nothing is.

    Only somebody who went round the authority, or a rollback that was cut off, leaves them so.
    """
    now = next((v.number for v in known if tracking.alias in v.aliases), None)
    if not told or told[-1].version == now:
        return None
    return (
        f"the alias {tracking.alias} points to {'no version' if now is None else f'version {now}'}, and the record says"
        f" {told[-1].version}: it was moved outside of oracle model; next: oracle audit log, oracle model rollback"
    )
