"""The form carried forward: results that come in after a training are folded into the state it ended with.

A state is a fold over races in their one order, by off and race id. Nothing in it depends on how the walk was cut:
only what a race *reads* does (no result of a race still being run), and nobody reads here. So a state walked on from
a copy equals, to the last bit, the state of one walk over everything, wherever the copy was taken. Results do not
come in that order: a late one, or a correction of an earlier one, takes the walk back to a state that had not met it.
Pure; states once given are never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from oracle.data.sources.base import DTYPES
from oracle.features.races import Races, Texts, from_frame, joined
from oracle.features.state import KINDS, State
from oracle.ranking.market import MULTIPLICATIVE

TAIL = 250
"""Latest races that can be told late or anew without walking from the beginning: days of a busy country."""


class Standing(StrEnum):
    """What a told race is to a base state."""

    LIVE = "live"
    """Later than all the base knows: folded in."""
    KNOWN = "known"
    """Within the base's own time, and in it."""
    WAITING = "waiting"
    """Within the base's own time and not in it: only another training can take it in at its place."""
    VOID = "void"
    """Nobody started."""


@dataclass(frozen=True, eq=False)
class Told:
    """The latest result of one race."""

    key: str
    """What stays the same when the race is told again: its id in a walk."""
    seq: int
    """Which telling of all: the larger is the later."""
    off: float
    """Off time, seconds since 1970 UTC; NaN where nobody started."""
    horses: frozenset[str]
    """Ids and names of the starters: two sources of a race may have only one of them in common."""
    starters: int
    races: Races | None
    """The race, as long as it is to be walked."""

    def is_race_of(self, other: Told) -> bool:
        """Tell whether both are tellings of one race: off at the same time, half of the smaller field in common.

        No horse runs in two races at once; a name, or a number of another source, may be borne by two.
        """
        common = len(self.horses & other.horses)
        return self.off == other.off and 2 * common >= min(self.starters, other.starters)

    @property
    def order(self) -> tuple[float, str]:
        """Where the race stands in a walk."""
        return self.off, self.key


@dataclass(frozen=True)
class Telling:
    """The result of a race as it comes out of a store."""

    key: str
    """What stays the same when the race is told again."""
    seq: int
    """The larger is the later."""
    runners: Sequence[Mapping[str, Any]]
    """Canonical rows (`oracle.race.COLUMNS`), in the order of the card. The id of a participant may be missing: it is
    then the one that its name last ran under."""


def told(tellings: Iterable[Telling], overround: str = MULTIPLICATIVE) -> list[Told]:
    """Return the results of races, of each race the latest telling.

    Args:
        tellings: In any order.
        overround: How the margin is taken out of the odds.
    """
    latest: dict[str, Telling] = {}
    for each in tellings:
        if each.key not in latest or latest[each.key].seq < each.seq:
            latest[each.key] = each
    rows = [{**row, "race_id": each.key} for each in latest.values() for row in each.runners]
    races = from_frame(_frame(rows), overround)
    at = {key: i for i, key in enumerate(races.texts["race_id"][races.offsets[:-1]])}
    return [
        _told(each, races.slice(at[each.key], at[each.key] + 1).alone()) if each.key in at else _void(each)
        for each in latest.values()
    ]


def _told(telling: Telling, race: Races) -> Told:
    horses = frozenset((*race.texts["horse_id"], *race.texts["horse"])) - {None}
    return Told(telling.key, telling.seq, float(race.off[0]), horses, race.runners, race)


def _void(telling: Telling) -> Told:
    return Told(telling.key, telling.seq, np.nan, frozenset(), 0, None)


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(DTYPES))
    moments = {name: pd.to_datetime(frame[name], utc=name == "off", format="ISO8601") for name in ("off", "date")}
    flags = {name: frame[name].eq(True) for name, kind in DTYPES.items() if kind == "bool"}  # missing is not true
    return frame.assign(**moments, **flags).astype(dict(DTYPES))


def later(base: State, tellings: Iterable[Told]) -> tuple[Told, ...]:
    """Return the races that are folded into a state, in the order in which they are."""
    live = (each for each in tellings if _standing(base, each) is Standing.LIVE)
    return tuple(sorted(_each_once(live), key=lambda each: each.order))


@dataclass(frozen=True, eq=False)
class Forward:
    """A base state, what was told of races since, and the state after all of them."""

    base: State
    state: State
    checkpoint: tuple[int, State]
    """A state on the way, and how many of the races are in it."""
    races: tuple[Told, ...] = ()
    """The races that are folded in, in order."""
    latest: Mapping[str, tuple[Told, Standing]] = field(default_factory=dict)
    """The latest telling of every race."""

    @classmethod
    def of(cls, base: State) -> Forward:
        """Return what is known before anything was told."""
        return cls(base, base, (0, base))

    def keys(self, standing: Standing) -> tuple[str, ...]:
        """Return the keys of the races of that standing, in the order in which they were first told."""
        return tuple(key for key, (_, its) in self.latest.items() if its is standing)

    def after(self, new: Iterable[Told]) -> Forward:
        """Return what is known once these are told too; of each race the latest telling counts.

        The state is that of one walk over the base's history and `races`, to the last bit, whatever came when.
        """
        latest = dict(self.latest)
        for each in new:
            if each.key not in latest or latest[each.key][0].seq < each.seq:
                standing = _standing(self.base, each)
                latest[each.key] = (each if standing is Standing.LIVE else replace(each, races=None), standing)
        live = _each_once(each for each, standing in latest.values() if standing is Standing.LIVE)
        return replace(self._walked(tuple(sorted(live, key=lambda each: each.order))), latest=latest)

    def _walked(self, live: tuple[Told, ...]) -> Forward:
        """Return what is known after these races, from the latest state that none of the changes lies before."""
        same = _common(self.races, live)
        if same == len(self.races) == len(live):
            return self
        checkpoint = self.checkpoint if self.checkpoint[0] <= same else (0, self.base)
        keep = len(live) - TAIL
        if keep - checkpoint[0] >= TAIL:
            begin, state = checkpoint
            checkpoint = (keep, _folded(state, live[begin:keep]))
        begin, state = (len(self.races), self.state) if same == len(self.races) else checkpoint
        return Forward(self.base, _folded(state, live[begin:]), checkpoint, live)


def _folded(state: State, races: Sequence[Told]) -> State:
    """Return another state that knows these races too."""
    state = state.copy()
    if races:
        state.walk(booked(joined([each.races for each in races if each.races is not None]), state))
    return state


def booked(races: Races, state: State) -> Races:
    """Return the races with every missing id filled in as a card's would be: the id the name last ran under.

    Args:
        races: Races in order, later than the state.
        state: What is known before the first of them; not changed.
    """
    filled = {
        f"{kind}_id": _filled(races.texts[f"{kind}_id"], races.texts[kind], state.names[kind])
        for kind in KINDS
        if None in races.texts[f"{kind}_id"]
    }
    return replace(races, texts={**races.texts, **filled}, _codes={}) if filled else races


def _filled(ids: Texts, names: Texts, before: Mapping[str, str]) -> Texts:
    out, since = ids.copy(), dict[str, str]()
    for at, (given, name) in enumerate(zip(ids, names, strict=True)):
        if name is None:
            continue
        if given is None:
            out[at] = since.get(name) or before.get(name, name)
        elif given != name:
            since[name] = given
    return out


def _common(one: Sequence[Told], other: Sequence[Told]) -> int:
    """Return how many tellings both begin with."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a is not b:
            return at
    return min(len(one), len(other))


def _each_once(live: Iterable[Told]) -> list[Told]:
    """Return the tellings, of a race told under two keys only the later."""
    kept: dict[float, list[Told]] = {}
    for each in sorted(live, key=lambda each: each.seq):
        level = kept.setdefault(each.off, [])
        level[:] = [*(other for other in level if not other.is_race_of(each)), each]
    return [each for level in kept.values() for each in level]


def _standing(base: State, race: Told) -> Standing:
    """Return what a race is to a base state.

    Within the base's time, a starter whose latest run is this race proves that it is known, one that has not run since
    proves that it is not. Where all of them have run since, nothing is left to tell by, and the history is taken to be
    whole.
    """
    if race.races is None:
        return Standing.VOID
    if race.off > base.through:
        return Standing.LIVE
    ledger = base.ledgers["horse"]
    ids, names = race.races.texts["horse_id"], race.races.texts["horse"]
    booked_as = (base.alias("horse", given, name) for given, name in zip(ids, names, strict=True))
    at = [ledger.holders.index.get(horse or "", -1) for horse in booked_as]
    last = np.array([np.nan if i < 0 else ledger.last[i] for i in at])
    return Standing.KNOWN if (last == race.off).any() or (last > race.off).all() else Standing.WAITING
