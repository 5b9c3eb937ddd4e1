"""The ensemble of the small world: all shipped families, with fewer steps."""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import cache

import pytest

from oracle.data.cards import cards_of
from oracle.ensemble import fit as fitting
from oracle.ensemble.about import About
from oracle.ensemble.fit import Fitted
from oracle.ensemble.race_model import RaceModel, feature_version
from oracle.ensemble.recipe import SHIPPED, Recipe
from oracle.features.matrix import RaceMatrix
from oracle.models import families
from oracle.race import RaceCard, Status
from oracle.settings import EvaluationPolicy, SplitPolicy
from tests.models import world

SLOW = families.FAMILIES
QUICK = {n: dataclasses.replace(f, ranker=lambda n=n: world.family(n)) for n, f in SLOW.items()}
"""The families with fewer steps, in the form of `FAMILIES`."""


def fit(races: RaceMatrix, seed: int = 7, threads: int = 1, recipe: Recipe = SHIPPED) -> Fitted:
    """Fit an ensemble, the shipped one by default, with the quick learners in place of the slow ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "FAMILIES", QUICK)
        return fitting.fit(races, SplitPolicy(), EvaluationPolicy(), seed, threads, recipe=recipe)


@cache
def fitted() -> Fitted:
    """Return the fit of the whole world."""
    return fit(world.thinned())


def model() -> RaceModel:
    """Return the model of the whole world, with a state of its own."""
    found, races = fitted(), world.history()
    about = About(
        feature_version=feature_version(),
        trained_through=str(races.dates[~found.split.test].max()),
        state_through=str(races.dates.max()),
        courses=tuple(sorted(world.results()["course"].unique())),
        test=found.test.as_dict(),
    )
    calibration = {who: choice.calibration for who, choice in found.calibration.items()}
    return RaceModel(found.members, found.form, found.market, found.discount, world.state(), about, calibration)


@cache
def cards(count: int = 5) -> tuple[RaceCard, ...]:
    """Return the cards of the last races, run again the day after the last one."""
    results = world.results()
    started = results[~results["status"].isin([Status.WITHDRAWN, Status.VOID])]
    last = started["race_id"].drop_duplicates().tail(count)
    off = results["off"].max().to_pydatetime() + dt.timedelta(days=1)
    return tuple(dataclasses.replace(card, off=off) for card in cards_of(started[started["race_id"].isin(last)]))
