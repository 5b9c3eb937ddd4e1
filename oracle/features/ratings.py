"""Ratings over time: who beats whom, by how much, with whose help.

Two ratings are kept, both updated race by race from what was known before it:

* strength: the sum of a horse's, a jockey's and a trainer's parts; each race moves the parts along the gradient of the
  Plackett-Luce likelihood of its first three (an Elo rating generalised to fields: Plackett 1975, Luce 1959).
* merit: lengths, not places. A runner's performance is the field's average merit plus what it beat the field by, and
  the horse's merit moves towards it by a step that shrinks with experience (a Kalman-like filter with a floor, since
  form changes).

Both are sequential by nature, hence compiled loops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from oracle.compiled import compiled
from oracle.features.accounts import Accounts, grown
from oracle.features.keys import keys
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.races import Races
from oracle.ranking.races import Floats, Ints

PARTICIPANTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("horse", ("horse", "race_type")),
    ("jockey", ("jockey",)),
    ("trainer", ("trainer",)),
)
"""Whose parts make a strength. A horse is rated apart on the flat, over hurdles and over fences."""


@dataclass(frozen=True, slots=True)
class RatingPolicy:
    """How fast ratings move."""

    step: tuple[float, float, float] = (0.35, 0.03, 0.03)
    """Step of a newcomer along the gradient: horse, jockey, trainer. Stables change slowly."""
    settled: tuple[float, float, float] = (0.10, 0.008, 0.008)
    """Step of the experienced."""
    runs_to_settle: tuple[float, float, float] = (6.0, 150.0, 150.0)
    places: int = 3
    """How many places of the finishing order are learned from: behind them riders ease."""
    merit_floor: float = 0.22
    """Smallest step of merit towards the latest performance."""
    lengths_cap: float = 18.0
    """Lengths per mile behind the winner beyond which a defeat says no more."""


@dataclass
class Ratings:
    """The ratings of everybody met so far."""

    policy: RatingPolicy = RatingPolicy()
    holders: list[Accounts] = field(default_factory=lambda: [Accounts() for _ in PARTICIPANTS])
    table: list[Floats] = field(default_factory=lambda: [np.zeros((0, 3)) for _ in PARTICIPANTS])
    """Per kind of participant float64[accounts, 3]: part of strength, runs, merit (horses only)."""

    def accounts(self, races: Races, *, open_new: bool) -> Ints:
        """Return int64[3, N], the accounts of each runner's horse, jockey and trainer; -1 where it has none."""
        out = np.empty((len(PARTICIPANTS), races.runners), dtype=np.int64)
        for kind, (_, parts) in enumerate(PARTICIPANTS):
            out[kind] = self.holders[kind].find(*keys(races, parts), open_new=open_new)
            self.table[kind] = grown(self.table[kind], len(self.holders[kind]), 0.0)
        return out

    def walk(
        self,
        offsets: Ints,
        off: Floats,
        accounts: Ints,
        position: Floats,
        lengths: Floats,
        known_after: float = KNOWN_AFTER,
        into: Ints | None = None,
    ) -> Floats:
        """Read every race's ratings as of its off and learn from it once its result is known.

        Args:
            offsets: int64[R + 1], races in rows.
            off: float64[R], ascending.
            accounts: int64[3, N] of horse, jockey, trainer.
            position: float64[N], official position; NaN for a runner without one.
            lengths: float64[N], lengths behind the winner per mile run; NaN where unknown.
            known_after: Seconds from a race's off to its result.
            into: int64[3, N], the accounts that learn from each run, -1 for none; by default those that are read.

        Returns:
            float64[N, 4]: the horse's, jockey's and trainer's parts of strength, and merit (NaN before a first run).
        """
        out = np.full((accounts.shape[1], 4), np.nan)
        p = self.policy
        numbers = np.array([*p.step, *p.settled, *p.runs_to_settle, p.places, p.merit_floor, p.lengths_cap])
        into = accounts if into is None else into
        _walk(offsets, off, accounts, into, position, lengths, known_after, tuple(self.table), numbers, out)
        return out

    def read(self, accounts: Ints) -> Floats:
        """Return what `walk` returns, for runners with nothing to learn from."""
        out = np.full((accounts.shape[1], 4), np.nan)
        _read_all(accounts, tuple(self.table), out)
        return out

    def copy(self) -> Ratings:
        """Return equal ratings that share nothing which changes."""
        return Ratings(self.policy, [h.copy() for h in self.holders], [t.copy() for t in self.table])

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays from which `restore` makes equal ratings."""
        out: dict[str, npt.NDArray[Any]] = {}
        for (name, _), holders, table in zip(PARTICIPANTS, self.holders, self.table, strict=True):
            out[f"{name}.keys"] = holders.dump()
            out[f"{name}.table"] = table[: len(holders)]
        return out

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Ratings:
        """Return the ratings that `dump` described."""
        names = [name for name, _ in PARTICIPANTS]
        return cls(
            holders=[Accounts.restore(arrays[f"{n}.keys"]) for n in names],
            table=[np.array(arrays[f"{n}.table"], dtype=np.float64).reshape(-1, 3) for n in names],
        )


@compiled()
def _part(table, key):  # type: ignore[no-untyped-def]  # pragma: no cover
    return table[key, 0] if key >= 0 else 0.0


@compiled()
def _read(i, accounts, tables, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    horses, jockeys, trainers = tables
    out[i, 0] = _part(horses, accounts[0, i])
    out[i, 1] = _part(jockeys, accounts[1, i])
    out[i, 2] = _part(trainers, accounts[2, i])
    key = accounts[0, i]
    if key >= 0 and horses[key, 1] > 0:
        out[i, 3] = horses[key, 2]


@compiled()
def _learn_strength(a, b, accounts, position, tables, numbers):  # type: ignore[no-untyped-def]  # pragma: no cover
    n = b - a
    strength = np.zeros(n)
    for i in range(n):
        for kind in range(3):
            strength[i] += _part(tables[kind], accounts[kind, a + i])
    top = strength.max()
    weight = np.exp(strength - top)
    gradient = np.zeros(n)
    left = np.ones(n, dtype=np.bool_)
    for place in range(1, int(numbers[9]) + 1):
        tied = 0
        for i in range(n):
            if position[a + i] == place:
                tied += 1
        remaining = 0.0
        for i in range(n):
            if left[i]:
                remaining += weight[i]
        if tied == 0 or remaining <= 0.0:
            continue
        for i in range(n):
            if left[i]:
                gradient[i] -= tied * weight[i] / remaining
        for i in range(n):
            if position[a + i] == place:
                gradient[i] += 1.0
                left[i] = False
    for i in range(n):
        for kind in range(3):
            key = accounts[kind, a + i]
            if key >= 0:
                runs = tables[kind][key, 1]
                settle = numbers[6 + kind]
                step = numbers[3 + kind] + (numbers[kind] - numbers[3 + kind]) * settle / (settle + runs)
                tables[kind][key, 0] += step * gradient[i]


@compiled()
def _learn_merit(a, b, accounts, lengths, horses, numbers):  # type: ignore[no-untyped-def]  # pragma: no cover
    # The field's level is the mean merit of those rated before; a newcomer is rated by whom it met.
    level, rated, beaten, known = 0.0, 0, 0.0, 0
    for i in range(a, b):
        key = accounts[0, i]
        if np.isnan(lengths[i]) or key < 0:
            continue
        beaten += min(lengths[i], numbers[11])
        known += 1
        if horses[key, 1] > 0:
            level += horses[key, 2]
            rated += 1
    if known < 2:
        return
    level = level / rated if rated else 0.0
    beaten /= known
    for i in range(a, b):
        key = accounts[0, i]
        if np.isnan(lengths[i]) or key < 0:
            continue
        performance = level + beaten - min(lengths[i], numbers[11])
        runs = horses[key, 1]
        if runs == 0:
            horses[key, 2] = performance
        else:
            horses[key, 2] += max(numbers[10], 1.0 / (runs + 1.0)) * (performance - horses[key, 2])


@compiled()
def _learn(r, offsets, accounts, position, lengths, tables, numbers):  # type: ignore[no-untyped-def]  # pragma: no cover
    a, b = offsets[r], offsets[r + 1]
    _learn_strength(a, b, accounts, position, tables, numbers)
    _learn_merit(a, b, accounts, lengths, tables[0], numbers)
    for i in range(a, b):
        for kind in range(3):
            if accounts[kind, i] >= 0:
                tables[kind][accounts[kind, i], 1] += 1.0


@compiled()
def _walk(offsets, off, accounts, into, position, lengths, known_after, tables, numbers, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    learned = 0
    races = len(off)
    for r in range(races):
        while learned < r and off[learned] + known_after <= off[r]:
            _learn(learned, offsets, into, position, lengths, tables, numbers)
            learned += 1
        for i in range(offsets[r], offsets[r + 1]):
            _read(i, accounts, tables, out)
    while learned < races:
        _learn(learned, offsets, into, position, lengths, tables, numbers)
        learned += 1


@compiled()
def _read_all(accounts, tables, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(accounts.shape[1]):
        _read(i, accounts, tables, out)
