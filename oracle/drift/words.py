"""The three answers of a drift check, and what one part of it says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a check, or a part of one, may answer."""

    DRIFT = "drift"
    NO_DRIFT = "no drift"
    UNMEASURED = "could not measure"
    """Never to be read as `no drift`: nobody has looked."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a check found: its answer, why, and the numbers behind it."""

    verdict: Verdict
    cause: str
    found: Mapping[str, Any] = field(default_factory=dict)
    """Plain values, as they stand in the report."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"verdict": str(self.verdict), "cause": self.cause, **self.found}


def unmeasured(cause: str, **found: Any) -> Part:
    """Return the part that could not be looked at, with the reason."""
    return Part(Verdict.UNMEASURED, cause, found)


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the answer of several: any drift is drift; without a single measurement there is no answer.

    >>> str(together([Verdict.UNMEASURED, Verdict.NO_DRIFT])), str(together([]))
    ('no drift', 'could not measure')
    """
    seen = set(verdicts)
    for each in (Verdict.DRIFT, Verdict.NO_DRIFT):
        if each in seen:
            return each
    return Verdict.UNMEASURED
