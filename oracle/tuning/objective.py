"""How a trial is judged: expanding folds over the dates before the test, and a loss that compares trials. Pure.

Each fold learns from every earlier date, chooses its steps or penalty on the latest of them, and is judged on the
dates that follow. Folds differ in difficulty and families in strength, so a trial's value is its log-loss minus that
of the shipped member of its family on the same races: below 0 is an improvement, in whichever fold and family. The
test dates are cut off before anything starts; no trial ever holds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oracle.data.splits import Mask, split, walk_forward
from oracle.ensemble.fit import seen_by
from oracle.ensemble.pooling import weighed
from oracle.ensemble.recipe import Member, Pool
from oracle.errors import NotEnoughData, OracleError
from oracle.features.matrix import RaceMatrix
from oracle.progress import silent
from oracle.ranking import metrics
from oracle.ranking.outcome import counted, winners
from oracle.ranking.races import Bools, Floats, softmax
from oracle.ranking.report import NoResult, evaluate, scored
from oracle.settings import EvaluationPolicy, SplitPolicy

FEWEST_RACES = 15
"""Races with a result that each part of a fold needs."""


@dataclass(frozen=True, slots=True)
class FoldPolicy:
    """How the dates before the test are cut into expanding folds."""

    folds: int = 3
    first_share: float = 0.4
    """Share of the dates that the first fold learns from."""


@dataclass(frozen=True)
class Fold:
    """One expanding fold, as masks over the races of its board."""

    learn: Mask
    choose: Mask
    """The latest dates before the judged ones: steps, penalty and scale are chosen here."""
    judge: Mask


@dataclass(frozen=True)
class Board:
    """Everything a trial needs, shared by all of them: the races before the test, and how they are judged."""

    races: RaceMatrix
    folds: tuple[Fold, ...]
    evaluation: EvaluationPolicy
    seed: int
    priced: bool
    """Whether every fold has odds: then only races with full odds are judged, so that all members share their races."""

    def judged(self, fold: int) -> RaceMatrix:
        """Return the races that a fold is judged on."""
        return self.races.take(self.folds[fold].judge)

    def where(self, races: RaceMatrix) -> Bools:
        """Return bool[R], which of the races count for everybody."""
        return scored(races.market, races.offsets) if self.priced else np.ones(len(races), dtype=np.bool_)

    def without_features(self) -> Board:
        """Return the board without the features: pooling scores needs results and odds only."""
        return replace(self, races=self.races.only([]))


@dataclass(frozen=True)
class Judged:
    """What a member reached on one fold."""

    log_loss: float
    ndcg_at_3: float
    pseudo_r2: float
    races: int
    scores: Floats
    """float64[N], its utilities for the runners of the fold."""


def board(races: RaceMatrix, splits: SplitPolicy, evaluation: EvaluationPolicy, seed: int, policy: FoldPolicy) -> Board:
    """Return the board of a history: its races before the test dates, cut into folds.

    Raises:
        NotEnoughData: a part of a fold has too few races with a result.
    """
    cut = split(races.dates, splits)
    purge = np.timedelta64(splits.purge_days, "D")
    early = races.take(races.dates < np.datetime64(cut.test_from) - purge)
    folds = tuple(
        _fold(early, f.train, f.predict, splits)
        for f in walk_forward(early.dates, policy.folds, policy.first_share, splits.purge_days)
    )
    for number, fold in enumerate(folds, start=1):
        for what, mask in (("learns from", fold.learn), ("chooses on", fold.choose), ("is judged on", fold.judge)):
            _enough(early.take(mask), f"fold {number} {what}", evaluation)
    priced = all(
        int(scored(early.market, early.offsets)[mask].sum()) >= FEWEST_RACES
        for fold in folds
        for mask in (fold.learn, fold.choose, fold.judge)
    )
    return Board(early, folds, evaluation, seed, priced)


def judge(member: Member, board: Board, fold: int, threads: int) -> Judged:
    """Return what a member reaches on a fold, fitted on the dates before it.

    Raises:
        OracleError: the fit gave no usable probabilities.
    """
    part = board.folds[fold]
    learn, choose, races = (board.races.take(mask) for mask in (part.learn, part.choose, part.judge))
    fitted = member.ranker().fit(seen_by(member, learn), seen_by(member, choose), board.seed, threads, silent)
    scores = fitted.score(seen_by(member, races))
    probability = softmax(scores, races.offsets)
    report = evaluate(scores, probability, races.position, races.offsets, board.evaluation, where=board.where(races))
    if isinstance(report, NoResult) or report.log_loss is None or report.pseudo_r2 is None:
        raise OracleError(f"{member.family} cannot be judged on fold {fold + 1}", value=getattr(report, "reason", None))
    return Judged(report.log_loss, report.ndcg_at_3, report.pseudo_r2, report.races, scores)


def against(losses: Sequence[float], shipped: Sequence[float]) -> float:
    """Return the value of a trial: its mean log-loss minus the shipped one over the folds it has seen.

    >>> against([2.0, 1.5], [2.1, 1.6, 1.7])
    -0.1
    """
    gaps = [a - b for a, b in zip(losses, shipped, strict=False)]
    return round(float(np.mean(gaps)), 12)


def judge_pool(pool: Pool, scores: Mapping[str, Sequence[Floats]], board: Board, fold: int) -> Floats:
    """Return float64[R], the log-loss of a pool on each judged race of a fold; NaN for races that do not count.

    Its weights are found on the folds before, so the first fold has none.

    Args:
        pool: Which members, and how they are weighed.
        scores: Out-of-fold scores by member, one array per fold.
        board: The races and their folds.
        fold: Which fold, from 1.
    """
    earlier = np.any([f.judge for f in board.folds[:fold]], axis=0)
    past, races = board.races.take(earlier), board.judged(fold)
    names = dict.fromkeys(pool.members)
    blend = weighed(
        pool, {n: _spread(scores[n], board, earlier, fold) for n in names}, past, board.evaluation, board.seed
    )
    probability = blend.probability({n: scores[n][fold] for n in names}, races)
    return losses_of(probability, races, board)


def losses_of(probability: Floats, races: RaceMatrix, board: Board) -> Floats:
    """Return float64[R], the log-loss of each race; NaN where it does not count."""
    won = winners(races.position, races.offsets, board.evaluation)
    loss = metrics.log_loss(probability, won, races.offsets)
    counts = counted(races.position, races.offsets, board.evaluation) & board.where(races)
    return np.where(counts & scored(probability, races.offsets), loss, np.nan)


def _spread(scores: Sequence[Floats], board: Board, races: Mask, folds: int) -> Floats:
    """Return the scores of several folds in the order of the board's own rows: folds may touch within a day."""
    whole = np.full(len(board.races.position), np.nan)
    for fold, score in zip(board.folds[:folds], scores, strict=False):
        whole[np.repeat(fold.judge, board.races.sizes)] = score
    return whole[np.repeat(races, board.races.sizes)]


def _fold(races: RaceMatrix, train: Mask, judge: Mask, splits: SplitPolicy) -> Fold:
    days = races.dates
    distinct = np.unique(days[train])
    chosen = max(1, round(len(distinct) * splits.validation_share))
    begin = distinct[-chosen]
    return Fold(
        learn=train & (days < begin - np.timedelta64(splits.purge_days, "D")),
        choose=train & (days >= begin),
        judge=judge,
    )


def _enough(races: RaceMatrix, what: str, evaluation: EvaluationPolicy) -> None:
    found = int(counted(races.position, races.offsets, evaluation).sum()) if len(races) else 0
    if found < FEWEST_RACES:
        raise NotEnoughData(
            f"{what} too few races with a result",
            value=found,
            allowed=f"at least {FEWEST_RACES}",
            next_step="ingest more results: a sweep cuts the dates before the test into folds",
        )
