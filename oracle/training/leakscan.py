"""The leak scan of a dataset: its own columns and the features that would be made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.data.extra import Table
from oracle.ensemble.race_model import FEATURE_SET
from oracle.errors import NotEnoughData
from oracle.features import build, registry
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races, from_frame
from oracle.leakage.court import convene
from oracle.leakage.scan import Scan, scan
from oracle.models.conditional_logit import ConditionalLogit
from oracle.progress import Progress, silent
from oracle.ranking.races import Floats, sum_by_race
from oracle.ranking.report import scored
from oracle.settings import LeakPolicy

FEWEST_RACES = 30
"""Races with a result below which nothing can be told."""
PRICED = 0.5
"""Share of the races with a result that must have full odds for the market to be the expectation."""


@dataclass(frozen=True)
class Scanned:
    """The scan, and what was not looked at."""

    scan: Scan
    own: tuple[str, ...]
    """Columns of the table that were scanned; the others are features."""
    passed_over: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `oracle leakscan --json` prints."""
        told = self.scan.as_dict()
        for suspect in told["suspects"]:
            suspect["source"] = "column" if suspect["feature"] in self.own else "feature"
        return {**told, "own_columns": list(self.own), "not_scanned": list(self.passed_over)}


def leakscan(found: Table, policy: LeakPolicy, seed: int, progress: Progress = silent) -> Scanned:
    """Return the columns and features that knew the result.

    Args:
        found: Runner rows with columns of somebody's own.
        policy: The limits.
        seed: Seed of the form model that stands in for the market where there is none.
        progress: Told of each step.

    Raises:
        NotEnoughData: too few races with a result.
    """
    races = from_frame(found.frame)
    matrix = build.history(races, FEATURE_SET, progress=progress)
    won = sum_by_race(matrix.position == 1, matrix.offsets) > 0
    if won.sum() < FEWEST_RACES:
        raise NotEnoughData(
            "too few races with a result to tell a leak", value=int(won.sum()), allowed=f"at least {FEWEST_RACES}"
        )
    priced = won & scored(matrix.market, matrix.offsets)
    utility = None if priced.sum() >= max(PRICED * won.sum(), FEWEST_RACES) else _form(matrix, won, seed, progress)
    court = convene(races, matrix, utility)
    count = len(found.columns) + len(matrix.names)
    return Scanned(
        scan=scan(progress(_columns(found, races, matrix), "scanning columns", count), court, policy),
        own=tuple(found.columns),
        passed_over=found.passed_over,
    )


def _columns(found: Table, races: Races, matrix: RaceMatrix) -> Iterator[tuple[str, Floats]]:
    """Yield the table's own columns, then the features; one that is called as an own column is the same thing."""
    for name, values in found.columns.items():
        yield name, values[races.rows]
    for i, name in enumerate(matrix.names):
        if name not in found.columns:
            yield name, matrix.values[:, i].astype(np.float64)


def _form(matrix: RaceMatrix, won: np.typing.NDArray[np.bool_], seed: int, progress: Progress) -> Floats:
    """Return what form expects of each runner, by a conditional logit on the races themselves."""
    form = matrix.only([f.name for f in registry.features("form")])
    return ConditionalLogit().fit(form.take(won), None, seed, 1, progress).score(form)
