"""How a score must be read: against chance, against the market, and against what knowing everything would score. Pure.

`measure` makes the numbers; `accuse` decides whether a model knows too much. A model is accused for what it did on the
test dates: ranking above the highest ceiling, or adding more to the fitted market than a reader of the public record
can. Single columns are accused by the court of `oracle.leakage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.ensemble.canaries import Canary
from oracle.ensemble.fit import Fitted
from oracle.errors import NotEnoughData
from oracle.features.matrix import RaceMatrix
from oracle.leakage.evidence import Court
from oracle.leakage.expectation import MARKET as BY_MARKET
from oracle.leakage.scan import Scan, scan
from oracle.models.market import FAMILY as MARKET
from oracle.ranking.ceiling import Ceiling, ceiling, estimate
from oracle.ranking.outcome import counted
from oracle.ranking.races import Floats, Ints, softmax
from oracle.ranking.report import Difference, NoResult, Report, pseudo_r2_gain, scored
from oracle.settings import EvaluationPolicy, LeakPolicy

MOST_RACES = 3000
"""Latest races before the test that the hidden part is read off."""


@dataclass(frozen=True)
class Honesty:
    """A score beside chance, market and ceiling."""

    score: float | None
    """NDCG@3 of the shipped model on the test."""
    score_error: float | None
    chance: float | None
    """NDCG@3 of drawing lots on the validation races, exactly."""
    market: float | None
    ceiling: Ceiling | None
    """Of the test cards; None where there were too few races to read it off."""
    basis: str
    """What its strengths are: `market`, or `form` where the history has no odds."""
    gain: Difference | None
    """Pseudo-R2 over the fitted market on the same test races, with its interval by meeting."""
    canaries: Mapping[str, Canary]
    scan: Scan
    """Every feature on the dates before the test."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as `oracle train --json` prints them."""
        known = self.ceiling
        return {
            "score": self.score,
            "ceiling": known.ceiling if known else None,
            "score_to_ceiling": self.score / known.ceiling if known and self.score is not None else None,
            "market": self.market,
            "chance": self.chance,
            "basis": self.basis,
            "ceiling_detail": known.as_dict() if known else None,
            "gain_over_market": _plain(self.gain),
            "canaries": {name: canary.as_dict() for name, canary in self.canaries.items()},
            "suspects": [s.as_dict() for s in self.scan.suspects],
        }


def _plain(gain: Difference | None) -> dict[str, float] | None:
    if gain is None:
        return None
    return {"pseudo_r2": gain.mean, "low": gain.low, "high": gain.high, "error": gain.standard_error}


def measure(
    races: RaceMatrix,
    horse: Ints,
    fitted: Fitted,
    court: Court,
    canaries: Mapping[str, Canary],
    evaluation: EvaluationPolicy,
    policy: LeakPolicy,
    seed: int,
) -> Honesty:
    """Return how the score of a fitted model is to be read.

    Args:
        races: The whole history.
        horse: int64[N], which horse each row is.
        fitted: What was learned from it.
        court: The races before the test, to bring the features before.
        canaries: What the canaries did.
        evaluation: Which races count.
        policy: What honest numbers may do.
        seed: Of the draws.
    """
    test = races.take(fitted.split.test)
    before = fitted.split.train | fitted.split.validation
    basis = BY_MARKET if fitted.market else "form"
    model, report = fitted.test.model, fitted.test.market
    features = ((n, races.values[np.repeat(before, races.sizes), i]) for i, n in enumerate(races.names))
    return Honesty(
        score=model.ndcg_at_3 if isinstance(model, Report) else None,
        score_error=model.ndcg_at_3_error if isinstance(model, Report) else None,
        chance=canaries["constant"].chance if "constant" in canaries else None,
        market=report.ndcg_at_3 if isinstance(report, Report) else None,
        ceiling=_ceiling(races, horse, fitted, basis, evaluation, seed),
        basis=basis,
        gain=_gain(fitted, test, evaluation, seed) if fitted.market else None,
        canaries=canaries,
        scan=scan(features, court, policy),
    )


def _strengths(fitted: Fitted, races: RaceMatrix, basis: str, *, held_out: bool) -> Floats:
    """Return float64[N], calibrated win probabilities: the market's, or those of form; NaN where there are none."""
    members = fitted.watched if held_out else fitted.members
    if basis == BY_MARKET:
        return softmax(members[MARKET].score(races), races.offsets)
    scores = {name: members[name].score(races) for name in fitted.form.weights}
    return fitted.form.probability(scores, races)


def _ceiling(
    races: RaceMatrix, horse: Ints, fitted: Fitted, basis: str, evaluation: EvaluationPolicy, seed: int
) -> Ceiling | None:
    # A market has one fitted number, so all dates before the test are as good as held out; form learned from most.
    period = fitted.split.validation | (fitted.split.train if basis == BY_MARKET else np.False_)
    period &= np.cumsum(period[::-1])[::-1] <= MOST_RACES
    past, test = races.take(period), races.take(fitted.split.test)
    try:
        hidden = estimate(
            _strengths(fitted, past, basis, held_out=True),
            past.position,
            past.offsets,
            horse[np.repeat(period, races.sizes)],
            past.off,
            seed=seed,
        )
    except NotEnoughData:
        return None
    said = _strengths(fitted, test, basis, held_out=False)
    where = scored(said, test.offsets) & counted(test.position, test.offsets, evaluation)
    if not where.any():
        return None
    cards = test.only(()).take(where)
    return ceiling(
        said[np.repeat(where, test.sizes)], cards.offsets, hidden, evaluation, discount=fitted.discount, seed=seed
    )


def _gain(fitted: Fitted, test: RaceMatrix, evaluation: EvaluationPolicy, seed: int) -> Difference | None:
    """Return the model's pseudo-R2 less the fitted market's."""
    if fitted.market is None:
        return None
    scores = {n: fitted.members[n].score(test) for n in {*fitted.market.weights, MARKET}}
    pooled = fitted.market.probability(scores, test)
    model = fitted.calibration["model"].calibration.apply(pooled, test.offsets)
    market = softmax(scores[MARKET], test.offsets)
    found = pseudo_r2_gain(model, market, test.position, test.offsets, test.meeting, seed, evaluation)
    return None if isinstance(found, NoResult) else found


def accuse(found: Honesty, policy: LeakPolicy) -> str | None:
    """Return why a model knows too much, None where it does not."""
    top = found.ceiling
    if top and found.score is not None and found.score_error is not None:
        error = float(np.hypot(found.score_error, top.own_error))
        if found.score - policy.errors * error > top.high:
            return f"NDCG@3 of {found.score:.4f} is above what an all-knowing predictor could score, {top.high:.4f}"
    most = policy.gain + found.scan.allowance
    if found.gain and found.gain.mean - policy.errors * found.gain.standard_error > most:
        return (
            f"the model adds {found.gain.mean:.4f} to the pseudo-R2 of the market on final odds, where what is known at"
            f" the off adds {most:.4f} at most"
        )
    if found.scan.suspects:
        names = ", ".join(s.feature for s in found.scan.suspects[:3])
        return f"features knew the result: {names}"
    return None
