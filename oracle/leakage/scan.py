"""The scan: every column of a history brought before the court, the suspects ranked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.leakage.evidence import Court, Evidence
from oracle.leakage.verdict import Suspect, limits, suspects
from oracle.ranking.races import Floats
from oracle.settings import LeakPolicy


@dataclass(frozen=True)
class Scan:
    """What a scan found."""

    basis: str
    """What surprises were measured against: `market` or `form`."""
    races: int
    scanned: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    allowance: float
    """What earlier results alone add to the expectation; more than nothing where the market is ignorant."""
    evidence: tuple[Evidence, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as `oracle leakscan --json` prints them."""
        return {
            "basis": self.basis,
            "races": self.races,
            "columns": len(self.scanned),
            "allowance": round(self.allowance, 6),
            "suspects": [s.as_dict() for s in self.suspects],
        }


def scan(columns: Iterable[tuple[str, Floats]], court: Court, policy: LeakPolicy) -> Scan:
    """Return the suspects among the columns.

    Args:
        columns: Names with float64[N] over the whole history; read one at a time.
        court: What they are measured against.
        policy: The limits.
    """
    kept = court.expected.rows
    evidence = tuple(court.examine(name, np.asarray(values, dtype=np.float64)[kept]) for name, values in columns)
    allowance = court.allowance(policy.old_results, policy.old_results_at_most)
    at = limits(court.expected.basis, allowance, len(evidence), policy)
    return Scan(
        basis=court.expected.basis,
        races=len(court.expected.races),
        scanned=tuple(e.feature for e in evidence),
        suspects=suspects(evidence, at),
        allowance=allowance,
        evidence=evidence,
    )
