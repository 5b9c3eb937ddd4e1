"""What a feature is: a pure function of a view, and the promise it makes.

A `View` holds the card's columns and what the state knew at the off. It refuses a column that becomes known later than
the feature declares, so that a feature cannot look at the result it is meant to predict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from oracle.features import within
from oracle.features.ledger import DAY
from oracle.features.races import Races
from oracle.features.state import Reading
from oracle.race import KNOWN_AT, Known
from oracle.ranking.races import Floats


class Source(StrEnum):
    """Where a feature comes from."""

    CARD = "card"
    """The race's own card."""
    HISTORY = "history"
    """Earlier races, through the as-of state."""
    CARD_AND_HISTORY = "card and history"
    MARKET = "market"
    """The race's own odds."""


class Missing(StrEnum):
    """What a feature says where nothing is known."""

    NAN = "nan"
    """NaN: trees learn a side for it, linear models take the race's mean."""
    PRIOR = "prior"
    """Shrunk towards a prior; never missing."""
    ZERO = "zero"
    """0 is the true value: no runs, no days, no change."""


@dataclass(frozen=True)
class View:
    """What a feature may look at: the columns of the card known by its moment, and the as-of reading."""

    races: Races
    reading: Reading
    known: Known

    def card(self, name: str) -> Floats:
        """Return a numeric column of the card, float64[N]; refuses one that is known only later."""
        self._may(name)
        return self.races.numbers[name]

    def market(self) -> Floats:
        """Return the market's win probability, overround removed, float64[N]; refused before odds are known."""
        self._may("odds")
        return self.races.market

    def text_is(self, name: str, *values: str) -> Floats:
        """Return 1.0 where a text column is one of the values, else 0.0."""
        self._may(name)
        codes, words = self.races.codes(name)
        flags = np.array([w in values for w in words] + [False], dtype=np.float64)
        return flags[codes]

    def _may(self, name: str) -> None:
        order = list(Known)
        if order.index(KNOWN_AT[name]) > order.index(self.known):
            raise LookupError(f"{name} is known at {KNOWN_AT[name]}; this feature declares {self.known}")

    def mean(self, entry: str) -> Floats:
        """Return what a ledger's entry says, float64[N]; NaN where it has nothing."""
        return self.reading.means[entry]

    def weight(self, entry: str) -> Floats:
        """Return on how many (faded) runs an entry rests, float64[N]."""
        return self.reading.weights[entry]

    def shrunk(self, entry: str, prior: float | Floats, strength: float) -> Floats:
        """Return the entry's mean as if `strength` more runs had said `prior`: never missing, never wild."""
        weight = self.weight(entry)
        return (np.nan_to_num(self.mean(entry)) * weight + prior * strength) / (weight + strength)

    def days_since(self, ledger: str) -> Floats:
        """Return days since the account's last run, float64[N]; NaN before a first."""
        return (self.races.off_of_runner - self.reading.last[ledger]) / DAY

    def centred(self, x: Floats) -> Floats:
        """Return x minus the mean of its race."""
        return within.centred(x, self.races.offsets)

    def ahead(self, x: Floats) -> Floats:
        """Return the share of rivals with more of x."""
        return within.ahead(x, self.races.offsets)

    def lead(self, x: Floats) -> Floats:
        """Return how far x is above the best rival's."""
        return within.lead(x, self.races.offsets)


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the matrix and the promise it makes."""

    name: str
    source: Source
    known: Known
    missing: Missing
    meaning: str
    compute: Callable[[View], Floats]
    version: int = 1
    beyond_market: bool = False
    """Measured against what the market expected: the part of form that odds have not taken in already."""
