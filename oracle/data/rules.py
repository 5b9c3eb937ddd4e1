"""The named rules that a translated row, and then its race, must pass. Each says what it refuses and why.

Row rules look at one row; race rules look at the rows that are left of a race and refuse it whole, because a result
that contradicts itself cannot be mended by leaving one line out. All are pure and vectorised over a batch; a rule never
changes anything. Limits are wide: they stop slips of a key or a unit, not unusual horses.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from oracle.race import COLUMNS, GOINGS, RACE_COLUMNS, STARTED, RaceType, Sex, Status, Surface
from oracle.settings import CheckPolicy

Mask = npt.NDArray[np.bool_]

REAL_COLUMNS = tuple(c.name for c in COLUMNS if c.type == pa.float64())
REQUIRED = tuple(c.name for c in COLUMNS if c.required and c.name not in ("field_size", "dead_heat", "off_estimated"))
AGREE = tuple(c for c in RACE_COLUMNS if c not in ("race_id", "field_size"))
WORDS: dict[str, frozenset[str]] = {"status": frozenset(Status), "race_type": frozenset(RaceType)}
"""Columns whose word decides what a row is: one that is not known refuses it."""
OPEN_WORDS: dict[str, frozenset[str]] = {
    "surface": frozenset(Surface),
    "going": frozenset(GOINGS),
    "sex": frozenset(Sex),
}
"""Columns whose word describes only: another country's own is kept and counted, and means "not known" to a feature."""
RATINGS = ("speed_rating", "performance_rating")
"""Figures written after the race that are emptied where they are impossible."""


@dataclass(frozen=True)
class Rule:
    """One row rule: the code that stands in reports, which rows break it, and the columns that show why."""

    code: str
    breaks: Callable[[pd.DataFrame, dt.datetime, CheckPolicy], Mask]
    shows: tuple[str, ...]


def _outside(rows: pd.DataFrame, column: str, limits: tuple[float, float]) -> Mask:
    values = rows[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray((values < limits[0]) | (values > limits[1]))


def _absent(rows: pd.DataFrame, columns: Iterable[str]) -> Mask:
    mask = np.zeros(len(rows), dtype=bool)
    for column in columns:
        mask |= rows[column].isna().to_numpy()
        if isinstance(rows[column].dtype, pd.StringDtype):
            mask |= (rows[column].str.strip() == "").to_numpy(dtype=bool)
    return mask


def _in_future(rows: pd.DataFrame, now: dt.datetime, policy: CheckPolicy) -> Mask:
    last = pd.Timestamp(now.astimezone(dt.UTC)) + pd.Timedelta(days=policy.future_days)
    return np.asarray((rows["off"] > last) | (rows["date"] > last.tz_localize(None)))


def _bad_date(rows: pd.DataFrame, _now: dt.datetime, policy: CheckPolicy) -> Mask:
    """Too long ago, or a local date that no time zone could bring together with the off time."""
    apart = rows["off"].dt.tz_localize(None) - rows["date"]
    far = (apart < pd.Timedelta(hours=-16)) | (apart > pd.Timedelta(hours=40))
    return np.asarray(far | (rows["date"] < pd.Timestamp(policy.earliest)))


def _bad_time(rows: pd.DataFrame, _now: dt.datetime, policy: CheckPolicy) -> Mask:
    """Not positive, or a mean speed that no horse has run; a time without a distance is taken as it is."""
    time = rows["time_s"].to_numpy()
    distance = rows["distance_m"].to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = distance / time
    slow, fast = policy.speed_m_s
    return np.asarray((time <= 0) | (speed < slow) | (speed > fast))


def impossible_ratings(rows: pd.DataFrame, column: str, policy: CheckPolicy) -> Mask:
    """Return the rows whose rating no horse has ever been given."""
    return np.asarray(_outside(rows, column, policy.rating) & np.isfinite(rows[column].to_numpy()))


def foreign(rows: pd.DataFrame, column: str) -> Mask:
    """Return the rows whose word in an open column is the source's own."""
    return np.asarray(rows[column].notna() & ~rows[column].isin(list(OPEN_WORDS[column])))


def _infinite(rows: pd.DataFrame, *_: object) -> Mask:
    return np.asarray(np.isinf(rows[list(REAL_COLUMNS)].to_numpy()).any(axis=1))


def _finished(rows: pd.DataFrame) -> Mask:
    return np.asarray(rows["status"] == Status.FINISHED)


def _foreign_word(column: str) -> Rule:
    def breaks(rows: pd.DataFrame, *_: object) -> Mask:
        return np.asarray(rows[column].notna() & ~rows[column].isin(list(WORDS[column])))

    return Rule(f"unknown_{column}", breaks, (column,))


def _range(code: str, column: str, limits: Callable[[CheckPolicy], tuple[float, float]]) -> Rule:
    return Rule(code, lambda rows, _now, policy: _outside(rows, column, limits(policy)), (column,))


ROW_RULES: tuple[Rule, ...] = (
    Rule("missing_race", lambda rows, *_: _absent(rows, ["race_id"]), ("race_id",)),
    Rule("missing_horse", lambda rows, *_: _absent(rows, ["horse_id", "horse"]), ("horse_id", "horse")),
    Rule("missing_value", lambda rows, *_: _absent(rows, REQUIRED), REQUIRED),
    *(_foreign_word(column) for column in WORDS),
    Rule("race_in_future", _in_future, ("date",)),
    Rule("impossible_date", _bad_date, ("date", "off")),
    Rule("not_a_number", _infinite, REAL_COLUMNS),
    _range("impossible_distance", "distance_m", lambda policy: policy.distance_m),
    _range("impossible_weight", "weight_kg", lambda policy: policy.weight_kg),
    _range("impossible_body_weight", "body_weight_kg", lambda policy: policy.body_weight_kg),
    _range("impossible_age", "age", lambda policy: policy.age),
    _range("odds_below_one", "odds", lambda _: (1.0, np.inf)),
    _range("impossible_odds", "odds", lambda policy: (1.0, policy.highest_odds)),
    Rule("impossible_time", _bad_time, ("time_s", "distance_m")),
    _range("impossible_position", "position", lambda policy: (1, policy.largest_field)),
    Rule(
        "finished_without_position",
        lambda rows, *_: _finished(rows) & rows["position"].isna().to_numpy(),
        ("status",),
    ),
    Rule(
        "position_without_finish",
        lambda rows, *_: ~_finished(rows) & rows["position"].notna().to_numpy(),
        ("status", "position"),
    ),
)
"""Row rules in the order in which they are tried; the first that is broken names the reason."""


@dataclass(frozen=True)
class Races:
    """The rows that are left of a batch, grouped: what the race rules look at.

    Attributes:
        rows: Rows that passed the row rules, without exact duplicates.
        code: Which race each row belongs to, 0..count-1.
        count: Number of races.
        lost: Starters of each race that a row rule took away.
    """

    rows: pd.DataFrame
    code: npt.NDArray[np.intp]
    count: int
    lost: npt.NDArray[np.int64]

    def number(self, mask: Mask) -> npt.NDArray[np.int64]:
        """Return how many rows of each race the mask selects."""
        return np.bincount(self.code[mask], minlength=self.count).astype(np.int64)

    @cached_property
    def started(self) -> Mask:
        """Rows that came under orders."""
        return np.asarray(self.rows["status"].isin(list(STARTED)), dtype=bool)

    @cached_property
    def position(self) -> npt.NDArray[np.float64]:
        """Finishing position of each row, NaN without one."""
        return self.rows["position"].to_numpy(dtype=np.float64, na_value=np.nan)

    @cached_property
    def field(self) -> npt.NDArray[np.int64]:
        """Starters of each race, those in the quarantine included."""
        return self.number(self.started) + self.lost

    @cached_property
    def shared(self) -> Mask:
        """Rows whose position another row of the race holds too."""
        keyed = pd.DataFrame({"race": self.code, "position": self.position})
        return np.asarray(keyed.duplicated(keep=False) & keyed["position"].notna(), dtype=bool)

    @cached_property
    def proven(self) -> Mask:
        """Shared positions that are dead heats: marked by the source, or level in time or margin and never apart."""
        if not self.shared.any():
            return self.shared
        held = pd.DataFrame(
            {
                "mark": self.rows["dead_heat"].to_numpy(dtype=bool),
                "time": self.rows["time_s"].to_numpy(),
                "margin": self.rows["beaten_lengths"].to_numpy(),
            }
        )[self.shared]
        by = held.groupby([self.code[self.shared], self.position[self.shared]], sort=False)
        level, apart = np.zeros(len(held), dtype=bool), np.zeros(len(held), dtype=bool)
        for evidence in ("time", "margin"):
            known = by[evidence].transform("count") == by["mark"].transform("size")
            differ = (by[evidence].transform("max") > by[evidence].transform("min")).to_numpy()
            level |= known.to_numpy() & ~differ
            apart |= differ
        proven = np.zeros(len(self.rows), dtype=bool)
        proven[self.shared] = by["mark"].transform("any").to_numpy() | (level & ~apart)
        return proven


def disagreeing(races: Races, column: str) -> Mask:
    """Return the races whose rows hold more than one value in a race column; a missing value disagrees with none."""
    values, _ = pd.factorize(races.rows[column])
    low = np.full(races.count, np.iinfo(np.int64).max)
    high = np.full(races.count, -1)
    known = values >= 0
    np.minimum.at(low, races.code[known], values[known])
    np.maximum.at(high, races.code[known], values[known])
    return np.asarray(low < high)


def _partly_void(races: Races, _policy: CheckPolicy) -> Mask:
    void = races.number(np.asarray(races.rows["status"].eq(Status.VOID), dtype=bool))
    return np.asarray((void > 0) & (races.number(races.started) > 0))


def _two_winners(races: Races, _policy: CheckPolicy) -> Mask:
    return np.asarray(races.number(races.shared & ~races.proven & (races.position == 1)) > 0)


def _shared_position(races: Races, _policy: CheckPolicy) -> Mask:
    return np.asarray(races.number(races.shared & ~races.proven) > 0)


def _incomplete(races: Races, policy: CheckPolicy) -> Mask:
    """Lost its winner, or most of its starters, to the quarantine: what is left would tell a false story."""
    winnerless = races.number(races.position == 1) == 0
    return np.asarray(((races.lost > 0) & winnerless) | (races.lost > policy.most_lost * races.field))


def _no_winner(races: Races, _policy: CheckPolicy) -> Mask:
    return np.asarray((races.number(races.started) > 0) & (races.number(races.position == 1) == 0))


RACE_RULES: tuple[tuple[str, Callable[[Races, CheckPolicy], Mask]], ...] = (
    ("partly_void", _partly_void),
    ("two_winners", _two_winners),
    ("shared_position", _shared_position),
    ("race_incomplete", _incomplete),
    ("no_winner", _no_winner),
)
"""Race rules in the order in which they are tried, after the agreement of the race columns."""
