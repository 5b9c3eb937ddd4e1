"""`oracle model list`: which versions of the model there are, and where each stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from oracle.cli.model.options import desk
from oracle.cli.output import Json, emit

NDCG, R2 = "test.model.ndcg_at_3", "test.model.pseudo_r2"


def listed(json: Json = False) -> None:
    """List the registered versions, newest first: where each stands in its life, and which one is in service.

    An empty registry is an empty list and no mistake: the answer names the next step. Where the alias that serving
    follows is not where the record says, that is said.
    """
    from oracle.registry import life  # here, so that `oracle --help` does not wait for MLflow
    from oracle.registry.versions import versions

    with desk() as own:
        found, told = versions(own.tracking), own.promotions()
        document = {
            "model": own.tracking.model_name,
            "serving_alias": own.tracking.alias,
            "versions": [life.row(own.tracking, version, told) for version in found[::-1]],
            "trouble": life.outside(own.tracking, found, told),
        }
    emit(document, json=json, text=lambda: _text(document))


def _text(document: dict[str, Any]) -> str:
    if not document["versions"]:
        return f"no version of {document['model']} is registered yet; next: oracle train --data DATASET"
    trouble = document["trouble"]
    return table(document["versions"]) + ("" if trouble is None else f"\nwarning: {trouble}")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the versions as an aligned table, in the order given."""
    head = ("version", "semver", "stage", "aliases", "created (UTC)", "NDCG@3", "pseudo-R2", "run")
    cells = [
        (
            str(row["version"]),
            row["semver"] or "-",
            row["stage"],
            ", ".join(a for a in row["aliases"] if a != (row["semver"] or "").replace(".", "-")) or "-",
            row["created"][:16].replace("T", " "),
            _rounded(row["metrics"].get(NDCG)),
            _rounded(row["metrics"].get(R2)),
            row["run_id"] or "-",
        )
        for row in rows
    ]
    widths = [max(len(row[i]) for row in (head, *cells)) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *cells)
    )


def _rounded(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"
