"""The starters of a drift table as arrays, and what each race adds to its meeting. Pure.

Names decide what a column is: `race_id` cuts the races; `score`, `win`, `rank` are the model's; `market` or `odds` the
market's; `position`, `time_s`, `status` the result's. Whatever is missing is NaN, and so are the sums that need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oracle.drift.expectation import expected_ndcg
from oracle.race import STARTED
from oracle.ranking import metrics
from oracle.ranking.market import multiplicative
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Floats, Ints, max_by_race, offsets_of, standing, sum_by_race
from oracle.settings import EvaluationPolicy

WIN_EDGES = np.array([0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.45])
TOP_EDGES = np.array([0.15, 0.2, 0.25, 0.3, 0.4, 0.55])
RANK_EDGES = np.array([2, 3, 4, 6, 9])
FIELD_EDGES = np.array([6, 8, 10, 12, 14, 16])
DRAWS = 5
"""Equal stretches of the starting stalls, the first nearest the rail."""


def _labels(edges: Any, low: str, integer: bool = False) -> tuple[str, ...]:
    """Return the names of the bins between some edges."""
    ends = [f"{e:g}" for e in edges]
    if not integer:
        return tuple(f"{a} to {b}" for a, b in zip([low, *ends], [*ends, "1"], strict=True))
    last = [str(int(e) - 1) for e in edges]
    inner = [a if a == b else f"{a} to {b}" for a, b in zip([low, *ends[:-1]], last, strict=True)]
    return (*inner, f"{ends[-1]} or more")


GROUPS: Mapping[str, tuple[str, ...]] = {
    "win": _labels(WIN_EDGES, "0"),
    "top": _labels(TOP_EDGES, "0"),
    "favourite_rank": _labels(RANK_EDGES, "1", integer=True),
    "odds_rank": _labels(RANK_EDGES, "1", integer=True),
    "draw": ("inside", "2nd fifth", "middle", "4th fifth", "outside"),
    "field": _labels(FIELD_EDGES, "1", integer=True),
}
"""Distributions, with their bins."""
SINGLE = (
    *("races", "starters", "finishers"),
    *("foreseen", "foreseen_ndcg"),
    *("judged", "ndcg", "expected_of", "expected", "expected_for"),
    *("priced", "loss"),
    *("both", "model", "market", "both_priced", "model_loss", "market_loss"),
    *("favourites", "favourite_won", "favourite_said"),
    *("picks", "pick_won", "pick_said"),
)
COLUMNS: tuple[str, ...] = (*SINGLE, *(f"{group}:{label}" for group, labels in GROUPS.items() for label in labels))
"""What is summed of each race, in the order of the sums."""


def columns_of(group: str) -> slice:
    """Return where the bins of a distribution stand in `COLUMNS`."""
    first = next(i for i, name in enumerate(COLUMNS) if name.startswith(f"{group}:"))
    return slice(first, first + len(GROUPS[group]))


@dataclass(frozen=True)
class Starters:
    """Whole races: one value for each starter, or (from `meeting` on) for each race."""

    offsets: Ints
    score: Floats
    win: Floats
    market: Floats
    position: Floats
    draw: Floats
    time: Floats
    """Winning time of each race in seconds; NaN without one."""
    meeting: list[str]
    kind: list[str]
    """Course, distance and surface: races whose times can be compared."""
    day: Ints
    """Days since 1970; -1 where unknown."""
    slices: Mapping[str, np.ndarray[Any, Any]]

    @classmethod
    def of(cls, table: pa.Table) -> Starters | None:
        """Return the starters of a drift table; None where it has no races."""
        names = set(table.column_names)
        if "race_id" not in names or not table.num_rows:
            return None
        if "status" in names and not pa.types.is_null(table.schema.field("status").type):
            status = _text(table, "status")
            table = table.filter(pa.array((status == "") | np.isin(status, sorted(STARTED))))
            if not table.num_rows:
                return None
        race = _text(table, "race_id")
        first = np.flatnonzero(np.concatenate(([True], race[1:] != race[:-1])))
        offsets = offsets_of(np.diff(np.concatenate((first, [race.size]))))
        head = table.take(pa.array(first))
        win, position, time = (_number(table, name) for name in ("win", "position", "time_s"))
        market = _number(table, "market")
        if np.isnan(market).all() and "odds" in names:
            market = multiplicative(_number(table, "odds"), offsets)
        won = np.where(position == 1, time, np.nan)
        return cls(
            offsets,
            _score(table, win),
            win,
            market,
            position,
            _number(table, "draw"),
            np.asarray(np.fmin.reduceat(won, offsets[:-1])),
            _meeting(head, race[first]),
            _kind(head),
            _day(head),
            _sliced(head),
        )

    def by_race(self) -> Floats:
        """Return float64[R, K]: what each race adds; 0 where it does not count."""
        policy = EvaluationPolicy()
        offsets, sizes = self.offsets, np.diff(self.offsets)
        out: dict[str, Floats] = {"races": np.ones(sizes.size), "starters": sizes.astype(np.float64)}
        out["finishers"] = sum_by_race(~np.isnan(self.position), offsets)
        gain, won = gains(self.position, offsets, policy), winners(self.position, offsets, policy)
        expected = expected_ndcg(self.score, self.win, offsets)
        ndcg, market = (metrics.ndcg(each, gain, offsets, 3) for each in (self.score, self.market))
        loss, market_loss = (metrics.log_loss(each, won, offsets) for each in (self.win, self.market))
        for count, values in (
            ("foreseen", {"foreseen_ndcg": expected}),
            ("judged", {"ndcg": ndcg}),
            ("expected_of", {"expected": expected, "expected_for": ndcg}),
            ("priced", {"loss": loss}),
            ("both", {"model": ndcg, "market": market}),
            ("both_priced", {"model_loss": loss, "market_loss": market_loss}),
            ("favourites", self._first(self.market, won, "favourite")),
            ("picks", self._first(self.win, won, "pick")),
        ):
            _count(out, count, values)
        out |= self._distributions(won, gain)
        return np.column_stack([out[name] for name in COLUMNS])

    def _first(self, chance: Floats, won: Floats, name: str) -> dict[str, Floats]:
        """Return how often the likeliest runner won, ties shared, and what was said of it."""
        top = max_by_race(chance, self.offsets)
        return {f"{name}_won": metrics.top1(chance, won, self.offsets), f"{name}_said": top}

    def _distributions(self, won: Floats, gain: Floats) -> dict[str, Floats]:
        offsets, sizes = self.offsets, np.diff(self.offsets)
        race = np.repeat(np.arange(sizes.size), sizes)
        whole = ~np.isnan(sum_by_race(self.win, offsets))
        top = max_by_race(self.win, offsets)
        market_rank, mine = (_rank(each, offsets) for each in (self.market, self.score))
        known = ~np.isnan(market_rank) & ~np.isnan(mine)
        favourite = known & (market_rank == np.repeat(_least(market_rank, offsets), sizes))
        favourite_share = favourite / np.maximum(np.repeat(sum_by_race(favourite, offsets), sizes), 1.0)
        winner = np.nan_to_num(won) * ~np.isnan(market_rank)
        every = np.arange(sizes.size)
        out = _binned("win", race[whole[race]], self.win[whole[race]], WIN_EDGES, sizes.size)
        out |= _binned("top", every[whole], top[whole], TOP_EDGES, sizes.size)
        out |= _binned("favourite_rank", race, mine, RANK_EDGES, sizes.size, favourite_share)
        out |= _binned("odds_rank", race, market_rank, RANK_EDGES, sizes.size, winner)
        out |= _binned("field", every, sizes, FIELD_EDGES, sizes.size)
        return out | self._draws(gain, race, sizes)

    def _draws(self, gain: Floats, race: Ints, sizes: Ints) -> dict[str, Floats]:
        """Return where the first three started: each one's stall covers its stretch of 0 to 1, and counts a third."""
        outermost = np.repeat(max_by_race(np.nan_to_num(self.draw, nan=0.0), self.offsets), sizes)
        stalls = np.maximum(outermost, np.repeat(sizes, sizes))
        counts = (gain > 0) & (self.draw >= 1)
        low, high = (self.draw[counts] - 1) / stalls[counts], self.draw[counts] / stalls[counts]
        out = np.zeros((sizes.size, DRAWS))
        for i in range(DRAWS):
            inside = np.clip(np.minimum(high, (i + 1) / DRAWS) - np.maximum(low, i / DRAWS), 0.0, None) / (high - low)
            np.add.at(out[:, i], race[counts], inside / 3.0)
        return dict(zip(_bins("draw"), out.T, strict=True))


def _bins(group: str) -> list[str]:
    return [f"{group}:{label}" for label in GROUPS[group]]


def _count(out: dict[str, Floats], count: str, values: Mapping[str, Floats]) -> None:
    """Add values and their count, over the races that have all of them."""
    known = ~np.isnan(np.sum(list(values.values()), axis=0))
    out[count] = known.astype(np.float64)
    out |= {name: np.where(known, each, 0.0) for name, each in values.items()}


def _binned(
    group: str, race: Any, values: Any, edges: Any, races: int, weight: Floats | None = None
) -> dict[str, Floats]:
    width = len(GROUPS[group])
    known = ~np.isnan(np.asarray(values, dtype=np.float64))
    at = np.searchsorted(edges, np.asarray(values)[known], side="right")
    weights = None if weight is None else weight[known]
    flat = np.bincount(np.asarray(race)[known] * width + at, weights, races * width)
    return dict(zip(_bins(group), flat.astype(np.float64).reshape(races, width).T, strict=True))


def _rank(values: Floats, offsets: Ints) -> Floats:
    """Return the rank of each runner, tied ones all at the best of theirs; NaN in a race that is not wholly known."""
    ahead, _ = standing(values, offsets)
    unknown = np.isnan(sum_by_race(values, offsets))
    return np.where(np.repeat(unknown, np.diff(offsets)), np.nan, ahead + 1.0)


def _least(values: Floats, offsets: Ints) -> Floats:
    return -max_by_race(-values, offsets)


def _score(table: pa.Table, win: Floats) -> Floats:
    """Return what the model ranks by: its score, else its win probability, else its rank."""
    for values in (_number(table, "score"), win, -_number(table, "rank")):
        if not np.isnan(values).all():
            return values
    return np.full(table.num_rows, np.nan)


def _number(table: pa.Table, name: str) -> Floats:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table.column(name)
    if pa.types.is_null(column.type):
        return np.full(table.num_rows, np.nan)
    return np.array(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _text(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    """Return the column as strings, "" for what is missing."""
    if name not in table.column_names or pa.types.is_null(table.schema.field(name).type):
        return np.full(table.num_rows, "", dtype=np.str_)
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    filled = pc.fill_null(pc.cast(column, pa.string()), "")
    return np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.str_)


def _day(head: pa.Table) -> Ints:
    for name in ("date", "off"):
        if name in head.column_names and pa.types.is_temporal(head.schema.field(name).type):
            days = pc.cast(pc.cast(head.column(name), pa.date32(), safe=False), pa.int32())
            return np.asarray(pc.fill_null(days, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.full(head.num_rows, -1, dtype=np.int64)


def _meeting(head: pa.Table, race: np.ndarray[Any, Any]) -> list[str]:
    """Return the meeting of each race: as named, else its day and course, else the race alone."""
    named = _text(head, "meeting")
    if (named != "").all():
        return [str(name) for name in named]
    days, course = _day(head), _text(head, "course")
    return [
        m or (f"{d} {c}" if d >= 0 else r)
        for m, d, c, r in zip(named.tolist(), days.tolist(), course.tolist(), race.tolist(), strict=True)
    ]


def _kind(head: pa.Table) -> list[str]:
    course, distance, surface = _text(head, "course"), _number(head, "distance_m"), _text(head, "surface")
    return [
        f"{c} {'' if np.isnan(d) else f'{d:.0f} m'} {s}".strip()
        for c, d, s in zip(course.tolist(), distance.tolist(), surface.tolist(), strict=True)
    ]


def _sliced(head: pa.Table) -> dict[str, np.ndarray[Any, Any]]:
    """Return by what the causes are told apart: course, country, kind of race and distance, where there are any."""
    out = {name: _text(head, name) for name in ("course", "country", "race_type", "surface", "going")}
    distance = _number(head, "distance_m")
    band = np.where(np.isnan(distance), -1, np.nan_to_num(distance) // 200 * 200).astype(np.int64)
    out["distance"] = np.array(["" if b < 0 else f"{b} to {b + 199} m" for b in band], dtype=np.str_)
    return {name: labels for name, labels in out.items() if (labels != "").any()}
