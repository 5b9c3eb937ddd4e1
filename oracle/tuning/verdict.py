"""Which recipe a sweep ends with, and whether it is better than the shipped one. Pure.

The best of many trials looks better than it is, because it was chosen for looking so. The comparison therefore walks
forward like the folds do: for each fold the recipe is chosen by the folds before it, and judged on the fold itself.
The verdict has three outcomes; only `better` recommends the tuned recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from oracle.ensemble.recipe import Member, Pool, Recipe
from oracle.ranking.races import Floats
from oracle.ranking.report import Difference, NoResult, paired_difference
from oracle.tuning.objective import Board, against, judge_pool

FORM, MODEL = "form", "model"
"""The two answers of a model: without odds, and with them."""


class Verdict(StrEnum):
    """What the comparison says."""

    BETTER = "better"
    NOT_BETTER = "not better"
    UNDECIDED = "not enough evidence"


@dataclass(frozen=True)
class Tried:
    """A member with certain hyperparameters, and what it reached on the folds it has seen."""

    name: str
    member: Member
    losses: tuple[float, ...]
    scores: tuple[Floats, ...]


@dataclass(frozen=True)
class TriedPool:
    """A way of pooling, and what it reached on the folds from the second on, against the shipped way."""

    answer: str
    """`form` or `model`."""
    pool: Pool
    values: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Tuned against shipped on one answer: the paired difference of log-loss, and what follows from it."""

    verdict: Verdict
    cause: str
    difference: Difference | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        gap = None if self.difference is None else self.difference.as_dict()
        return {"verdict": str(self.verdict), "cause": self.cause, "difference": gap}


def decide(gap: Difference | NoResult) -> Comparison:
    """Return what a paired difference of log-loss, tuned minus shipped, says.

    >>> decide(Difference(races=900, meetings=90, mean=-0.004, low=-0.007, high=-0.001, standard_error=0.0015)).verdict
    <Verdict.BETTER: 'better'>
    """
    if isinstance(gap, NoResult):
        return Comparison(Verdict.UNDECIDED, gap.reason, None)
    if gap.high < 0:
        return Comparison(Verdict.BETTER, "the whole interval lies below 0", gap)
    if gap.mean >= 0:
        return Comparison(Verdict.NOT_BETTER, "its log-loss is not below the shipped one", gap)
    return Comparison(Verdict.UNDECIDED, "the interval reaches 0: the gain may be chance", gap)


def chosen(tried: Sequence[Tried], shipped: Mapping[str, Tried], folds: int) -> dict[str, Tried]:
    """Return the best of each member by its first `folds` folds; the shipped one where nothing was better.

    Only what has been judged on those folds and on the next one, where there is a next, can be chosen.
    """
    best = dict(shipped)
    for one in tried:
        base = shipped[one.name].losses
        if len(one.losses) < min(folds + 1, len(base)):
            continue
        held = best[one.name]
        if against(one.losses[:folds], base[:folds]) < against(held.losses[:folds], base[:folds]):
            best[one.name] = one
    return best


def chosen_pool(answer: str, pools: Sequence[TriedPool], shipped: Pool, judged: int) -> Pool:
    """Return the best way of pooling by its first judged folds; the shipped one where nothing was better."""
    own = [p for p in pools if p.answer == answer and len(p.values) >= judged]
    if judged < 1 or not own:
        return shipped
    found = [(float(np.mean(p.values[:judged])), p.pool) for p in own]
    value, pool = min(found, key=lambda pair: pair[0])
    return pool if value < 0 else shipped


def tuned(recipe: Recipe, best: Mapping[str, Tried], form: Pool, market: Pool) -> Recipe:
    """Return the recipe with the chosen hyperparameters and pools."""
    pooled = {*form.members, *market.members}
    members = dict(recipe.members) | {n: one.member for n, one in best.items() if n in recipe.members or n in pooled}
    return replace(recipe, members=members, form=form, market=market)


def walk_forward(
    answer: str,
    shipped: Mapping[str, Tried],
    tried: Sequence[Tried],
    pools: Sequence[TriedPool],
    pool: Pool,
    board: Board,
) -> Comparison:
    """Return the comparison of tuned and shipped on every fold that has folds before it.

    Args:
        answer: Which of the two answers.
        shipped: The shipped members by name, judged on every fold.
        tried: The members that were tried.
        pools: The ways of pooling that were tried.
        pool: The shipped way.
        board: The races and their folds.
    """
    return decide(
        _gap(
            lambda fold: (chosen(tried, shipped, fold), chosen_pool(answer, pools, pool, fold - 1)),
            shipped,
            pool,
            board,
        )
    )


def in_hindsight(
    shipped: Mapping[str, Tried], best: Mapping[str, Tried], way: Pool, pool: Pool, board: Board
) -> Difference | NoResult:
    """Return the difference that the tuned recipe shows on the folds it was chosen by: what the search lowered.

    It flatters, as every search does; `walk_forward` tells how much of it is to be believed.
    """
    return _gap(lambda _: (best, way), shipped, pool, board)


def _gap(
    choice: Callable[[int], tuple[Mapping[str, Tried], Pool]], shipped: Mapping[str, Tried], pool: Pool, board: Board
) -> Difference | NoResult:
    """Return tuned minus shipped over every fold that has folds before it, the tuned chosen anew for each."""
    ours, theirs, meetings = [], [], []
    for fold in range(1, len(board.folds)):
        members, way = choice(fold)
        ours.append(judge_pool(way, {n: t.scores for n, t in members.items()}, board, fold))
        theirs.append(judge_pool(pool, {n: t.scores for n, t in shipped.items()}, board, fold))
        meetings.append(board.judged(fold).meeting)
    if not ours:
        return NoResult("a single fold has none before it")
    labels = np.concatenate(meetings).astype(str)
    return paired_difference(np.concatenate(ours), np.concatenate(theirs), labels, board.seed, board.evaluation)


def recommended(shipped: Recipe, tuned: Recipe, verdicts: Mapping[str, Verdict]) -> Recipe:
    """Return the recipe to train with: for each answer the tuned pool and its members where they are better.

    A member that both pools share follows the form pool.
    """
    members, pools = dict(shipped.members), {FORM: shipped.form, MODEL: shipped.market}
    for answer, pool in ((MODEL, tuned.market), (FORM, tuned.form)):
        if verdicts.get(answer) is Verdict.BETTER:
            pools[answer] = pool
            members |= {n: tuned.members[n] for n in pool.members if n in tuned.members}
    return replace(shipped, members=members, form=pools[FORM], market=pools[MODEL])
