"""A plan walked over races in the order of their off: what was staked, what came back, how the bankroll went.

A race is settled ten minutes after its off; until then its stakes are bound, and the next race is staked from what is
left. So races that overlap cannot spend the same money twice, and no stake knows of a result that is not in yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.compiled import compiled
from oracle.ranking.races import Bools, Floats, Ints, as_floats, sum_by_race
from oracle.staking.plan import Plan, within
from oracle.staking.settle import Terms

SETTLED_AFTER = 600.0
"""Seconds from the off until the stakes of a race are money again; as long as until its result counts as known."""


@dataclass(frozen=True)
class Book:
    """Bets that could have been made: races in the order of their off."""

    prob: Floats
    """float64[N]: the model's probability that the bet wins; NaN where it gives none."""
    odds: Floats
    """float64[N]: decimal odds; NaN where there are none."""
    share: Floats
    """float64[N]: the part of a stake that wins (`pools.placed_share`)."""
    offsets: Ints
    """int64[R + 1]."""
    off: Floats
    """float64[R]: seconds since 1970, ascending."""

    def __len__(self) -> int:
        """Return the number of races."""
        return len(self.off)


@dataclass(frozen=True, slots=True)
class Purse:
    """The money to bet with.

    Raises:
        BadInput: a bankroll or a largest stake that is not positive.
    """

    bankroll: float | None = None
    """None: as much as the plan asks for, which only a flat plan can do with."""
    max_stake: float | None = None
    """Largest stake on one runner."""

    def __post_init__(self) -> None:
        if self.bankroll is not None:
            within("the bankroll", self.bankroll, 0.0, float("inf"), open_low=True)
        if self.max_stake is not None:
            within("the largest stake", self.max_stake, 0.0, float("inf"), open_low=True)


KELLY_BANKROLL = 1000.0
"""What a plan that stakes shares of a bankroll starts with where none is given."""


@dataclass(frozen=True)
class Replayed:
    """What came of it, race by race."""

    bets: Ints
    """int64[R]: runners backed."""
    won: Ints
    """int64[R]: of which won, whole or in a dead heat."""
    staked: Floats
    """float64[R], money."""
    profit: Floats
    """float64[R], money, after commission."""
    before: Floats
    """float64[R]: the bankroll that the race was staked from, bound stakes at cost; NaN without a bankroll."""
    settled: Floats
    """float64[R]: bankroll (without one: total profit) once the race was settled."""
    start: float
    """Bankroll before the first race; 0 without one."""

    @property
    def weight(self) -> Floats:
        """float64[R]: stakes as they count for the return: shares of the bankroll, or money without one."""
        return self._relative(self.staked)

    @property
    def gain(self) -> Floats:
        """float64[R]: profits on the same scale."""
        return self._relative(self.profit)

    def _relative(self, money: Floats) -> Floats:
        ruined = ~(self.before > 0)
        return np.where(np.isnan(self.before), money, np.divide(money, np.where(ruined, 1.0, self.before)))


def replay(book: Book, plan: Plan, terms: Terms, purse: Purse) -> Replayed:
    """Return what the plan would have done with these bets.

    Args:
        book: The bets.
        plan: What to stake.
        terms: What the operator takes.
        purse: The money there is; a plan that stakes shares of a bankroll starts with 1000 where none is given.
    """
    odds = as_floats(terms.odds(book.odds, book.offsets))
    wanted = as_floats(plan.stakes(book.prob, terms.after_commission(odds), book.offsets))
    # A race without a result returns its stakes: it is as if nobody had bet on it.
    open_ = np.repeat(sum_by_race(book.share, book.offsets) > 0, np.diff(book.offsets))
    wanted = np.where(open_, np.nan_to_num(wanted), 0.0)
    start = purse.bankroll if purse.bankroll is not None else KELLY_BANKROLL if plan.of_bankroll else None
    races = len(book)
    columns = np.zeros((4, races))
    stake = np.zeros_like(wanted)
    _walk(
        wanted,
        np.nan_to_num(odds, nan=1.0),
        book.share,
        book.offsets,
        book.off,
        plan.of_bankroll,
        np.inf if start is None else start,
        np.inf if purse.max_stake is None else purse.max_stake,
        terms.commission,
        0.0 if terms.pool_size is None else terms.pool_size,
        1.0 if terms.takeout is None else 1.0 - terms.takeout,
        stake,
        columns,
    )
    backed: Bools = stake > 0
    return Replayed(
        bets=sum_by_race(backed, book.offsets).astype(np.int64),
        won=sum_by_race(backed & (book.share > 0), book.offsets).astype(np.int64),
        staked=columns[0],
        profit=columns[1],
        before=np.full(races, np.nan) if start is None else columns[2],
        settled=np.cumsum(columns[1]) if start is None else columns[3],
        start=start or 0.0,
    )


@compiled()
def _walk(
    wanted: Floats,
    odds: Floats,
    share: Floats,
    offsets: Ints,
    off: Floats,
    of_bankroll: bool,
    bankroll: float,
    max_stake: float,
    commission: float,
    pool: float,
    paid_out: float,
    stake: Floats,
    columns: Floats,
) -> None:
    """Fill the stake of each runner, and of each race: staked, profit, bankroll before, bankroll once settled."""
    free, bound, due = bankroll, 0.0, 0
    races = off.size
    for race in range(races + 1):
        while due < race and (race == races or off[due] + SETTLED_AFTER <= off[race]):
            free += columns[0, due] + columns[1, due]
            bound -= columns[0, due]
            columns[3, due] = free + bound
            due += 1
        if race == races:
            break
        wealth = free + bound
        columns[2, race] = wealth
        begin, end = offsets[race], offsets[race + 1]
        total = 0.0
        for i in range(begin, end):
            if wanted[i] > 0.0:
                stake[i] = min(wanted[i] * wealth if of_bankroll else wanted[i], max_stake)
                total += stake[i]
        if total > free:
            for i in range(begin, end):
                stake[i] *= max(free, 0.0) / total
            total = max(free, 0.0)
        back = 0.0
        for i in range(begin, end):
            if stake[i] > 0.0 and share[i] > 0.0:
                pays = odds[i]
                if pool > 0.0:
                    pays = max(paid_out * (pool + total) / (pool * paid_out / odds[i] + stake[i]), 1.0)
                back += stake[i] * share[i] * pays
        net = back - total
        columns[0, race] = total
        columns[1, race] = net * (1.0 - commission) if net > 0.0 else net
        free -= total
        bound += total


def largest_drawdown(settled: Floats, start: float) -> float:
    """Return the largest fall from an earlier peak: as a share of that peak, or in money where the start is 0.

    >>> largest_drawdown(np.array([1200.0, 900.0, 1500.0]), 1000.0)
    0.25
    """
    if not settled.size:
        return 0.0
    peak = np.maximum(np.maximum.accumulate(settled), start)
    fall = (peak - settled) / peak if start > 0 else peak - settled
    return float(fall.max(initial=0.0))
