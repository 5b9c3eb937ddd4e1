"""A staking plan replayed over races that a model, or several trained on the way, have not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.data.splits import Mask, walk_forward
from oracle.ensemble.about import About
from oracle.ensemble.race_model import RaceModel
from oracle.features.matrix import RaceMatrix
from oracle.progress import Progress, silent
from oracle.ranking.races import Floats
from oracle.settings import Settings
from oracle.staking.backtest import Bets, backtest, whole_books
from oracle.staking.plan import Plan
from oracle.staking.replay import Purse
from oracle.staking.settle import Terms
from oracle.training.history import History, read
from oracle.training.walk import fit_before

FOLDS, FIRST_SHARE = 3, 0.6
"""A walk forward trains this often, first on this share of the dates: each training takes a minute or two."""


@dataclass(frozen=True, slots=True)
class Staking:
    """What is to be replayed."""

    plan: Plan
    bets: Bets
    terms: Terms
    purse: Purse

    def __post_init__(self) -> None:
        self.bets.refuse_unfit(self.plan, self.terms)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            **self.plan.as_dict(),
            "pool": str(self.bets.pool),
            "place_fraction": self.bets.place_fraction,
            **self.terms.as_dict(),
            "start": self.purse.bankroll,
            "max_stake": self.purse.max_stake,
        }


def of_model(
    data: str, model: RaceModel, staking: Staking, settings: Settings, progress: Progress = silent
) -> dict[str, Any]:
    """Return what a plan comes to on the races of a dataset that lie after everything the model was fitted on.

    Raises:
        NoSuchDataset: there is no dataset at the path.
        NotEnoughData: the dataset ends before the model's training does.
    """
    history = read(data, progress, model.about.overround)
    later = history.unseen(
        model.about.trained_through,
        "the dataset has no race after the model's training: a plan is never replayed on races it was learned from",
        "ingest later results, take an earlier version with --model-version, or --walk-forward",
    )
    races, rows = history.matrix.take(later), np.repeat(later, history.matrix.sizes)
    prob = staking.bets.prob(races, model.priced(races)[1], model.discount)
    found = _replayed(races, prob, history.matrix.odds[rows], staking, settings)
    return {"trained_through": model.about.trained_through, **staking.as_dict(), **found}


def walking(data: str, staking: Staking, settings: Settings, progress: Progress = silent) -> dict[str, Any]:
    """Return what a plan comes to where a model is trained anew on all earlier races before each stretch of dates.

    Each training is that of `oracle train`; nothing is registered or recorded.

    Raises:
        NoSuchDataset: there is no dataset at the path.
        NotEnoughData: a stretch has too few races to train before it.
    """
    history = read(data, progress, settings.market.overround)
    matrix = history.matrix
    prob = np.full(len(matrix.position), np.nan)
    covered = np.zeros(len(matrix), dtype=np.bool_)
    trained = []
    for fold in walk_forward(matrix.dates, FOLDS, FIRST_SHARE, settings.split.purge_days):
        model = _trained(history, fold.train, fold.predict, settings, progress)
        stretch = matrix.take(fold.predict)
        win = model.priced(stretch)[1]
        prob[np.repeat(fold.predict, matrix.sizes)] = staking.bets.prob(stretch, win, model.discount)
        covered |= fold.predict
        trained.append({"predict_from": str(fold.predict_from), "learned_from": int(fold.train.sum())})
    rows = np.repeat(covered, matrix.sizes)
    found = _replayed(matrix.take(covered), prob[rows], history.matrix.odds[rows], staking, settings)
    return {"trained": trained, **staking.as_dict(), **found}


def _trained(history: History, train: Mask, predict: Mask, settings: Settings, progress: Progress) -> RaceModel:
    """Return the model that training on the earlier races gives; the stretch that it is to predict is its test."""
    fitted = fit_before(history.matrix, train, predict, settings, progress)
    calibration = {who: choice.calibration for who, choice in fitted.calibration.items()}
    about = About(overround=settings.market.overround)
    return RaceModel(fitted.members, fitted.form, fitted.market, fitted.discount, history.state, about, calibration)


def _replayed(races: RaceMatrix, prob: Floats, odds: Floats, staking: Staking, settings: Settings) -> dict[str, Any]:
    fair, torn = whole_books(odds, races.offsets)
    book = staking.bets.book(races, prob, fair)
    found = backtest(races, book, staking.plan, staking.terms, staking.purse, settings.seed, settings.evaluation)
    return found.as_dict() | {"torn_books": torn}
