"""A model as a simulation of the past has it: learned at some moment, watched from there on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from oracle.drift import sketch
from oracle.drift.racing import RaceSums
from oracle.drift.verdict import Report, compare
from oracle.ensemble.about import About
from oracle.ensemble.race_model import RaceModel
from oracle.ensemble.recipe import Recipe
from oracle.progress import Progress
from oracle.ranking.races import Bools, Floats
from oracle.settings import DriftPolicy, Settings
from oracle.training.history import History
from oracle.training.walk import fit_before
from oracle.watching import reference, table
from oracle.watching.reference import Reference

FORM, MARKET = reference.POOLS


@dataclass
class Contender:
    """One model, its reference, and the races it has been watched on."""

    name: str
    model: RaceModel
    references: dict[str, Reference]
    learned_at: dt.date
    """It knows results before this date."""
    holdout: Bools
    """bool[R], the races before that date that it was not fitted on."""
    _blocks: list[tuple[dt.date, pa.Table]] = field(default_factory=list)

    def watch(self, history: History, mask: Bools, until: dt.date, pool: str) -> None:
        """Take a block of races that were run since the last one.

        Args:
            history: The races.
            mask: bool[R], the block.
            until: The day after its last.
            pool: Which ensemble answers.
        """
        overround = self.model.about.overround
        told = table.of_history(
            history.frame, history.matrix, mask, self.model, overround=overround, odds=pool == MARKET
        )
        self._blocks.append((until, told))

    def drift(self, since: dt.date, pool: str, policy: DriftPolicy) -> Report | None:
        """Return how the blocks that ended after a date differ from the reference; earlier ones are let go.

        None where no race was watched since.
        """
        self._blocks = [(until, block) for until, block in self._blocks if until > since]
        if not self._blocks:
            return None
        of, rows = self.references[pool], pa.concat_tables([block for _, block in self._blocks])
        return compare(of.sketch, sketch.of(rows, of.sketch.layout, of.grid, RaceSums).closed(), policy)

    def answers(self, pool: str) -> bool:
        """Return whether the ensemble answered any race of the holdout."""
        return pool in self.references

    def win(self, history: History, mask: Bools, pool: str) -> Floats:
        """Return float64[N], the win probabilities of the starters of some races."""
        part = history.matrix.take(mask)
        return np.asarray(self.model.priced(part if pool == MARKET else table.without_odds(part))[1])


def learned(
    name: str,
    history: History,
    before: dt.date,
    holdout_days: int,
    recipe: Recipe,
    settings: Settings,
    progress: Progress,
) -> Contender:
    """Return the model that a training on the races before a date gives; its last days are kept out, as its test.

    Args:
        name: What it is called.
        history: All races; none from that date on is looked at.
        before: The date.
        holdout_days: Days before it that are not learned from.
        recipe: What the ensemble is made of.
        settings: The tree in force.
        progress: Told of each long loop.

    Raises:
        NotEnoughData: too few races before.
    """
    dates = history.matrix.dates
    known = dates < np.datetime64(before)
    held = known & (dates >= np.datetime64(before - dt.timedelta(days=holdout_days)))
    fitted = fit_before(history.matrix, known & ~held, held, settings, progress, recipe)
    through = str(dates[known & ~held].max())
    about = About(trained_through=through, overround=settings.market.overround)
    calibration = {who: choice.calibration for who, choice in fitted.calibration.items()}
    model = RaceModel(fitted.members, fitted.form, fitted.market, fitted.discount, history.state, about, calibration)
    references = reference.measured(history.frame, history.matrix, held, model, settings.drift)
    closed = {pool: Reference(each.grid, each.sketch.closed()) for pool, each in references.items()}
    return Contender(name, model, closed, before, held)
