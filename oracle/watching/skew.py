"""Whether serving saw the features that training would have seen: served fingerprints against those of the walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.features.forward import Told
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.matrix import RaceMatrix
from oracle.store import Prediction

MOST_NAMED = 20
"""Races that are named; all of them are counted."""


@dataclass(frozen=True, slots=True)
class Skew:
    """Served features against the walk's, race by race."""

    compared: int = 0
    """Races that were served with a fingerprint."""
    equal: int = 0
    """To the bit."""
    behind: int = 0
    """Other features, and a result of an earlier race came in, or was corrected, after the card was answered."""
    ahead: int = 0
    """Other features, and the form knew a race that was off less than ten minutes before: training waits that long."""
    unexplained: int = 0
    """Other features without such a cause: training and serving differ."""
    races: tuple[str, ...] = ()
    """The first of the unexplained."""

    @property
    def verdict(self) -> str:
        """`skew`, `no skew`, or `could not measure` where nothing was compared."""
        if not self.compared:
            return "could not measure"
        return "skew" if self.unexplained else "no skew"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "verdict": self.verdict,
            "compared": self.compared,
            "equal": self.equal,
            "form_behind": self.behind,
            "form_ahead": self.ahead,
            "unexplained": self.unexplained,
            "races": list(self.races),
        }


def compared(asked: Sequence[Prediction], walked: RaceMatrix, results: Sequence[Told]) -> Skew:
    """Return how the served features compare with those that the walk reads for the same cards.

    Args:
        asked: The answered cards.
        walked: Their features by the walk, in the same order.
        results: What the walk folded in, by off.
    """
    off = np.array([each.off for each in results])
    seq = np.array([each.seq for each in results], dtype=np.int64)
    newest = np.maximum.accumulate(seq) if len(seq) else seq
    count = dict.fromkeys(("equal", "behind", "ahead", "unexplained"), 0)
    named: list[str] = []
    for each, mine, moment in zip(asked, walked.fingerprints(), walked.off.tolist(), strict=True):
        if not each.features:
            continue
        known = int(np.searchsorted(off, moment - KNOWN_AFTER, side="right"))
        if each.features == mine:
            cause = "equal"
        elif known and newest[known - 1] > each.form:
            cause = "behind"
        elif (seq[known:] <= each.form).any():
            cause = "ahead"
        else:
            cause = "unexplained"
            named.append(each.race_key)
        count[cause] += 1
    return Skew(sum(count.values()), **count, races=tuple(named[:MOST_NAMED]))
