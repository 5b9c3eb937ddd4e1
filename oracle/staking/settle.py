"""What a stake returns: odds, dead heats, stakes that are given back, takeout and commission.

- The winner returns stake x odds. In a dead heat the stake is divided: 1/k of it at full odds for each of k winners
  (`pools.placed_share` says how much of a stake wins).
- Stakes on runners that were withdrawn, and all stakes on a race without a result, are returned.
- A commission is taken from what a race nets, if that is positive, as betting exchanges do.
- With a takeout, odds are those of a pool whose shares are the market's: (1 - takeout) / share. With the size of that
  pool given, the stakes themselves go into it, and lower what it pays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.errors import BadInput
from oracle.ranking.market import multiplicative
from oracle.ranking.races import Bools, Floats, Ints, sum_by_race
from oracle.staking.plan import within


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator takes.

    Raises:
        BadInput: a share outside of 0 to 1, a pool that is not positive, or a pool size without a takeout.
    """

    takeout: float | None = None
    """Share of a pool that is kept back; None bets at the odds as they are."""
    commission: float = 0.0
    """Share of a race's net winnings."""
    pool_size: float | None = None
    """Money in the pool of each race before our stakes; None leaves our own effect out."""

    def __post_init__(self) -> None:
        if self.takeout is not None:
            within("the takeout", self.takeout, 0.0, 1.0, open_high=True)
        within("the commission", self.commission, 0.0, 1.0, open_high=True)
        if self.pool_size is not None:
            within("the size of the pool", self.pool_size, 0.0, float("inf"), open_low=True)
            if self.takeout is None:
                raise BadInput("the size of a pool means nothing without its takeout", next_step="give --takeout too")

    def odds(self, odds: Floats, offsets: Ints) -> Floats:
        """Return float64[N]: the decimal odds of a small bet; NaN without usable odds. Never below 1."""
        usable = np.where(odds >= 1.0, odds, np.nan)
        if self.takeout is None:
            return np.asarray(usable)
        return np.asarray(np.maximum((1.0 - self.takeout) / multiplicative(usable, offsets), 1.0))

    def after_commission(self, odds: Floats) -> Floats:
        """Return the odds that a plan should reckon with: commission comes off the winnings."""
        return np.asarray(1.0 + (odds - 1.0) * (1.0 - self.commission))

    def moved(self, odds: Floats, stake: Floats, offsets: Ints) -> Floats:
        """Return float64[N]: the odds after our stakes have gone into the pool; the same where its size is not given.

        Args:
            odds: float64[N], as `odds` returns them.
            stake: float64[N], money.
            offsets: int64[R + 1].
        """
        if self.pool_size is None or self.takeout is None:
            return odds
        on_runner = self.pool_size * (1.0 - self.takeout) / odds + stake
        total = self.pool_size + np.repeat(sum_by_race(stake, offsets), np.diff(offsets))
        return np.asarray(np.maximum((1.0 - self.takeout) * total / np.maximum(on_runner, 1e-300), 1.0))

    def as_dict(self) -> dict[str, float | None]:
        """Return plain values."""
        return {"takeout": self.takeout, "commission": self.commission, "pool_size": self.pool_size}


def profit(
    stake: Floats,
    odds: Floats,
    share: Floats,
    offsets: Ints,
    commission: float = 0.0,
    withdrawn: Bools | None = None,
) -> Floats:
    """Return float64[R]: what each race nets, after commission.

    Args:
        stake: float64[N], not negative.
        odds: float64[N], decimal; may be NaN where nothing is staked.
        share: float64[N]: the part of a stake that wins; all 0 in a race without a result, whose stakes are returned.
        offsets: int64[R + 1].
        commission: Share of the net winnings of a race.
        withdrawn: bool[N]: stakes on these are returned; they must not be in `share`.

    >>> one_race = np.array([0, 3])
    >>> profit(np.ones(3), np.array([3.0, 4.0, 5.0]), np.array([0.5, 0.5, 0.0]), one_race).tolist()
    [0.5]
    """
    back = np.where(stake > 0, stake * np.where(share > 0, share * odds, 0.0), 0.0)
    if withdrawn is not None:
        back = np.where(withdrawn, stake, back)
    net = sum_by_race(back - stake, offsets)
    net = np.where(sum_by_race(share, offsets) > 0, net, 0.0)
    return np.asarray(np.where(net > 0, net * (1.0 - commission), net))
