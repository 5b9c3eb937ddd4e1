"""A small simulated world and quick learners: what every test of models, ensembles and trainings starts from.

Few horses that meet often, so that a few hundred races hold real careers. The learners are the shipped families with
fewer steps: what is tried here does not depend on how many trees there are.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from oracle.data.simulate import WorldPolicy, simulate
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.models.families import FAMILIES
from oracle.models.ranker import Ranker
from oracle.ranking.races import offsets_of

RACES = 450
POLICY = WorldPolicy(horses=700, meetings_by_weekday=(0, 0, 1, 1, 0, 1, 1))

QUICK: dict[str, Any] = {"trees": 16, "iterations": 20, "penalties": (3000.0,), "feature_share": 0.15}
"""Settings of any policy that make a fit quick, by name."""


@cache
def results() -> pd.DataFrame:
    """Return the results of the world, about five months of them."""
    return pd.concat([b.runners for b in simulate(RACES, seed=5, policy=POLICY)], ignore_index=True)


@cache
def _walked() -> tuple[RaceMatrix, dict[str, npt.NDArray[Any]]]:
    state = State()
    matrix = build.history(from_frame(results()), "market", state)
    return matrix, state.dump()


def history() -> RaceMatrix:
    """Return the features of all races."""
    return _walked()[0]


@cache
def thinned() -> RaceMatrix:
    """Return the same with two of three features blank: as good a history, and quicker to learn from."""
    races = history()
    blank = np.arange(len(races.names)) % 3 != 0
    return replace(races, values=np.where(blank, np.float32(np.nan), races.values))


def state() -> State:
    """Return a state of one's own as it stands after the last race."""
    return State.restore(_walked()[1])


def before(share: float = 0.75) -> npt.NDArray[np.bool_]:
    """Return bool[R], the first share of the races."""
    return np.arange(len(history())) < share * len(history())


def quick(ranker: Any) -> Any:
    """Return the ranker with fewer steps, whatever it is made of."""
    if not is_dataclass(ranker) or isinstance(ranker, type):
        return ranker
    changes = {f.name: quick(getattr(ranker, f.name)) for f in fields(ranker) if f.init}
    less = {name: value for name, value in QUICK.items() if name in changes}
    if isinstance(less.get("penalties"), tuple):
        less["penalties"] = tuple(p for p in changes["penalties"] if p >= 3000.0)
    return replace(ranker, **changes | less)


def family(name: str) -> Ranker:
    """Return a family's ranker with fewer steps."""
    ranker: Ranker = quick(FAMILIES[name].ranker())
    return ranker


def permuted(races: RaceMatrix, seed: int) -> tuple[RaceMatrix, npt.NDArray[np.int64]]:
    """Return the same races in another order, their runners in another order, and which row each row was."""
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(races))
    rows = np.concatenate([chance.permutation(np.arange(races.offsets[r], races.offsets[r + 1])) for r in order])
    moved = replace(
        races,
        values=races.values[rows],
        offsets=offsets_of(races.sizes[order]),
        off=races.off[order],
        day=races.day[order],
        position=races.position[rows],
        market=races.market[rows],
        odds=races.odds[rows],
        race_id=races.race_id[order],
        meeting=races.meeting[order],
    )
    return moved, rows


def made(values: npt.ArrayLike, sizes: npt.ArrayLike, position: npt.ArrayLike) -> RaceMatrix:
    """Return races made of these numbers alone: features f0, f1, ..., one race a day, no odds."""
    table = np.asarray(values, dtype=np.float32)
    table = table.reshape(len(table), -1)
    offsets = offsets_of(sizes)
    count = len(offsets) - 1
    return RaceMatrix(
        values=table,
        names=tuple(f"f{i}" for i in range(table.shape[1])),
        offsets=offsets,
        off=np.arange(count) * 86400.0,
        day=np.arange(count, dtype=np.int64),
        position=np.asarray(position, dtype=np.float64),
        market=np.full(len(table), np.nan),
        odds=np.full(len(table), np.nan),
        race_id=np.array([f"r{i}" for i in range(count)], dtype=object),
        meeting=np.array([f"m{i}" for i in range(count)], dtype=object),
    )
