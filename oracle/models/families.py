"""Which families there are: a new one is one file and one line here, and the contract test finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from oracle.errors import BadInput, UntrustedPackage
from oracle.models import catboost_ranker, conditional_logit, gbdt, market, over_market, xgboost_ranker
from oracle.models.hyperparameters import Hyperparameters
from oracle.models.ranker import Files, FittedRanker, Ranker

FORM, MARKET = "form", "market"


@dataclass(frozen=True, slots=True)
class Family:
    """A family as a recipe and a package know it."""

    ranker: Callable[[], Ranker]
    """Makes the ranker with its shipped hyperparameters."""
    restore: Callable[[str, Files], FittedRanker]
    """Makes a fitted ranker from the files of its `dump`."""
    sees: str = FORM
    """The feature set it reads: `form`, or `market`, and then it has no score for a race without full odds."""
    extra: str | None = None
    """The optional library it needs, by the name of its module and of the extra that installs it."""


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "lambdarank": Family(lambda: gbdt.Trees("lambdarank"), gbdt.restore),
        "race_softmax": Family(lambda: gbdt.Trees("race_softmax"), gbdt.restore),
        "rank_xendcg": Family(lambda: gbdt.Trees("rank_xendcg"), gbdt.restore),
        "expected_finish": Family(lambda: gbdt.Trees("expected_finish"), gbdt.restore),
        "win": Family(lambda: gbdt.Trees("win"), gbdt.restore),
        conditional_logit.FAMILY: Family(conditional_logit.ConditionalLogit, conditional_logit.restore),
        xgboost_ranker.FAMILY: Family(xgboost_ranker.ranker, xgboost_ranker.restore, extra="xgboost"),
        catboost_ranker.FAMILY: Family(catboost_ranker.ranker, catboost_ranker.restore, extra="catboost"),
        market.FAMILY: Family(market.Market, market.restore, MARKET),
        market.BY_POWER: Family(lambda: market.Market(market.BY_POWER), market.restore, MARKET),
        "market_logit": Family(
            over_market.logit, over_market.restoring(conditional_logit.restore, conditional_logit.FAMILY), MARKET
        ),
        "market_trees": Family(over_market.trees, over_market.restoring(gbdt.restore, "winner_softmax"), MARKET),
    }
)
"""Every family by its name."""


def ranker(family: str, hyperparameters: Hyperparameters | None = None) -> Ranker:
    """Return the ranker of a family, with some of its shipped hyperparameters replaced.

    Raises:
        BadInput: there is no such family, or it has no such hyperparameter.
    """
    if family not in FAMILIES:
        raise BadInput("no such model family", value=family, allowed=FAMILIES)
    return FAMILIES[family].ranker().tuned(hyperparameters or {})


def restore(family: str, files: Files) -> FittedRanker:
    """Return a fitted ranker from its files.

    Raises:
        UntrustedPackage: this installation has no such family, or the files are not its own.
    """
    if family not in FAMILIES:
        raise UntrustedPackage("the model has a member of an unknown family", value=family, allowed=FAMILIES)
    return FAMILIES[family].restore(family, files)
