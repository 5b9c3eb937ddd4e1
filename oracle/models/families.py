"""Which families there are: a new one is one file and one line here, and the contract test finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from oracle.errors import UntrustedPackage
from oracle.models import conditional_logit, gbdt, market, over_market
from oracle.models.ranker import Files, FittedRanker, Ranker

FAMILIES: Mapping[str, tuple[Callable[[], Ranker], Callable[[str, Files], FittedRanker]]] = MappingProxyType(
    {
        "lambdarank": (lambda: gbdt.Trees("lambdarank"), gbdt.restore),
        "race_softmax": (lambda: gbdt.Trees("race_softmax"), gbdt.restore),
        "win": (lambda: gbdt.Trees("win"), gbdt.restore),
        conditional_logit.FAMILY: (conditional_logit.ConditionalLogit, conditional_logit.restore),
        market.FAMILY: (market.Market, market.restore),
        "market_logit": (
            over_market.logit,
            over_market.restoring(conditional_logit.restore, conditional_logit.FAMILY),
        ),
        "market_trees": (over_market.trees, over_market.restoring(gbdt.restore, "winner_softmax")),
    }
)
"""Name -> (the ranker with its shipped hyperparameters, how a fitted one is restored)."""


def restore(family: str, files: Files) -> FittedRanker:
    """Return a fitted ranker from its files.

    Raises:
        UntrustedPackage: this installation has no such family, or the files are not its own.
    """
    if family not in FAMILIES:
        raise UntrustedPackage("the model has a member of an unknown family", value=family, allowed=FAMILIES)
    return FAMILIES[family][1](family, files)
