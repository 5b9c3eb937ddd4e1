"""Which recipe is chosen, and the three things that can be said of it."""

from __future__ import annotations

import numpy as np
import pytest

from oracle.ensemble.recipe import EVEN, SHIPPED, Member, Pool
from oracle.ranking.report import Difference, NoResult
from oracle.settings import EvaluationPolicy, SplitPolicy
from oracle.tuning.objective import Board, FoldPolicy, board
from oracle.tuning.verdict import (
    FORM,
    MODEL,
    Tried,
    TriedPool,
    Verdict,
    chosen,
    chosen_pool,
    decide,
    in_hindsight,
    recommended,
    tuned,
    walk_forward,
)
from tests.models import world


def tried(name: str, *losses: float, **hyperparameters: float) -> Tried:
    return Tried(name, Member(name, hyperparameters), losses, tuple(np.zeros(1) for _ in losses))


BASE = {"win": tried("win", 2.0, 2.0, 2.0), "lambdarank": tried("lambdarank", 1.0, 1.0, 1.0)}


@pytest.mark.parametrize(
    ("low", "mean", "high", "verdict"),
    [
        (-0.03, -0.02, -0.01, Verdict.BETTER),
        (-0.03, -0.01, 0.01, Verdict.UNDECIDED),
        (-0.01, 0.01, 0.03, Verdict.NOT_BETTER),
        (0.01, 0.02, 0.03, Verdict.NOT_BETTER),
        (0.0, 0.0, 0.0, Verdict.NOT_BETTER),
    ],
)
def test_a_comparison_has_three_outcomes(low: float, mean: float, high: float, verdict: Verdict) -> None:
    found = decide(Difference(100, 10, mean, low, high, 0.01))
    assert found.verdict is verdict
    assert found.cause


def test_what_could_not_be_measured_is_not_enough_evidence() -> None:
    assert decide(NoResult("fewer than two meetings", 3)).verdict is Verdict.UNDECIDED


def test_the_best_of_each_member_is_chosen_and_the_shipped_one_where_nothing_is_better() -> None:
    better, worse = tried("win", 1.9, 1.9, 1.9, l2=1.0), tried("lambdarank", 1.1, 1.1, 1.1, l2=2.0)
    best = chosen([better, worse], BASE, 3)
    assert best == {"win": better, "lambdarank": BASE["lambdarank"]}


def test_a_trial_that_was_stopped_early_is_never_the_best() -> None:
    assert chosen([tried("win", 0.1)], BASE, 3)["win"] is BASE["win"]
    assert chosen([tried("win", 0.1)], BASE, 1)["win"] is BASE["win"], "the next fold could not be judged"


def test_a_choice_by_the_first_folds_does_not_see_the_later_ones() -> None:
    early, late = tried("win", 1.0, 3.0, 3.0), tried("win", 3.0, 1.0, 1.0)
    assert chosen([early, late], BASE, 1)["win"] is early
    assert chosen([early, late], BASE, 3)["win"] is late


def test_a_pool_is_chosen_by_what_it_gained_and_only_for_its_own_answer() -> None:
    good, bad = TriedPool(FORM, Pool(("win",), EVEN), (-0.1, -0.1)), TriedPool(FORM, Pool(("lambdarank",)), (0.1, 0.1))
    assert chosen_pool(FORM, [good, bad], SHIPPED.form, 2) == good.pool
    assert chosen_pool(FORM, [bad], SHIPPED.form, 2) == SHIPPED.form
    assert chosen_pool(MODEL, [good], SHIPPED.market, 2) == SHIPPED.market
    assert chosen_pool(FORM, [good], SHIPPED.form, 0) == SHIPPED.form


def test_only_a_better_answer_is_recommended() -> None:
    new = tuned(SHIPPED, {"win": tried("win", 1.0, l2=3.0)}, Pool(("win",)), Pool(("market_logit",)))
    assert recommended(SHIPPED, new, {FORM: Verdict.UNDECIDED, MODEL: Verdict.NOT_BETTER}) == SHIPPED
    form = recommended(SHIPPED, new, {FORM: Verdict.BETTER, MODEL: Verdict.UNDECIDED})
    assert (form.form, form.market) == (Pool(("win",)), SHIPPED.market)
    assert form.members["win"].hyperparameters == {"l2": 3.0}
    model = recommended(SHIPPED, new, {FORM: Verdict.UNDECIDED, MODEL: Verdict.BETTER})
    assert (model.form, model.market) == (SHIPPED.form, Pool(("market_logit",)))
    assert model.members["win"] == SHIPPED.members["win"]


@pytest.fixture(scope="module")
def races() -> Board:
    return board(world.thinned(), SplitPolicy(), EvaluationPolicy(), 7, FoldPolicy()).without_features()


def scored(races: Board, noise: float, seed: int) -> tuple[np.ndarray, ...]:
    """Invent scores that know the result, under noise."""
    chance = np.random.default_rng(seed)
    folds = [races.judged(f) for f in range(len(races.folds))]
    return tuple(-np.nan_to_num(f.position, nan=15.0) / 4 + noise * chance.normal(size=f.offsets[-1]) for f in folds)


def test_a_member_that_knows_more_is_better_and_one_that_knows_less_is_not(races: Board) -> None:
    base = {"win": Tried("win", Member("win"), (2.0,) * 3, scored(races, 3.0, 1))}
    wise = Tried("win", Member("win", {"l2": 1.0}), (1.0,) * 3, scored(races, 1.0, 2))
    foolish = Tried("win", Member("win", {"l2": 2.0}), (1.0,) * 3, scored(races, 9.0, 3))
    pool = Pool(("win",))
    assert walk_forward(FORM, base, [wise], [], pool, races).verdict is Verdict.BETTER
    assert walk_forward(FORM, base, [foolish], [], pool, races).verdict is Verdict.NOT_BETTER
    flattered = in_hindsight(base, {"win": wise}, pool, pool, races)
    assert isinstance(flattered, Difference)
    assert flattered.high < 0
    nothing = walk_forward(FORM, base, [], [], pool, races)
    assert nothing.verdict is Verdict.NOT_BETTER
    assert nothing.difference is not None
    assert nothing.difference.mean == 0.0


def test_a_single_fold_is_not_enough_evidence(races: Board) -> None:
    from dataclasses import replace

    assert walk_forward(FORM, BASE, [], [], Pool(("win",)), replace(races, folds=races.folds[:1])).verdict is (
        Verdict.UNDECIDED
    )
