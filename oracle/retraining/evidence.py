"""From a drift report to the evidence of a decision: what was found of each kind, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.retraining.trigger import DRIFT, KINDS, UNMEASURED, Kind, Part


def parts_of(document: Mapping[str, Any]) -> dict[Kind, Part]:
    """Return what a drift report says of each kind; what it does not say was not measured.

    >>> parts_of({"concept": {"verdict": "drift", "cause": "NDCG@3 fell by 4%"}})["concept"]
    Part(verdict='drift', cause='NDCG@3 fell by 4%', share=1.0)
    """
    return {kind: _part(document.get(kind)) for kind in KINDS}


def _part(told: object) -> Part:
    if not isinstance(told, Mapping) or "verdict" not in told:
        return Part(UNMEASURED, "the check does not speak of it")
    drifted, tested = told.get("drifted"), told.get("tested")
    counted = isinstance(drifted, list) and isinstance(tested, int) and tested > 0
    share = min(1.0, len(drifted or ()) / (tested or 1)) if counted else 1.0
    return Part(str(told["verdict"]), str(told.get("cause") or ""), share)


def blind(why: str) -> dict[Kind, Part]:
    """Return the evidence of a check that failed: nothing was measured."""
    return {kind: Part(UNMEASURED, why) for kind in KINDS}


def drifting(parts: Mapping[Kind, Part]) -> dict[str, str]:
    """Return the kinds that drift, each with its cause."""
    return {kind: part.cause for kind, part in parts.items() if part.verdict == DRIFT}
