"""How often the check cries wolf, and whether it hears one: measured on made-up races, through the same code. Pure.

Rows of a race are alike: each column is a part that the race shares and one of the runner's own, mixed so that the
correlation within a race is `icc` (1: a column of the race, such as its distance). Two windows from one world must not
differ; in a second pair one column is moved, and must be found, and named first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import kolmogorov

from oracle.drift import grid, sketch
from oracle.drift.columns import layout
from oracle.drift.distance import Distance, column_distances
from oracle.drift.racing import RaceSums
from oracle.drift.sketch import Sketch
from oracle.drift.verdict import compare, of_columns
from oracle.settings import DriftPolicy


@dataclass(frozen=True, slots=True)
class World:
    """What is made up."""

    icc: float = 1.0
    """Correlation of a column's values within a race, 0 to 1."""
    features: int = 1
    races: int = 1500
    """Of each window."""
    runners: int = 10
    shift: float = 0.3
    """By which one column is moved in the second pair, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the check said of one pair of equal windows and one pair with a moved column."""

    alarm: bool
    """An alarm on equal windows, floors in force."""
    significant: bool
    """The same without floors: what the p-values alone say."""
    row_level: bool
    """The same if rows were taken as independent, as is usual."""
    found: bool
    """The moved column was called drifted."""
    first: bool
    """And named first."""


def trials(world: World, reps: int, seed: int, policy: DriftPolicy) -> Iterator[Trial]:
    """Yield what the check says, time after time.

    Args:
        world: What is made up.
        reps: How often.
        seed: Of everything made up.
        policy: As in force; clusters are races.
    """
    for chance in np.random.default_rng(seed).spawn(reps):
        yield trial(world, chance, policy)


def trial(world: World, chance: np.random.Generator, policy: DriftPolicy) -> Trial:
    """Return what the check says of one made-up reference and two windows."""
    table = _window(world, chance, 0.0)
    columns = layout(table.schema)
    bins = grid.of_sample(table, columns)

    def counted(rows: pa.Table) -> Sketch:
        return sketch.of(rows, columns, bins, RaceSums).closed()

    reference, calm, moved = (counted(t) for t in (table, _window(world, chance), _window(world, chance, world.shift)))
    distances = column_distances(reference, calm, smallest_rows=policy.min_rows, smallest_races=policy.min_clusters)
    bare = policy.model_copy(update={"ks": 0.0, "psi": 0.0, "missing": 0.0})
    report = compare(reference, moved, policy)
    return Trial(
        compare(reference, calm, policy).alarm,
        any(f.drifted for f in of_columns(distances, bare)),
        _row_level(distances, policy),
        report.features[MOVED].drifted,
        bool(report.causes) and report.causes[0]["feature"] == MOVED,
    )


MOVED = "feature_0"


def _window(world: World, chance: np.random.Generator, shift: float = 0.0) -> pa.Table:
    race = np.repeat(np.arange(world.races), world.runners)
    columns: dict[str, Any] = {"race_id": pa.array(race)}
    for i in range(world.features):
        shared = chance.standard_normal(world.races)[race]
        own = chance.standard_normal(race.size) if world.icc < 1.0 else 0.0
        columns[f"feature_{i}"] = (
            np.sqrt(world.icc) * shared + np.sqrt(1.0 - world.icc) * own + (shift if i == 0 else 0)
        )
    return pa.table(columns)


def _row_level(distances: tuple[Distance, ...], policy: DriftPolicy) -> bool:
    known = [(d.ks, d.n_reference * d.n_current / (d.n_reference + d.n_current)) for d in distances if d.ks is not None]
    p_values = [float(kolmogorov(np.sqrt(n) * ks)) for ks, n in known]
    return min(p_values, default=1.0) * len(p_values) < policy.alpha


def document(world: World, done: list[Trial], seed: int, policy: DriftPolicy) -> dict[str, Any]:
    """Return the rates as plain values."""

    def rate(name: str) -> float:
        return sum(bool(getattr(each, name)) for each in done) / max(len(done), 1)

    return {
        "reps": len(done),
        **asdict(world),
        "seed": seed,
        "alpha": policy.alpha,
        "false_alarm_rate": rate("significant"),
        "false_alarm_rate_with_floors": rate("alarm"),
        "false_alarm_rate_row_level": rate("row_level"),
        "found_rate": rate("found"),
        "first_rate": rate("first"),
    }


def text(told: dict[str, Any]) -> str:
    """Return the rates as a person reads them."""
    return (
        f"{told['reps']} pairs of {told['races']:,} races with {told['runners']} runners, {told['features']} columns, "
        f"correlation {told['icc']:g} within a race\n"
        f"  false alarms        {told['false_alarm_rate']:.1%} by the p-values alone (level {told['alpha']:.0%}), "
        f"{told['false_alarm_rate_with_floors']:.1%} with the floors\n"
        f"  rows as independent {told['false_alarm_rate_row_level']:.1%}\n"
        f"  a shift of {told['shift']:g} sd   found in {told['found_rate']:.1%}, "
        f"named first in {told['first_rate']:.1%}"
    )
