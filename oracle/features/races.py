"""Races as arrays: the one form in which features see a history of results and a card that has not been run.

A frame of the canonical runner table and a list of cards become the same value, so that every feature is written once
and cannot differ between training and serving.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from oracle.errors import BadCard
from oracle.race import COLUMNS, GOINGS, STARTED, RaceCard
from oracle.ranking.market import MULTIPLICATIVE, REMOVALS
from oracle.ranking.races import Floats, Ints

Texts = npt.NDArray[np.object_]

NUMBERS: tuple[str, ...] = tuple(
    c.name for c in COLUMNS if str(c.type) in {"int16", "int32", "double", "bool"} and c.name != "off_estimated"
)
TEXTS: tuple[str, ...] = tuple(c.name for c in COLUMNS if str(c.type) == "string")

EPOCH = dt.date(1970, 1, 1)

_OF_CARD = ("going", "course", "country", "race_type", "surface", "track", "race_class", "race_id", "race_name")
_OF_CARD_NUMBERS = ("distance_m", "prize", "race_number")
_OF_RUNNER = ("horse", "jockey", "trainer", "sex", "gear", "sire", "horse_id", "jockey_id", "trainer_id")
_OF_RUNNER_NUMBERS = ("number", "draw", "weight_kg", "body_weight_kg", "age", "official_rating", "odds")
_CARD, _CARD_NUMBERS = attrgetter(*_OF_CARD), attrgetter(*_OF_CARD_NUMBERS)
_RUNNER, _RUNNER_NUMBERS = attrgetter(*_OF_RUNNER), attrgetter(*_OF_RUNNER_NUMBERS)


@dataclass(frozen=True)
class Races:
    """Starters of some races in contiguous rows, races ordered by off time.

    Withdrawn runners are not in it: they neither run nor count in the field.
    """

    offsets: Ints
    """int64[R + 1]: race r lies in rows offsets[r] to offsets[r + 1]."""
    off: Floats
    """float64[R]: off time, seconds since 1970 UTC."""
    day: Ints
    """int64[R]: local calendar date of the meeting, days since 1970."""
    numbers: Mapping[str, Floats]
    """float64[N] per numeric column; NaN where missing."""
    texts: Mapping[str, Texts]
    """object[N] per text column; None where missing."""
    rows: Ints
    """int64[N]: which row of the frame (or declared runner of the cards) each starter was."""
    overround: str = MULTIPLICATIVE
    """How the margin is taken out of the odds: a word of `oracle.ranking.market.REMOVALS`."""
    _codes: dict[str, tuple[Ints, Texts]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of races."""
        return len(self.off)

    @property
    def runners(self) -> int:
        """Number of starters over all races."""
        return int(self.offsets[-1])

    @cached_property
    def race(self) -> Ints:
        """int64[N]: index of each runner's race."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    @cached_property
    def field_size(self) -> Floats:
        """float64[N]: number of starters in the runner's race."""
        sizes = np.diff(self.offsets)
        return np.repeat(sizes, sizes).astype(np.float64)

    @cached_property
    def off_of_runner(self) -> Floats:
        """float64[N]: off time of the runner's race."""
        return np.repeat(self.off, np.diff(self.offsets))

    @cached_property
    def market(self) -> Floats:
        """float64[N]: the market's win probability, overround removed; NaN where a starter of the race lacks odds."""
        return REMOVALS[self.overround](self.numbers["odds"], self.offsets)

    @cached_property
    def wetness(self) -> Floats:
        """float64[N]: going on the scale of `oracle.race.GOINGS`; NaN where unknown."""
        codes, words = self.codes("going")
        scale = np.array([GOINGS.get(str(w), np.nan) for w in words] + [np.nan])
        return scale[codes]

    def codes(self, name: str) -> tuple[Ints, Texts]:
        """Return a text column as (int64[N] codes, the distinct texts); -1 where missing."""
        if name not in self._codes:
            self._codes[name] = _factorised(self.texts[name])
        return self._codes[name]

    def slice(self, first: int, last: int) -> Races:
        """Return races first to last (exclusive) as a value of their own."""
        a, b = int(self.offsets[first]), int(self.offsets[last])
        return Races(
            offsets=self.offsets[first : last + 1] - a,
            off=self.off[first:last],
            day=self.day[first:last],
            numbers={k: v[a:b] for k, v in self.numbers.items()},
            texts={k: v[a:b] for k, v in self.texts.items()},
            rows=self.rows[a:b],
            overround=self.overround,
        )

    def alone(self) -> Races:
        """Return the same races in arrays of their own, which keep nothing of a longer history in memory."""
        return replace(
            self,
            offsets=self.offsets.copy(),
            off=self.off.copy(),
            day=self.day.copy(),
            numbers={k: v.copy() for k, v in self.numbers.items()},
            texts={k: v.copy() for k, v in self.texts.items()},
            rows=self.rows.copy(),
            _codes={},
        )


def joined(parts: Sequence[Races]) -> Races:
    """Return the races of all parts, one part after the other, as one value.

    Args:
        parts: At least one; whose races together are ordered by off, where the order is to mean something.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    return Races(
        offsets=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        off=np.concatenate([part.off for part in parts]),
        day=np.concatenate([part.day for part in parts]),
        numbers={name: np.concatenate([part.numbers[name] for part in parts]) for name in first.numbers},
        texts={name: np.concatenate([part.texts[name] for part in parts]) for name in first.texts},
        rows=np.concatenate([part.rows for part in parts]),
        overround=first.overround,
    )


FEW = 100
"""Texts up to which a dictionary finds the distinct ones sooner than pandas does."""


def _factorised(texts: Texts) -> tuple[Ints, Texts]:
    if len(texts) > FEW:
        codes, words = pd.factorize(texts, use_na_sentinel=True)
        return codes.astype(np.int64), np.asarray(words, dtype=object)
    at: dict[object, int] = {}
    found = [-1 if text is None or text != text else at.setdefault(text, len(at)) for text in texts.tolist()]
    distinct = np.empty(len(at), dtype=object)
    distinct[:] = list(at)
    return np.array(found, dtype=np.int64), distinct


def _offsets(race_of_row: npt.NDArray[np.generic]) -> Ints:
    """Return where each run of equal values begins, and the end."""
    if not len(race_of_row):
        return np.zeros(1, dtype=np.int64)
    starts = np.flatnonzero(race_of_row[1:] != race_of_row[:-1]) + 1
    return np.concatenate(([0], starts, [len(race_of_row)])).astype(np.int64)


def _text(series: pd.Series) -> Texts:
    values = series.astype(object).to_numpy(dtype=object, copy=True)
    values[pd.isna(series).to_numpy(dtype=bool)] = None
    return values


def from_frame(frame: pd.DataFrame, overround: str = MULTIPLICATIVE) -> Races:
    """Return the starters of a canonical runner frame, ordered by off time, race id and card order.

    Columns that the frame lacks are taken as missing, so that a feature never fails for want of a column. How the
    margin is taken out of the odds goes along with the races.
    """
    started = frame["status"].isin([str(s) for s in STARTED]).to_numpy(dtype=bool)
    kept = np.flatnonzero(started)
    off = frame["off"].to_numpy(dtype="datetime64[s]").astype(np.int64)[kept]
    race_id = pd.factorize(frame["race_id"], sort=True)[0][kept]
    order = np.lexsort((kept, race_id, off))
    kept, off, race_id = kept[order], off[order], race_id[order]
    part = frame.iloc[kept]
    day = pd.to_datetime(part["date"]).to_numpy(dtype="datetime64[D]").astype(np.int64)
    empty = np.full(len(part), np.nan)
    nothing = np.full(len(part), None, dtype=object)
    offsets = _offsets(race_id)
    return Races(
        offsets=offsets,
        off=off[offsets[:-1]].astype(np.float64),
        day=day[offsets[:-1]],
        numbers={
            c: part[c].to_numpy(dtype=np.float64, na_value=np.nan) if c in part.columns else empty for c in NUMBERS
        },
        texts={c: _text(part[c]) if c in part.columns else nothing for c in TEXTS},
        rows=kept.astype(np.int64),
        overround=overround,
    )


Alias = Callable[[str, str | None, str | None], str | None]
"""Given the kind of a participant (horse, jockey, trainer), its id and its name, returns the id it is booked under."""


def own_name(kind: str, given: str | None, name: str | None) -> str | None:  # noqa: ARG001
    """Return the id where there is one, else the name."""
    return given or name


def from_cards(cards: Sequence[RaceCard], alias: Alias = own_name, overround: str = MULTIPLICATIVE) -> Races:
    """Return the starters of cards, in the order of the cards: nothing of a result is in it.

    Args:
        cards: Cards of races not yet run. They need not be in the order of their off times.
        alias: Finds the id that a participant of a card is booked under.
        overround: How the margin is taken out of the odds.

    Raises:
        BadCard: every runner of a card is withdrawn: it has no row to stand on.
    """
    starters = [[r for r in card.runners if not r.withdrawn] for card in cards]
    declared = [not r.withdrawn for card in cards for r in card.runners]
    sizes = [len(own) for own in starters]
    if 0 in sizes:
        raise BadCard(
            "a card has no starter",
            value=cards[sizes.index(0)].race_id,
            allowed="at least one runner that is not withdrawn",
        )
    runners = [r for own in starters for r in own]
    rows = len(runners)
    numbers = dict.fromkeys(NUMBERS, np.full(rows, np.nan))
    numbers |= _block(_OF_RUNNER_NUMBERS, map(_RUNNER_NUMBERS, runners), [1] * rows, np.float64)
    numbers |= _block(_OF_CARD_NUMBERS, map(_CARD_NUMBERS, cards), sizes, np.float64)
    texts = dict.fromkeys(TEXTS, np.full(rows, None, dtype=object))
    texts |= _block(_OF_RUNNER, map(_RUNNER, runners), [1] * rows, np.object_)
    texts |= _block(_OF_CARD, map(_CARD, cards), sizes, np.object_)
    for kind in ("horse", "jockey", "trainer"):
        own_ids = texts[f"{kind}_id"]
        own_ids[:] = [alias(kind, given, name) for given, name in zip(own_ids, texts[kind], strict=True)]
    return Races(
        offsets=np.array([0, *itertools.accumulate(sizes)], dtype=np.int64),
        off=np.array([_seconds(card.off) for card in cards], dtype=np.float64),
        day=np.array([(card.off.date() - EPOCH).days for card in cards], dtype=np.int64),
        numbers=numbers,
        texts=texts,
        rows=np.flatnonzero(declared).astype(np.int64),
        overround=overround,
    )


def _block(
    names: tuple[str, ...], rows: Iterable[tuple[object, ...]], times: list[int], kind: type[np.generic]
) -> dict[str, npt.NDArray[Any]]:
    """Return by name what is known of each, so many times; None becomes NaN among numbers."""
    told = np.array(list(zip(*rows, strict=True)), dtype=kind).reshape(len(names), len(times))
    return dict(zip(names, told if max(times, default=1) == 1 else np.repeat(told, times, axis=1), strict=True))


def _seconds(moment: dt.datetime) -> float:
    return float(int(moment.timestamp()))
