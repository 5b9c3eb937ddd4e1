"""`oracle models`: which versions of the model there are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from oracle import settings
from oracle.cli.output import Json, emit

if TYPE_CHECKING:
    from oracle.registry.versions import ModelVersion

NDCG, R2 = "test.model.ndcg_at_3", "test.model.pseudo_r2"


def models(json: Json = False) -> None:
    """List the registered versions of the model, newest first, and which of them is in service.

    An empty registry is an empty list and no mistake: the answer names the next step.
    """
    from oracle.registry.versions import versions  # here, so that `oracle --help` does not wait for MLflow
    from oracle.tracking.connection import connect

    tracking = connect(settings.load())
    found = versions(tracking)[::-1]
    document = {
        "model": tracking.model_name,
        "serving_alias": tracking.alias,
        "versions": [_as_row(version) for version in found],
    }
    emit(document, json=json, text=lambda: table(found) if found else _nothing(tracking.model_name))


def _as_row(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "semver": str(version.semver) if version.semver else None,
        "aliases": list(version.aliases),
        "created": version.created.isoformat(timespec="seconds"),
        "run_id": version.run_id,
        "uri": version.uri,
        "ndcg_at_3": version.metrics.get(NDCG),
        "pseudo_r2": version.metrics.get(R2),
        "features": version.facts.features if version.facts else None,
        "data_fingerprint": version.facts.data if version.facts else None,
        "package_sha256": version.digest,
        "lifecycle": version.lifecycle,
        "lifecycle_reason": version.reason,
        "retraining": version.retraining,
    }


def _nothing(name: str) -> str:
    return f"no version of {name} is registered yet; next: oracle train --data DATASET"


def table(found: list[ModelVersion]) -> str:
    """Return the versions as an aligned table, in the order given."""
    head = ("version", "semver", "aliases", "created (UTC)", "NDCG@3", "pseudo-R2", "run")
    rows = [
        (
            str(v.number),
            str(v.semver or "-"),
            ", ".join(a for a in v.aliases if not v.semver or a != v.semver.alias) or "-",
            v.created.strftime("%Y-%m-%d %H:%M"),
            _rounded(v.metrics.get(NDCG)),
            _rounded(v.metrics.get(R2)),
            v.run_id or "-",
        )
        for v in found
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def _rounded(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"
