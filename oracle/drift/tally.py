"""Rows of sums under whole numbers: the adding part of everything counted by meeting. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.ranking.races import Floats, Ints


@dataclass(frozen=True)
class Tally:
    """Sums under ascending keys. Adding two adds the rows of equal keys and keeps the others."""

    keys: Ints
    """int64[M], ascending, each once."""
    sums: Floats
    """float64[M, K]."""

    @classmethod
    def zero(cls, width: int) -> Tally:
        """Return the tally without a row."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, width)))

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        if not other.keys.size:
            return self
        if not self.keys.size:
            return other
        return tallied(np.concatenate([self.keys, other.keys]), np.concatenate([self.sums, other.sums]))


def tallied(keys: Ints, rows: Floats) -> Tally:
    """Return the sums of the rows of each key.

    >>> tallied(np.array([7, 3, 7]), np.array([[1.0], [2.0], [3.0]])).sums.tolist()
    [[2.0], [4.0]]
    """
    if not keys.size:
        return Tally.zero(rows.shape[1])
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begin = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return Tally(ordered[begin], np.add.reduceat(rows[order], begin, axis=0))
