"""From a matrix to a fitted, judged model: members learn, held-out dates weigh them, the latest dates judge. Pure.

Three periods, cut by date in whole races. Members learn on the first and choose their steps, scale and penalty on the
second, where the blends are fitted too; then they learn once more from both with those choices fixed. Nothing of the
third is looked at until the report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from oracle.data.splits import Split, split
from oracle.ensemble.blend import Blend
from oracle.ensemble.folds import out_of_fold
from oracle.ensemble.pooling import Chemistry, chemistry, weighed
from oracle.ensemble.recipe import SHIPPED, SHRUNK, Member, Recipe
from oracle.errors import NotEnoughData
from oracle.features import registry
from oracle.features.matrix import RaceMatrix
from oracle.models.families import FAMILIES
from oracle.models.market import FAMILY as MARKET
from oracle.models.ranker import FittedRanker
from oracle.progress import Progress, silent
from oracle.ranking.calibration import UNCHANGED, Calibration, fit_discount
from oracle.ranking.choice import Choice, Reliability, choose, reliability
from oracle.ranking.outcome import counted
from oracle.ranking.plackett_luce import NONE, Discount
from oracle.ranking.races import Bools, Floats, softmax
from oracle.ranking.report import NoResult, Report, evaluate, scored
from oracle.settings import CalibrationPolicy, EvaluationPolicy, SplitPolicy

FEWEST_RACES = 30
"""Races with a result that each period needs before anything fitted on it means anything."""

NOT_CALIBRATED: Mapping[str, Calibration] = MappingProxyType({})


@dataclass(frozen=True)
class Fitted:
    """Everything learned, with the scores it was judged by."""

    recipe: Recipe
    """What it was made by."""
    members: Mapping[str, FittedRanker]
    form: Blend
    market: Blend | None
    """Pools the corrections of the market; None where the history has no odds."""
    calibration: Mapping[str, Choice]
    """Of `form`, and of `model` where there is a market: what was chosen on validation."""
    discount: Discount
    """How much less win probabilities say about the later places."""
    watched: Mapping[str, FittedRanker]
    """The members as fitted before the refit: their curves and validation scores."""
    validation: Mapping[str, Report | NoResult]
    """What the watched members reached on the dates they were chosen on."""
    split: Split
    chemistry: Mapping[str, Chemistry]
    """How the members of each pool, `form` and `model`, go together on the dates their weights were chosen on."""
    test: TestReport
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Wall-clock time of each member's two fits."""

    @property
    def agreement(self) -> float:
        """Mean rank correlation between the form members."""
        return self.chemistry["form"].agreement


@dataclass(frozen=True)
class TestReport:
    """Model, form ensemble, market and each member on the same test races."""

    races: int
    first_date: str
    last_date: str
    model: Report | NoResult
    form: Report | NoResult
    market: Report | NoResult | None
    members: Mapping[str, Report | NoResult]
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    """Of `form`, and of `model` where there is a market, before and after calibration."""

    __test__ = False

    def as_dict(self) -> dict[str, object]:
        """Return plain values, as `oracle train --json` prints them."""
        return {
            "races": self.races,
            "first_date": self.first_date,
            "last_date": self.last_date,
            "model": self.model.as_dict(),
            "form": self.form.as_dict(),
            "market": None if self.market is None else self.market.as_dict(),
            "members": {name: report.as_dict() for name, report in self.members.items()},
        }


def fit(
    races: RaceMatrix,
    splits: SplitPolicy,
    evaluation: EvaluationPolicy,
    seed: int,
    threads: int,
    progress: Progress = silent,
    recipe: Recipe = SHIPPED,
    calibration: CalibrationPolicy | None = None,
) -> Fitted:
    """Return the model fitted on the earlier dates and its report on the latest.

    Args:
        races: A history with the features of the `market` set.
        splits: How the dates are cut.
        evaluation: Which races count in the report.
        seed: Seed of everything random.
        threads: Threads that members may use; the result does not depend on it.
        progress: Told of each member's steps.
        recipe: What the ensemble is made of.
        calibration: How the answers of both pools are calibrated; by held-out days where None.

    Raises:
        NotEnoughData: a period has too few races with a result.
    """
    parts = split(races.dates, splits)
    train, validation, test = (_enough(races, mask, name) for name, mask in _periods(parts))
    priced = _has_market(train, validation)
    chosen = _members(recipe, priced)
    seconds: dict[str, float] = {}
    watched = {
        n: _timed(seconds, n, partial(_fit, m, train, validation, seed, threads, progress)) for n, m in chosen.items()
    }
    scores = {n: m.score(validation) for n, m in watched.items()}
    form = weighed(recipe.form, scores, validation, evaluation, seed)
    learned = races.take(parts.train | parts.validation)
    asked: tuple[Mapping[str, Floats], RaceMatrix] = (scores, validation)
    if priced and recipe.market.weights == SHRUNK:
        # Corrections of the market are too small for one validation period: they are weighed on expanding folds.
        asked = (out_of_fold(_learners(recipe, seed, threads, progress), learned, splits.purge_days), learned)
    pooled = weighed(recipe.market, *asked, evaluation, seed) if priced else None
    pools = {"form": form} | ({"model": pooled} if pooled else {})
    held_out = {who: pool.probability(scores, validation) for who, pool in pools.items()}
    policy = calibration or CalibrationPolicy()
    choices = {
        who: choose(prob, validation.position, validation.offsets, validation.day, policy)
        for who, prob in held_out.items()
    }
    calibrations = {who: choice.calibration for who, choice in choices.items()}
    shipped = "model" if pooled else "form"
    members = {
        n: _timed(seconds, n, partial(m.settled().fit, seen_by(chosen[n], learned), None, seed, threads, progress))
        for n, m in watched.items()
    }
    return Fitted(
        recipe=recipe,
        members=members,
        form=form,
        market=pooled,
        calibration=choices,
        discount=_discount(calibrations[shipped].apply(held_out[shipped], validation.offsets), validation),
        watched=watched,
        validation={
            n: evaluate(s, softmax(s, validation.offsets), validation.position, validation.offsets, evaluation)
            for n, s in scores.items()
        },
        split=parts,
        chemistry={
            which: chemistry(pool, weights, *on, evaluation, seed)
            for which, pool, weights, on in (
                ("form", recipe.form, form, (scores, validation)),
                ("model", recipe.market, pooled, asked),
            )
            if weights is not None
        },
        test=judge(members, form, pooled, test, evaluation, calibrations),
        seconds=seconds,
    )


def judge(
    members: Mapping[str, FittedRanker],
    form: Blend,
    market: Blend | None,
    races: RaceMatrix,
    evaluation: EvaluationPolicy,
    calibration: Mapping[str, Calibration] = NOT_CALIBRATED,
) -> TestReport:
    """Return the report of a model on races it has not learned from, all on the same races.

    Where the model has a market, only races in which every starter has odds are counted, for everybody. Where none has,
    form is judged as it would answer, and nothing is said of the market.
    """
    scores = {n: m.score(races) for n, m in members.items()}
    if market and not scored(races.market, races.offsets).any():
        market, scores = None, {n: scores[n] for n in form.weights}
    where = _common(scores, races)

    curves: dict[str, Reliability] = {}

    def report(utility: Floats, who: str = "") -> Report | NoResult:
        raw = softmax(utility, races.offsets)
        prob = calibration.get(who, UNCHANGED).apply(raw, races.offsets)
        if who:
            seen = np.where(np.repeat(where, races.sizes), 1.0, np.nan)
            curves[who] = reliability(raw * seen, prob * seen, races.position, races.offsets, evaluation)
        return evaluate(utility, prob, races.position, races.offsets, evaluation, where=where)

    form_report = report(form.utility(scores, races), "form")
    dates = races.dates[where & counted(races.position, races.offsets, evaluation)]
    return TestReport(
        races=form_report.races,
        first_date=str(dates.min()) if len(dates) else "",
        last_date=str(dates.max()) if len(dates) else "",
        model=report(market.utility(scores, races), "model") if market else form_report,
        form=form_report,
        market=report(scores[MARKET]) if MARKET in scores else None,
        members={n: report(s) for n, s in scores.items()},
        reliability=curves,
    )


def _periods(parts: Split) -> Sequence[tuple[str, npt.NDArray[np.bool_]]]:
    return ("training", parts.train), ("validation", parts.validation), ("test", parts.test)


def _enough(races: RaceMatrix, mask: npt.NDArray[np.bool_], name: str) -> RaceMatrix:
    part = races.take(mask)
    won = int((part.position == 1).sum())
    if won < FEWEST_RACES:
        raise NotEnoughData(
            f"the {name} period has too few races with a result",
            value=won,
            allowed=f"at least {FEWEST_RACES}",
            next_step="ingest more results, or change split.test_share and split.validation_share",
        )
    return part


def _discount(probability: Floats, races: RaceMatrix) -> Discount:
    """Return the discount of the later places; none where fields are too small to show one."""
    try:
        return fit_discount(probability, races.position, races.offsets)
    except NotEnoughData:
        return NONE


def _has_market(*periods: RaceMatrix) -> bool:
    return all(int(scored(p.market, p.offsets).sum()) >= FEWEST_RACES for p in periods)


def _common(scores: Mapping[str, Floats], races: RaceMatrix) -> Bools:
    where = np.ones(len(races), dtype=np.bool_)
    for score in scores.values():
        where &= scored(score, races.offsets)
    return where


def _members(recipe: Recipe, priced: bool) -> dict[str, Member]:
    """Return the members that are fitted, form first; without odds in the history only those of the form pool."""
    names = recipe.form.members
    if priced:
        names = tuple(dict.fromkeys((*names, MARKET, *recipe.market.members)))
    return {name: recipe.members.get(name) or Member(name) for name in names}


def _learners(
    recipe: Recipe, seed: int, threads: int, progress: Progress
) -> Mapping[str, Callable[[RaceMatrix], FittedRanker]]:
    """Return how each member of the market pool learns from the races of a fold."""

    def learner(member: Member) -> Callable[[RaceMatrix], FittedRanker]:
        return lambda train: member.ranker().fit(seen_by(member, train), None, seed, threads, progress)

    return {name: learner(recipe.members[name]) for name in recipe.market.members}


def seen_by(member: Member, races: RaceMatrix) -> RaceMatrix:
    """Return the races as a member may see them: form members see nothing of the odds."""
    return races.only([f.name for f in registry.features(FAMILIES[member.family].sees)])


def _timed(seconds: dict[str, float], name: str, work: Callable[[], FittedRanker]) -> FittedRanker:
    """Do the work and add its time to the member's."""
    began = time.perf_counter()
    done = work()
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
    return done


def _fit(
    member: Member, train: RaceMatrix, validation: RaceMatrix, seed: int, threads: int, progress: Progress
) -> FittedRanker:
    return member.ranker().fit(seen_by(member, train), seen_by(member, validation), seed, threads, progress)
