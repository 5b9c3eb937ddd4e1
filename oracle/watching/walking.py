"""The walk that gives a card the features training would have: from a saved state through the results told since.

Most of the way is the same at every look. So a walker keeps the state that it had before the first card of a window and
goes on from there at the next one, unless a result from before has come in late or was corrected: then it begins anew.
A state is a fold over races in their order, wherever it is cut, so the numbers are the same to the bit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import orjson

from oracle.ensemble.race_model import FEATURE_SET, RaceModel
from oracle.features import build
from oracle.features.forward import Telling, Told, booked, later, told
from oracle.features.ledger import KNOWN_AFTER
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races, from_cards, joined
from oracle.features.state import KINDS, State
from oracle.progress import Progress, silent
from oracle.race import RaceCard
from oracle.ranking.races import Floats, Ints, offsets_of
from oracle.store import RaceResult, Store

LONG_AGO = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
STRIDE = 100
"""Races by which the kept state moves on at least: each time it is copied."""


@dataclass(frozen=True)
class Folded:
    """Races that are in a state: when they were off, and the number of their result; both in the order of the walk."""

    off: Floats = field(default_factory=lambda: np.zeros(0))
    seq: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __add__(self, races: Sequence[Told]) -> Folded:
        """Return these and later ones."""
        off, seq = [each.off for each in races], [each.seq for each in races]
        return Folded(np.concatenate([self.off, off]), np.concatenate([self.seq, np.array(seq, dtype=np.int64)]))


@dataclass(frozen=True)
class _Reached:
    """A state on the way."""

    state: State
    through: dt.datetime
    """Off of the last race in it."""
    at: dt.datetime = LONG_AGO
    """The moment whose results it knows, and the number of the last of them."""
    seq: int = 0
    folded: Folded = field(default_factory=Folded)


@dataclass(frozen=True)
class Walked:
    """Cards with the features that the walk reads at their off."""

    cards: Races
    matrix: RaceMatrix
    folded: Folded
    """What the walk learned from."""
    results: Sequence[RaceResult]
    """The results of at least all races of the window."""
    seq: int
    """Number of the last result that was looked at."""


def known_through(model: RaceModel) -> dt.datetime:
    """Return the off of the last race that the saved state of a model knows."""
    through = model.state.through
    return LONG_AGO if np.isneginf(through) else dt.datetime.fromtimestamp(through, dt.UTC)


class Walker:
    """Walks for one version, window after window; not for several threads at once.

    Args:
        model: The version, as it was saved.
    """

    def __init__(self, model: RaceModel) -> None:
        self._model = model
        self._base = self._reached = _Reached(model.state, known_through(model))

    def read(self, store: Store, cards: Sequence[RaceCard], now: dt.datetime, progress: Progress = silent) -> Walked:
        """Return the features of cards, each as of its off.

        Args:
            store: Where the results are.
            cards: At least one, in the order of their offs, later than the model's state.
            now: Results that came in later are not looked at.
            progress: Told of the walk.
        """
        before = cards[0].off - dt.timedelta(seconds=KNOWN_AFTER)
        begin = self._from(store, before, now)
        results = store.results.known(now, begin.through)
        seq = max(begin.seq, results[-1].seq if results else 0)
        races = later(begin.state, told((_telling(each) for each in results), self._model.about.overround))
        ahead = sum(each.off <= before.timestamp() for each in races)
        if ahead >= STRIDE:
            last = dt.datetime.fromtimestamp(races[ahead - 1].off, dt.UTC)
            state = begin.state.copy()
            state.walk(booked(_joined(races[:ahead]), state))
            begin = self._reached = _Reached(state, last, now, seq, begin.folded + races[:ahead])
            races = races[ahead:]
        asked, matrix = self._together(begin.state.copy(), races, cards, progress)
        return Walked(asked, matrix, begin.folded + races, results, seq)

    def _from(self, store: Store, before: dt.datetime, now: dt.datetime) -> _Reached:
        """Return the state that is kept if it is early enough and nothing before it has changed, else the saved one."""
        kept = self._reached
        if kept is self._base or kept.through > before or kept.at > now:
            return self._base
        changed = store.results.changed(kept.through, kept.seq, kept.at, now)
        return self._base if changed else kept

    def _together(
        self, state: State, races: Sequence[Told], cards: Sequence[RaceCard], progress: Progress
    ) -> tuple[Races, RaceMatrix]:
        past = [booked(_joined(races), state)] if races else []
        asked = from_cards(cards, _Alias(state, past[0] if past else None), self._model.about.overround)
        together = joined([*past, asked])
        order = np.argsort(together.off, kind="stable")
        is_card = np.arange(len(together)) >= len(together) - len(asked)
        walked = build.history(_ordered(together, order), FEATURE_SET, state, progress, cards=is_card[order])
        return asked, walked.take(is_card[order])


def _telling(result: RaceResult) -> Telling:
    return Telling(result.race_key, result.seq, orjson.loads(result.runners))


def _joined(races: Sequence[Told]) -> Races:
    return joined([each.races for each in races if each.races is not None])


class _Alias:
    """Finds the id that a participant of a card is booked under, as the served state does."""

    def __init__(self, state: State, past: Races | None) -> None:
        self._state = state
        self._names: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        self._ids: dict[str, frozenset[str]] = dict.fromkeys(KINDS, frozenset())
        if past is not None:
            for kind in KINDS:
                ids, names = past.texts[f"{kind}_id"], past.texts[kind]
                self._names[kind] = {n: i for n, i in zip(names, ids, strict=True) if n and i and n != i}
                self._ids[kind] = frozenset(i for i in ids if i is not None)

    def __call__(self, kind: str, given: str | None, name: str | None) -> str | None:
        known = self._ids[kind]
        if given is None:
            return self._names[kind].get(name or "") or self._state.alias(kind, None, name)
        if given in known:
            return given
        if name in known and given not in self._state.ledgers[kind].holders.index:
            return name
        return self._state.alias(kind, given, name)


def _ordered(races: Races, order: Ints) -> Races:
    """Return the races in another order."""
    sizes = np.diff(races.offsets)
    rows = np.concatenate([np.arange(races.offsets[r], races.offsets[r + 1]) for r in order])
    return replace(
        races,
        offsets=offsets_of(sizes[order]),
        off=races.off[order],
        day=races.day[order],
        numbers={name: values[rows] for name, values in races.numbers.items()},
        texts={name: values[rows] for name, values in races.texts.items()},
        rows=races.rows[rows],
        _codes={},
    )
