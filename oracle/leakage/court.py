"""From a history to the court that its columns are brought before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races
from oracle.leakage.careers import Careers
from oracle.leakage.evidence import Court
from oracle.leakage.expectation import Expectation, expect
from oracle.ranking.races import Floats, Ints

FOLLOWED = ("horse", "jockey", "trainer", "sire")
"""Whose running numbers may hold their own race."""


def convene(races: Races, matrix: RaceMatrix, utility: Floats | None = None) -> Court:
    """Return the court for a history.

    Args:
        races: The starters, for who ran and what became of them.
        matrix: The same races as a matrix; its features are not looked at.
        utility: float64[N] to expect by instead of the market.
    """
    expected = expect(matrix, utility)
    owners = _owners(races, expected)
    off = np.repeat(expected.races.off, expected.races.sizes)
    year = expected.races.dates.astype("datetime64[Y]").astype(np.int64)[expected.races.race]
    careers = {name: Careers(name, owners[name], off) for name in FOLLOWED if (owners[name] >= 0).any()}
    careers.setdefault("horse", Careers("horse", owners["horse"], off))
    joined = {
        "jockey and trainer": (owners["jockey"], owners["trainer"]),
        "horse and jockey": (owners["horse"], owners["jockey"]),
        **{f"{who} and year": (owners[who], year) for who in ("horse", "jockey", "trainer")},
        **{f"{who} and course": (owners[who], owners["course"]) for who in ("horse", "jockey", "trainer")},
    }
    groups = [*careers.values(), *(Careers(name, _joined(*pair), off) for name, pair in joined.items())]
    return Court(
        expected=expected,
        careers=careers,
        groups=groups,
        targets=_targets(races, expected),
        meeting=pd.factorize(expected.races.meeting)[0].astype(np.int64),
    )


def _owners(races: Races, expected: Expectation) -> Mapping[str, Ints]:
    columns = {"horse": "horse_id", "jockey": "jockey_id", "trainer": "trainer_id", "sire": "sire", "course": "course"}
    return {name: races.codes(column)[0][expected.rows] for name, column in columns.items()}


def _joined(a: Ints, b: Ints) -> Ints:
    both = a * (int(b.max(initial=0)) + 1) + b
    code = pd.factorize(np.where((a >= 0) & (b >= 0), both, -1))[0]
    return np.where((a >= 0) & (b >= 0), code, -1).astype(np.int64)


def _targets(races: Races, expected: Expectation) -> dict[str, Floats]:
    position = expected.races.position
    last = np.repeat(expected.races.sizes, expected.races.sizes).astype(np.float64)
    targets = {
        "wins": expected.won,
        "places": (np.nan_to_num(position, nan=99.0) <= 3).astype(np.float64),
        "position": np.where(np.isnan(position), last, position),
        "position of finishers": position,
        "position, nought for non-finishers": np.nan_to_num(position, nan=0.0),
        "position, the largest for non-finishers": np.nan_to_num(position, nan=float(np.nanmax(position))),
        "share of the field beaten": 1.0 - np.where(np.isnan(position), last, position) / last,
        "finish": expected.finish,
        "finish beyond expectation": expected.surprise,
        "wins beyond expectation": expected.won - expected.probability,
    }
    return targets | {
        name: races.numbers[name][expected.rows]
        for name in ("beaten_lengths", "speed_rating", "performance_rating", "time_s")
        if not np.isnan(races.numbers[name]).all()
    }
