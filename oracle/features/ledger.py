"""What is known of each horse, jockey, trainer, pairing or course: accumulators that are read as of a moment.

A ledger has one account per key and, in each account, one decaying mean (or maximum) per entry. Two operations exist:
fold a run in, and read the account as of a time. `walk` plays a whole history through both in the order of time, so
that each race reads only what was known at its off; serving folds the same results one by one and reads the same
numbers to the last bit, because it runs the same compiled loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from oracle.compiled import compiled
from oracle.features.accounts import Accounts, grown
from oracle.ranking.races import Floats, Ints

KNOWN_AFTER = 600.0
"""Seconds from the off after which a result is taken as known: a race off five minutes later cannot use it."""

FOREVER = 1e18
"""A half-life in seconds that never fades."""

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One decaying mean of one quantity of a run.

    The value read is sum(w x) / sum(w), where a run's weight w is multiplied by `retention` with each later run of the
    same account and halves every `half_life_days`. Retention 0 keeps the last run only, 1 never forgets.
    `best` keeps the maximum instead. A run in which the quantity is missing leaves the entry as it was.
    """

    name: str
    of: str
    """Which column of a run (see `oracle.features.runs`) is accumulated."""
    retention: float = 1.0
    half_life_days: float | None = None
    best: bool = False


@dataclass(frozen=True, slots=True)
class LedgerSpec:
    """Which accounts a ledger has (one per distinct key) and what each of them accumulates."""

    name: str
    key: tuple[str, ...]
    """Parts of the key (see `oracle.features.keys`); a runner that lacks one of them has no account."""
    entries: tuple[Entry, ...]


@dataclass
class Ledger:
    """The accounts of one specification, in arrays that grow as keys are met."""

    spec: LedgerSpec
    holders: Accounts = field(default_factory=Accounts)
    value: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    weight: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    last: Floats = field(default_factory=lambda: np.zeros(0))
    _decay: tuple[Floats, Floats, npt.NDArray[np.bool_]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        entries = self.spec.entries
        half_lives = [FOREVER if e.half_life_days is None else e.half_life_days * DAY for e in entries]
        self._decay = (
            np.array([e.retention for e in entries], dtype=np.float64),
            np.array(half_lives, dtype=np.float64),
            np.array([e.best for e in entries], dtype=np.bool_),
        )
        if self.value.shape[1] != len(entries):
            self.value, self.weight = np.zeros((0, len(entries))), np.zeros((0, len(entries)))

    def accounts(self, codes: Ints, keys: Sequence[str], *, open_new: bool) -> Ints:
        """Return int64[N], the account of each runner (see `Accounts.find`), with room made for new ones."""
        found = self.holders.find(codes, keys, open_new=open_new)
        self.value = grown(self.value, len(self.holders), np.nan)
        self.weight = grown(self.weight, len(self.holders), 0.0)
        self.last = grown(self.last, len(self.holders), np.nan)
        return found

    def walk(
        self,
        offsets: Ints,
        off: Floats,
        account: Ints,
        runs: Floats,
        known_after: float = KNOWN_AFTER,
        into: Ints | None = None,
    ) -> tuple[Floats, Floats, Floats]:
        """Read every race as of its off and fold it in once its result is known, in the order of time.

        Args:
            offsets: int64[R + 1], races in rows.
            off: float64[R], ascending.
            account: int64[N] from `accounts`.
            runs: float64[N, entries], what each run says; NaN where nothing.
            known_after: Seconds from a race's off to its result; 0 folds each race in before the next is read.
            into: int64[N], the account that each run is folded into, -1 for none; by default the one that is read.

        Returns:
            value, weight (float64[N, entries]) and last (float64[N], time of the account's last run), as of each off.
        """
        value = np.full(runs.shape, np.nan)
        weight = np.zeros(runs.shape)
        last = np.full(len(account), np.nan)
        into = account if into is None else into
        _walk(offsets, off, account, into, runs, known_after, self._arrays(), value, weight, last)
        return value, weight, last

    def read(self, account: Ints, at: Floats) -> tuple[Floats, Floats, Floats]:
        """Return what `walk` returns, for runners with nothing to fold: the cards of races still to come."""
        shape = (len(account), len(self.spec.entries))
        value, weight, last = np.full(shape, np.nan), np.zeros(shape), np.full(len(account), np.nan)
        _read_all(account, at, self._arrays(), value, weight, last)
        return value, weight, last

    def _arrays(self) -> tuple[Any, ...]:
        return self.value, self.weight, self.last, *self._decay

    def copy(self) -> Ledger:
        """Return an equal ledger that shares nothing which changes."""
        return Ledger(self.spec, self.holders.copy(), self.value.copy(), self.weight.copy(), self.last.copy())

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays from which `restore` makes an equal ledger."""
        n = len(self.holders)
        return {"keys": self.holders.dump(), "value": self.value[:n], "weight": self.weight[:n], "last": self.last[:n]}

    @classmethod
    def restore(cls, spec: LedgerSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Ledger:
        """Return the ledger that `dump` described."""
        return cls(
            spec,
            holders=Accounts.restore(arrays["keys"]),
            value=np.array(arrays["value"], dtype=np.float64).reshape(-1, len(spec.entries)),
            weight=np.array(arrays["weight"], dtype=np.float64).reshape(-1, len(spec.entries)),
            last=np.array(arrays["last"], dtype=np.float64),
        )


@compiled()
def _fade(elapsed, half_life):  # type: ignore[no-untyped-def]  # pragma: no cover
    # A result that arrives late must not gain weight by lying in the account's past.
    if half_life >= FOREVER or elapsed <= 0.0:
        return 1.0
    return 0.5 ** (elapsed / half_life)


@compiled()
def _read(key, at, arrays, row, value, weight, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    values, weights, lasts, _, half_life, best = arrays
    if key < 0 or np.isnan(lasts[key]):
        return
    last[row] = lasts[key]
    for s in range(values.shape[1]):
        value[row, s] = values[key, s]
        faded = weights[key, s]
        if not best[s]:
            faded *= _fade(at - lasts[key], half_life[s])
        weight[row, s] = faded


@compiled()
def _fold(key, at, run, arrays):  # type: ignore[no-untyped-def]  # pragma: no cover
    values, weights, lasts, retention, half_life, best = arrays
    if key < 0:
        return
    elapsed = 0.0 if np.isnan(lasts[key]) else at - lasts[key]
    for s in range(values.shape[1]):
        x = run[s]
        if best[s]:
            if not np.isnan(x):
                if weights[key, s] == 0.0 or x > values[key, s]:
                    values[key, s] = x
                weights[key, s] += 1.0
            continue
        # Time fades every entry, also one this run says nothing of: the account's clock is shared.
        kept = weights[key, s] * _fade(elapsed, half_life[s])
        if np.isnan(x):
            weights[key, s] = kept
            continue
        kept *= retention[s]
        weights[key, s] = kept + 1.0
        if kept == 0.0:
            values[key, s] = x
        else:
            values[key, s] += (x - values[key, s]) / (kept + 1.0)
    lasts[key] = at if np.isnan(lasts[key]) else max(at, lasts[key])


@compiled()
def _walk(offsets, off, account, into, runs, known_after, arrays, value, weight, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    folded = 0
    races = len(off)
    for r in range(races):
        while folded < r and off[folded] + known_after <= off[r]:
            for i in range(offsets[folded], offsets[folded + 1]):
                _fold(into[i], off[folded], runs[i], arrays)
            folded += 1
        for i in range(offsets[r], offsets[r + 1]):
            _read(account[i], off[r], arrays, i, value, weight, last)
    while folded < races:
        for i in range(offsets[folded], offsets[folded + 1]):
            _fold(into[i], off[folded], runs[i], arrays)
        folded += 1


@compiled()
def _read_all(account, at, arrays, value, weight, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(account)):
        _read(account[i], at[i], arrays, i, value, weight, last)
