"""A backtest as one value: probabilities and results of later races, a plan, and all that came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.errors import BadInput
from oracle.features.matrix import RaceMatrix
from oracle.ranking.market import BRITISH_IRISH, overround
from oracle.ranking.plackett_luce import Discount, place
from oracle.ranking.pools import Pool, placed_share
from oracle.ranking.races import Floats, Ints
from oracle.settings import EvaluationPolicy
from oracle.staking.evidence import Evidence, weigh
from oracle.staking.ledger import Ledger, ledger
from oracle.staking.plan import Flat, Plan, within
from oracle.staking.replay import Book, Purse, Replayed, largest_drawdown, replay
from oracle.staking.settle import Terms

FINAL_ODDS = (
    "the odds are final odds: nobody who bets before the off gets them for certain, and bets move the odds of a pool",
    "a return on past races is no promise: it was found on these races, at these odds, by this plan",
)
"""What has to be known before any figure of a backtest is read."""


SMALLEST_BOOK = 0.98
"""Sum of 1 / odds below which a race's odds are not what was on offer: exchanges come near 1, nobody goes far below."""


def whole_books(odds: Floats, offsets: Ints) -> tuple[Floats, int]:
    """Return the odds without those of races whose book is far below 1, and how many races those are.

    A runner is missing there, or a price is wrong; left in, they look like certain gain and Kelly stakes everything.

    Args:
        odds: float64[N], decimal win odds.
        offsets: int64[R + 1].
    """
    torn = 1.0 + overround(odds, offsets) < SMALLEST_BOOK
    return np.where(np.repeat(torn, np.diff(offsets)), np.nan, odds), int(torn.sum())


@dataclass(frozen=True, slots=True)
class Bets:
    """What is bet on, and at which odds.

    Raises:
        BadInput: a pool whose odds a dataset does not hold, or terms that do not fit the pool.
    """

    pool: Pool = Pool.WIN
    place_fraction: float | None = None
    """Of the win odds, what the place part of an each-way bet pays, such as 0.2; a dataset holds no place odds."""

    def __post_init__(self) -> None:
        if self.pool not in (Pool.WIN, Pool.PLACE):
            raise BadInput(
                f"a dataset holds no pay-outs of the {self.pool} pool", value=str(self.pool), allowed="win, place"
            )
        if (self.pool is Pool.PLACE) != (self.place_fraction is not None):
            raise BadInput(
                "place bets are settled at a fraction of the win odds, win bets at the odds",
                value=self.place_fraction,
                next_step="give --place-fraction (such as 0.2 or 0.25) with --pool place, and only there",
            )
        if self.place_fraction is not None:
            within("the place fraction", self.place_fraction, 0.0, 1.0, open_low=True)

    def refuse_unfit(self, plan: Plan, terms: Terms) -> None:
        """Refuse a plan or terms that have no meaning in the pool.

        Raises:
            BadInput: Kelly or a takeout on place bets.
        """
        if self.pool is Pool.PLACE and plan.of_bankroll:
            raise BadInput(
                "Kelly stakes are for bets of which one wins; several place bets of a race do",
                value="--pool place --plan kelly",
                next_step="take --plan flat, or --pool win",
            )
        if self.pool is Pool.PLACE and terms.takeout is not None:
            raise BadInput("a takeout makes win odds from the win pool", value=terms.takeout, next_step="leave it out")

    def prob(self, races: RaceMatrix, win: Floats, discount: Discount) -> Floats:
        """Return float64[N]: the probability that a bet on the runner wins, from its probability to win the race."""
        if self.place_fraction is None:
            return win
        return place(win, races.offsets, BRITISH_IRISH.places(races.sizes), discount)

    def book(self, races: RaceMatrix, prob: Floats, odds: Floats) -> Book:
        """Return the bets that could be made on these races.

        Args:
            races: The races, in the order of their off.
            prob: float64[N], as `prob` returns it.
            odds: float64[N], decimal win odds.
        """
        places: int | Ints = 1
        if self.place_fraction is not None:
            places, odds = BRITISH_IRISH.places(races.sizes), 1.0 + (odds - 1.0) * self.place_fraction
        return Book(prob, odds, placed_share(races.position, races.offsets, places), races.offsets, races.off)


@dataclass(frozen=True)
class Backtest:
    """What a plan came to on a set of races."""

    first_date: str
    last_date: str
    total: Ledger
    by_year: Mapping[str, Ledger]
    evidence: Evidence
    everybody: Ledger
    """One unit on every runner that has odds: what betting without any opinion returns."""
    margin: float | None
    """Mean share of the stakes that the odds keep: 1 - 1 / book; None without odds."""
    bankroll: float | None
    """At the end; None where there was none."""
    drawdown: float
    """Largest fall from an earlier peak: share of the bankroll, or money where there was none."""
    growth: float | None
    """Mean logarithm of bankroll after over before, per race bet on; None without a bankroll or after ruin."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "first_date": self.first_date,
            "last_date": self.last_date,
            **self.total.as_dict(),
            "by_year": {year: part.as_dict() for year, part in self.by_year.items()},
            "evidence": self.evidence.as_dict(),
            "everybody": self.everybody.as_dict(),
            "margin": self.margin,
            "bankroll": self.bankroll,
            "drawdown": self.drawdown,
            "growth_per_race": self.growth,
            "warnings": list(FINAL_ODDS),
        }


def backtest(
    races: RaceMatrix, book: Book, plan: Plan, terms: Terms, purse: Purse, seed: int, policy: EvaluationPolicy
) -> Backtest:
    """Return what the plan came to.

    Args:
        races: The races of the book, none of which the model has learned from.
        book: The bets that could be made.
        plan: What to stake.
        terms: What the operator takes.
        purse: The money there is.
        seed: Of the resampling behind the interval.
        policy: Resamples and confidence of the interval.
    """
    found = replay(book, plan, terms, purse)
    year = races.dates.astype("datetime64[Y]").astype(str)
    books = overround(book.odds, book.offsets)
    return Backtest(
        first_date=str(races.dates.min()) if len(races) else "",
        last_date=str(races.dates.max()) if len(races) else "",
        total=ledger(found),
        by_year={y: ledger(found, year == y) for y in np.unique(year).tolist()},
        evidence=weigh(found.weight, found.gain, int(found.won.sum()), races.meeting.astype(str), seed, policy),
        everybody=ledger(replay(_certain(book), Flat(min_edge=-1.0), terms, Purse())),
        margin=float(np.nanmean(1.0 - 1.0 / (1.0 + books))) if np.isfinite(books).any() else None,
        bankroll=float(found.settled[-1]) if found.start and len(book) else None,
        drawdown=largest_drawdown(found.settled, found.start),
        growth=_growth(found),
    )


def _certain(book: Book) -> Book:
    """Return the book in the eyes of somebody to whom every bet looks good."""
    return Book(np.ones_like(book.prob), book.odds, book.share, book.offsets, book.off)


def _growth(found: Replayed) -> float | None:
    bet = found.staked > 0
    if not found.start or not bet.any():
        return None
    left = 1.0 + found.gain[bet]
    return float(np.log(left).mean()) if left.min() > 0 else None
