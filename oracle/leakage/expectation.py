"""What was to be expected of each runner at the off, and by how much its result differed: its surprise.

An honest column has been seen by the market too, so it says next to nothing of the surprise of its own race. A column
that knew the result says much. Without odds, form is the expectation, and it is a weaker one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from oracle.features import within
from oracle.features.matrix import RaceMatrix
from oracle.ranking.market import fit_favourite_longshot
from oracle.ranking.outcome import ANY_RESULT, winners
from oracle.ranking.races import Bools, Floats, Ints, softmax, standing, sum_by_race

FLOOR = 1e-5
MARKET, FORM = "market", "form"


@dataclass(frozen=True)
class Expectation:
    """The races that can be judged, what was expected in them, and what happened."""

    races: RaceMatrix
    """The judged races alone."""
    rows: Bools
    """bool[N]: which rows of the whole history they are."""
    basis: str
    """`market` (fitted to the results) or `form`."""
    probability: Floats
    """float64[n], win probabilities that were to be expected."""
    won: Floats
    """float64[n], share of the win."""
    finish: Floats
    """float64[n], normal score of the finish within the race; who did not finish is level with the last."""
    surprise: Floats
    """float64[n], the finish beyond what was expected."""
    finished: Bools
    """bool[n]: has an official position."""

    @property
    def uniform(self) -> float:
        """Log-likelihood that knowing only the field sizes costs: the scale of every pseudo-R2."""
        return float(np.log(self.races.sizes).sum())


def expect(races: RaceMatrix, utility: Floats | None = None) -> Expectation:
    """Return what was expected in the races that have a result and an expectation.

    Args:
        races: A history; its own features are not looked at.
        utility: float64[N] to expect by where the history has too few odds, such as a form model's; by default the
            market, its favourite-longshot bias fitted on these races.
    """
    basis = MARKET if utility is None else FORM
    said = np.log(np.maximum(races.market, FLOOR)) if utility is None else utility
    won = winners(races.position, races.offsets, ANY_RESULT)
    judged = ~np.isnan(sum_by_race(won + said, races.offsets)) & (races.sizes > 1)
    rows = np.repeat(judged, races.sizes)
    kept = races.only(()).take(judged)
    power = fit_favourite_longshot(softmax(said[rows], kept.offsets), kept.position, kept.offsets).exponent
    probability = softmax(power * said[rows], kept.offsets)
    finish = normal_score(kept.position, kept.offsets)
    return Expectation(
        races=kept,
        rows=rows,
        basis=basis,
        probability=probability,
        won=won[rows],
        finish=finish,
        surprise=surprise(finish, probability, kept.offsets),
        finished=~np.isnan(kept.position),
    )


def normal_score(position: Floats, offsets: Ints) -> Floats:
    """Return float64[N]: the finish as a normal deviate, higher is better, mean 0 in each race; ties share."""
    ahead, level = standing(-np.nan_to_num(position, nan=1e9), offsets)
    sizes = np.repeat(np.diff(offsets), np.diff(offsets))
    return within.centred(-ndtri((ahead + level / 2.0) / sizes), offsets)


def surprise(finish: Floats, probability: Floats, offsets: Ints) -> Floats:
    """Return float64[N]: the finish less its regression on what was expected: log, plain and rank, within the race."""
    log = within.centred(np.log(np.maximum(probability, 1e-12)), offsets)
    ranked = normal_score(standing(probability, offsets)[0].astype(np.float64), offsets)
    known = np.column_stack([log, probability, log**2, probability**2, ranked]).astype(np.float32)
    design = within.centred_columns(known, offsets)
    return np.asarray(finish - design @ np.linalg.lstsq(design, finish, rcond=None)[0])
