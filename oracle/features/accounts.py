"""Who has an account: keys numbered in the order they are first met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import orjson

from oracle.ranking.races import Floats, Ints


@dataclass
class Accounts:
    """Numbers keys from 0 in the order they are opened."""

    index: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many accounts are open."""
        return len(self.index)

    def find(self, codes: Ints, keys: Sequence[str], *, open_new: bool) -> Ints:
        """Return int64[N], the account of each runner; -1 where it has none.

        Args:
            codes: int64[N], index into `keys`; -1 for a runner without a key.
            keys: The distinct keys.
            open_new: Whether a key met for the first time gets an account.
        """
        if open_new:
            for key in keys:
                self.index.setdefault(key, len(self.index))
        table = np.array([self.index.get(key, -1) for key in keys] + [-1], dtype=np.int64)
        return table[codes]

    def copy(self) -> Accounts:
        """Return accounts of the same numbers that are opened on their own."""
        return Accounts(self.index.copy())

    def dump(self) -> npt.NDArray[np.uint8]:
        """Return the keys as UTF-8 bytes of a JSON list: a name may hold anything, line breaks too."""
        return np.frombuffer(orjson.dumps(list(self.index)), dtype=np.uint8)

    @classmethod
    def restore(cls, keys: npt.NDArray[np.uint8]) -> Accounts:
        """Return the accounts that `dump` described."""
        return cls({key: i for i, key in enumerate(orjson.loads(keys.tobytes()))})


def grown(table: Floats, accounts: int, empty: float) -> Floats:
    """Return the table with room for so many accounts, new rows filled with `empty`; doubles each time."""
    if accounts <= len(table):
        return table
    out = np.full((max(accounts, 2 * len(table), 64), *table.shape[1:]), empty)
    out[: len(table)] = table
    return out
