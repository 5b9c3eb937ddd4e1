"""Staking plans: what to stake on each runner of a race, as a share of the bankroll or in units.

A plan is a frozen value, and `stakes` a pure function of probabilities and odds. Impossible numbers are refused when
the plan is made, with what would be allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from oracle.errors import BadInput
from oracle.ranking.races import Floats, Ints
from oracle.staking import kelly


def within(
    what: str, value: float, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> None:
    """Refuse a number outside a range; NaN is outside of every range.

    Raises:
        BadInput: names the number, its value and the range.
    """
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if not (above and below) or math.isinf(value):
        floor = f"above {low:g}" if open_low else f"at least {low:g}"
        ceiling = "" if math.isinf(high) else f" and {'below' if open_high else 'at most'} {high:g}"
        raise BadInput(f"{what} is not possible", value=value, allowed=f"{floor}{ceiling}")


class Plan(Protocol):
    """How much to stake."""

    @property
    def of_bankroll(self) -> bool:
        """Whether stakes are shares of the bankroll at the time; else they are units of money."""
        ...

    def stakes(self, prob: Floats, odds: Floats, offsets: Ints) -> Floats:
        """Return float64[N], not negative: the stake on each runner."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        ...


@dataclass(frozen=True, slots=True)
class Flat:
    """The same stake on every runner whose expected profit per unit, p x odds - 1, is above the least edge.

    Raises:
        BadInput: a stake that is not positive, or an edge that no bet can have.
    """

    min_edge: float = 0.0
    stake: float = 1.0

    def __post_init__(self) -> None:
        within("the least edge", self.min_edge, -1.0, 10.0)
        within("the stake", self.stake, 0.0, math.inf, open_low=True)

    @property
    def of_bankroll(self) -> bool:
        """Stakes are money."""
        return False

    def stakes(self, prob: Floats, odds: Floats, offsets: Ints) -> Floats:  # noqa: ARG002 - one signature for every plan
        """Return the stake where the edge is there, else 0; nothing on runners without a probability or odds."""
        return np.asarray(np.where(prob * odds - 1.0 > self.min_edge, self.stake, 0.0))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"plan": "flat", "stake": self.stake, "min_edge": self.min_edge}


@dataclass(frozen=True, slots=True)
class FractionalKelly:
    """A fraction of the stakes that make the bankroll grow fastest if the probabilities are right (`kelly`).

    Full Kelly on probabilities that are a little wrong stakes far too much. If they are right, a quarter has 44% of the
    growth at a quarter of the swings, and half has 75% at half.

    Raises:
        BadInput: a fraction outside of 0 to 1, or an edge that no bet can have.
    """

    fraction: float = 0.25
    min_edge: float | None = None
    """Least edge of a runner that may be backed; None leaves it to Kelly, which may hedge with runners below 0."""

    def __post_init__(self) -> None:
        within("the fraction of Kelly", self.fraction, 0.0, 1.0, open_low=True)
        if self.min_edge is not None:
            within("the least edge", self.min_edge, -1.0, 10.0)

    @property
    def of_bankroll(self) -> bool:
        """Stakes are shares of the bankroll."""
        return True

    def stakes(self, prob: Floats, odds: Floats, offsets: Ints) -> Floats:
        """Return the share of the bankroll for each runner."""
        least = -1.0 if self.min_edge is None else self.min_edge
        return self.fraction * kelly.stakes(prob, odds, offsets, least)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"plan": "kelly", "fraction": self.fraction, "min_edge": self.min_edge}
