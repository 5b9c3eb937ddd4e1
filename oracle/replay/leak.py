"""Whether anything was known early: what was served must be what a training reads of the same race, to the bit.

Each answer and each scoring is stored with the fingerprint of the features it was made from. A training walks the whole
history, each race as of its off. Where the fingerprints are equal, serving knew exactly what the walk knew.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from oracle.features.matrix import RaceMatrix

SHOWN = 10


class Fingerprinted(Protocol):
    """An answer or a scoring of the store."""

    @property
    def race_key(self) -> str:
        """The race."""
        ...

    @property
    def features(self) -> str:
        """Fingerprint of the features."""
        ...

    @property
    def model_version(self) -> str:
        """The version that read them."""
        ...

    @property
    def form(self) -> int:
        """Number of the last result in its form."""
        ...


@dataclass(frozen=True, slots=True)
class Leaks:
    """What the check came to."""

    races: int
    """Races looked at."""
    equal: int
    """Races all of whose fingerprints are those of the training features."""
    checked: int
    """Fingerprints looked at."""
    unserved: int
    """Races of the period that nobody answered."""
    examples: tuple[dict[str, Any], ...]

    @property
    def different(self) -> int:
        """Races that were served with other features."""
        return self.races - self.equal

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "races": self.races,
            "equal": self.equal,
            "different": self.different,
            "fingerprints": self.checked,
            "unserved": self.unserved,
            "examples": list(self.examples),
        }


def fingerprints(matrix: RaceMatrix) -> dict[str, str]:
    """Return the fingerprint of each race's features, as serving makes it, by race id."""
    values = np.ascontiguousarray(matrix.values)
    edges = itertools.pairwise(matrix.offsets.tolist())
    return {
        str(race): hashlib.blake2b(values[a:b].tobytes(), digest_size=8).hexdigest()
        for race, (a, b) in zip(matrix.race_id, edges, strict=True)
    }


def check(trained: Mapping[str, str], *served: Iterable[Fingerprinted]) -> Leaks:
    """Return how the fingerprints of what was served compare with those of a training, race by race."""
    seen: dict[str, bool] = {}
    examples: list[dict[str, Any]] = []
    checked = 0
    for each in itertools.chain(*served):
        expected = trained.get(each.race_key)
        if expected is None:
            continue
        checked += 1
        equal = each.features == expected
        if not equal and len(examples) < SHOWN:
            told = {"race_id": each.race_key, "model_version": each.model_version, "form": each.form}
            examples.append(told | {"served": each.features, "trained": expected})
        seen[each.race_key] = seen.get(each.race_key, True) and equal
    return Leaks(len(seen), sum(seen.values()), checked, len(trained) - len(seen), tuple(examples))
