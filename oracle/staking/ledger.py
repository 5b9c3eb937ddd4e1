"""What was bet and what came of it, as a value that adds: two years' ledgers are the ledger of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.ranking.races import Bools
from oracle.staking.replay import Replayed


@dataclass(frozen=True, slots=True)
class Ledger:
    """Counts and money. `a + b` is the ledger of both; `Ledger()` is the zero of it."""

    races: int = 0
    """Races that could have been bet on."""
    races_bet: int = 0
    bets: int = 0
    won: int = 0
    """Bets that won, whole or in a dead heat."""
    staked: float = 0.0
    profit: float = 0.0
    """After takeout and commission."""

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(
            self.races + other.races,
            self.races_bet + other.races_bet,
            self.bets + other.bets,
            self.won + other.won,
            self.staked + other.staked,
            self.profit + other.profit,
        )

    @property
    def roi(self) -> float | None:
        """Profit per unit of money staked; None where nothing was staked."""
        return self.profit / self.staked if self.staked > 0 else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "races": self.races,
            "races_bet": self.races_bet,
            "bets": self.bets,
            "won": self.won,
            "staked": self.staked,
            "profit": self.profit,
            "roi": self.roi,
        }


def ledger(found: Replayed, where: Bools | None = None) -> Ledger:
    """Return the ledger of the races, or of some of them.

    Args:
        found: A replay.
        where: bool[R].
    """
    inside = np.ones(found.bets.size, dtype=np.bool_) if where is None else where
    return Ledger(
        races=int(inside.sum()),
        races_bet=int((found.bets[inside] > 0).sum()),
        bets=int(found.bets[inside].sum()),
        won=int(found.won[inside].sum()),
        staked=float(found.staked[inside].sum()),
        profit=float(found.profit[inside].sum()),
    )
