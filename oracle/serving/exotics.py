"""The part of an answer that is about combinations: the likeliest of each pool, with horses and numbers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from oracle.race import CardPrediction
from oracle.ranking.exotics import Combination, likeliest
from oracle.ranking.plackett_luce import Discount
from oracle.ranking.pools import Pool


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CombinationMessage(_Message):
    """Some runners, and the probability that they win the pool together."""

    horses: tuple[str, ...] = Field(description="In finishing order where the pool asks for it, else as on the card.")
    numbers: tuple[int | None, ...] = Field(description="Their saddle-cloth numbers.")
    prob: float = Field(description="Sums to 1 over all combinations of the pool; in the place pool, to `places`.")
    fair_odds: float | None = Field(description="Decimal odds at which a bet on it has expectation zero: 1 / prob.")


class ExoticsMessage(_Message):
    """The likeliest combinations of each pool, the likeliest first; none where there are too few starters."""

    place: tuple[CombinationMessage, ...] = Field(description="One runner to finish in the first `places`.")
    quinella: tuple[CombinationMessage, ...] = Field(description="The first two, in either order.")
    exacta: tuple[CombinationMessage, ...] = Field(description="The first two, in order.")
    trifecta: tuple[CombinationMessage, ...] = Field(description="The first three, in order.")


def exotics(said: CardPrediction, discount: Discount, count: int) -> ExoticsMessage:
    """Return the likeliest combinations of an answer; withdrawn runners are in none.

    Args:
        said: What the model says of the card.
        discount: The model's fitted discount of the later places.
        count: Combinations per pool at most.

    Raises:
        BadInput: an impossible count.
    """
    starters = [runner for runner in said.runners if runner.rank is not None]
    win = [runner.win for runner in starters]

    def told(one: Combination) -> CombinationMessage:
        return CombinationMessage(
            horses=tuple(starters[i].horse for i in one.runners),
            numbers=tuple(starters[i].number for i in one.runners),
            prob=one.prob,
            fair_odds=one.fair_odds,
        )

    return ExoticsMessage(
        **{
            str(pool): tuple(told(one) for one in likeliest(win, pool, count, discount, said.places))
            for pool in (Pool.PLACE, Pool.QUINELLA, Pool.EXACTA, Pool.TRIFECTA)
        }
    )
