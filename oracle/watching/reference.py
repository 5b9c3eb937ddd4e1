"""What a model was used to: its own reference, counted once at training and saved with it.

The reference window is the model's test: races that it was not fitted on, with the answers it gives, by the walk that
its training took. Its drift table is kept as a sketch on its own grid, a few hundred kilobytes that a check compares a
live window with at once. A card without odds is answered by the form ensemble and one with odds by the blend with the
market; they see and say different things, so each has a reference of its own. Both are files of the package, covered
by its digest. A package of an earlier version has none, and gets one by `measured` from the dataset it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from oracle.drift import sketch
from oracle.drift.columns import layout
from oracle.drift.grid import Grid, of_sample
from oracle.drift.racing import RaceSums
from oracle.drift.sketch import Sketch
from oracle.drift.verdict import cluster_of
from oracle.ensemble.race_model import RaceModel
from oracle.errors import NotEnoughData
from oracle.features.matrix import RaceMatrix
from oracle.models import package
from oracle.ranking.races import Bools
from oracle.settings import DriftPolicy
from oracle.watching import table

POOLS = ("form", "market")
"""Which ensemble answers: the names are those of `CardPrediction.ensemble`."""
FOLDER = "reference"


@dataclass(frozen=True)
class Reference:
    """A window of races as a sketch, on its own grid."""

    grid: Grid
    sketch: Sketch


def sketched(of: pa.Table, policy: DriftPolicy) -> Reference:
    """Return a drift table as the reference of later ones; the policy says which races depend on each other."""
    told = layout(of.schema, cluster=cluster_of(of.schema.names, policy))
    grid = of_sample(of, told)
    return Reference(grid, sketch.of(of, told, grid, RaceSums))


def measured(
    frame: pd.DataFrame, matrix: RaceMatrix, test: Bools, model: RaceModel, policy: DriftPolicy | None = None
) -> dict[str, Reference]:
    """Return the reference of each pool that can answer, from a model's test.

    Args:
        frame: The runner table of the history that the model was trained on.
        matrix: Its features, each race as of its off.
        test: bool[R], the races that the model was not fitted on.
        model: The model.
        policy: Which races depend on each other; as built in by default.
    """
    found = {}
    for pool in POOLS:
        if pool == "market" and model.market is None:
            continue
        overround = model.about.overround
        whole = table.of_history(frame, matrix, test, model, overround=overround, odds=pool == "market")
        rows = whole.filter(pa.compute.equal(whole["ensemble"], pool))
        if rows.num_rows:
            found[pool] = sketched(rows, policy or DriftPolicy())
    return found


def later(
    frame: pd.DataFrame, matrix: RaceMatrix, model: RaceModel, policy: DriftPolicy | None = None
) -> dict[str, Reference]:
    """Return the reference of a model that was saved without one, from the dataset it was trained on.

    Its test lies between what it was fitted on and the last race that its form knows.

    Raises:
        NotEnoughData: the dataset has no such race.
    """
    about = model.about
    test = (matrix.dates > np.datetime64(about.trained_through)) & (matrix.dates <= np.datetime64(about.state_through))
    if not test.any():
        raise NotEnoughData(
            "the dataset has no race of the model's test",
            value=f"races from {matrix.dates.min()} to {matrix.dates.max()}",
            allowed=f"races after {about.trained_through} and until {about.state_through}",
            next_step="name the dataset that the model was trained on",
        )
    return measured(frame, matrix, test, model, policy)


def files(references: Mapping[str, Reference]) -> dict[str, bytes]:
    """Return references as the files that are saved with a model."""
    return {f"{FOLDER}/{pool}.sketch": each.sketch.to_bytes() for pool, each in references.items()}


def of(folder: Path) -> dict[str, Reference]:
    """Return the references saved with a model, by pool; none of a package that has none.

    Args:
        folder: The model's package.

    Raises:
        UntrustedPackage: a file is not what was saved.
    """
    held = package.load(folder)
    names = {pool: f"{FOLDER}/{pool}.sketch" for pool in POOLS}
    kept = {pool: Sketch.from_bytes(held[name], counter=RaceSums) for pool, name in names.items() if name in held}
    return {pool: Reference(each.grid, each) for pool, each in kept.items()}
