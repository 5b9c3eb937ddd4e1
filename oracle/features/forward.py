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
from typing import Any

import numpy as np
import pandas as pd

from oracle.data.sources.base import DTYPES
from oracle.features.races import Races, Texts, from_frame, joined
from oracle.features.state import KINDS, State
from oracle.ranking.market import MULTIPLICATIVE

TAIL = 250
"""Latest races that can be told late or anew without walking from the beginning: days of a busy country."""


@dataclass(frozen=True, eq=False)
class Told:
    """The latest result of one race."""

    key: str
    """What stays the same when the race is told again."""
    seq: int
    """Which telling of all: the larger is the later."""
    races: Races
    """The race; none where nobody started (void, or all withdrawn)."""

    @property
    def order(self) -> tuple[float, str]:
        """Where the race stands in a walk: off time, then race id."""
        return float(self.races.off[0]), str(self.races.texts["race_id"][0])

    @property
    def horses(self) -> frozenset[str]:
        """Ids of the starters; the name where there is no id."""
        return frozenset(_horses(self.races))


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
    nobody = races.slice(0, 0)
    return [
        Told(each.key, each.seq, races.slice(at[each.key], at[each.key] + 1) if each.key in at else nobody)
        for each in latest.values()
    ]


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(DTYPES))
    moments = {name: pd.to_datetime(frame[name], utc=name == "off", format="ISO8601") for name in ("off", "date")}
    flags = {name: frame[name].eq(True) for name, kind in DTYPES.items() if kind == "bool"}  # missing is not true
    return frame.assign(**moments, **flags).astype(dict(DTYPES))


@dataclass(frozen=True, eq=False)
class Forward:
    """A base state, the later races told so far, and the state after all of them."""

    base: State
    races: tuple[Told, ...] = ()
    """Later than the base and folded in, in order."""
    known: tuple[Told, ...] = ()
    """Within the base's own time, and in it."""
    waiting: tuple[Told, ...] = ()
    """Within the base's own time and not in it: only another training can take them in at their place."""
    state: State = field(default=None)  # type: ignore[assignment]  # the base, where nothing was told
    checkpoint: tuple[int, State] = field(default=None)  # type: ignore[assignment]
    """A state on the way, and how many of the races are in it."""

    def __post_init__(self) -> None:
        if self.state is None:
            object.__setattr__(self, "state", self.base)
        if self.checkpoint is None:
            object.__setattr__(self, "checkpoint", (0, self.base))

    def after(self, new: Iterable[Told]) -> Forward:
        """Return what is known once these are told too; of each race the latest telling counts.

        The state is that of one walk over the base's history and `races`, to the last bit, whatever came when.
        """
        latest = {each.key: each for each in (*self.races, *self.known, *self.waiting)}
        for each in new:
            if each.key not in latest or latest[each.key].seq < each.seq:
                latest[each.key] = each
        run = _each_once([each for each in latest.values() if len(each.races)])
        live = tuple(sorted((each for each in run if each.order[0] > self.base.through), key=lambda each: each.order))
        within = [each for each in run if each.order[0] <= self.base.through]
        known = tuple(each for each in within if _knows(self.base, each))
        waiting = tuple(each for each in within if not _knows(self.base, each))
        return replace(self._walked(live), known=known, waiting=waiting)

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
        return Forward(self.base, live, state=_folded(state, live[begin:]), checkpoint=checkpoint)


def _folded(state: State, races: Sequence[Told]) -> State:
    """Return another state that knows these races too."""
    state = state.copy()
    if races:
        state.walk(booked(joined([each.races for each in races]), state))
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


def _each_once(run: Sequence[Told]) -> list[Told]:
    """Return the tellings, of races told under two keys only the later.

    No horse runs in two races at once: what is off at the same time with a horse in common is the same race.
    """
    kept: dict[float, list[Told]] = {}
    for each in sorted(run, key=lambda each: each.seq):
        level = kept.setdefault(each.order[0], [])
        level[:] = [other for other in level if not other.horses & each.horses] + [each]
    return [each for level in kept.values() for each in level]


def _knows(state: State, race: Told) -> bool:
    """Tell whether a race within the time of a state is in it.

    A starter whose latest run is this race proves that it is, one that has not run since proves that it is not. Where
    all of them have run since, nothing is left to tell by, and the history is taken to be whole.
    """
    ledger, off = state.ledgers["horse"], race.order[0]
    names = state.names["horse"]
    at = [ledger.holders.index.get(names.get(horse, horse), -1) for horse in race.horses]
    last = np.array([np.nan if i < 0 else ledger.last[i] for i in at])
    return bool((last == off).any() or (last > off).all())


def _horses(races: Races) -> list[str]:
    return [i or n for i, n in zip(races.texts["horse_id"], races.texts["horse"], strict=True) if i or n]
