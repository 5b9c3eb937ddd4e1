"""The live window: what one version was asked and answered lately, and what came of it, as a drift table.

Of each race the last card before the off counts, with the answer as it was given. Features are computed anew, by the
walk that training takes: from the state that the model was saved with through every result that the store knows, each
card as of its off. The features that were served were fingerprinted when they were served; where both differ, and no
late result explains it, training and serving have come apart, and that is a finding of its own.

Nothing that happened after `now` is looked at, so a window of the past can be asked for at any time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from oracle.ensemble.race_model import FEATURE_SET, RaceModel
from oracle.features import build
from oracle.features.forward import Telling, Told, booked, later, told
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races, from_cards, joined
from oracle.features.state import KINDS, State
from oracle.progress import Progress, silent
from oracle.race import RaceCard
from oracle.ranking.races import Bools, Floats, offsets_of, sum_by_race
from oracle.serving.body import read_card
from oracle.store import Prediction, RaceResult, Store
from oracle.watching import table
from oracle.watching.results import Outcomes
from oracle.watching.skew import Skew, compared
from oracle.watching.table import Said

DAYS = 90
"""How far back a window goes, unless it is told."""
LONG_AGO = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Live:
    """A window of served predictions."""

    table: pa.Table
    """One row per starter: `oracle.watching.table`; races without a result yet have none of its columns."""
    races: int
    with_result: int
    unmatched: int
    """Races whose result names a starter that was not on the card: their result is left out."""
    skew: Skew
    """How the features that were served compare with those of the walk."""
    first: dt.datetime | None = None
    """Off of the first race."""
    last: dt.datetime | None = None
    through: int = 0
    """Number of the last result that was looked at."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, without the table."""
        return {
            "races": self.races,
            "rows": self.table.num_rows,
            "with_result": self.with_result,
            "unmatched": self.unmatched,
            "from": None if self.first is None else self.first.isoformat(),
            "to": None if self.last is None else self.last.isoformat(),
            "serving_skew": self.skew.as_dict(),
        }


def window(
    store: Store,
    model: RaceModel,
    version: str,
    now: dt.datetime,
    *,
    since: dt.datetime | None = None,
    races: int | None = None,
    progress: Progress = silent,
) -> Live:
    """Return the races that a version answered lately.

    Races that the state of the model knows already are left out: an answer to them had hindsight.

    Args:
        store: Where predictions and results are.
        model: The version, as it was saved.
        version: Its number in the registry.
        now: The moment of the check; neither races off later nor results and answers that came later are looked at.
        since: Begin of the window; by default `DAYS` before `now`, or the model's own beginning where `races` is given.
        races: So many races at most, the latest.
        progress: Told of the walk.

    Raises:
        Unavailable: the store did not answer.
    """
    known = LONG_AGO if np.isneginf(model.state.through) else dt.datetime.fromtimestamp(model.state.through, dt.UTC)
    begin = since or (known if races is not None else now - dt.timedelta(days=DAYS))
    asked = store.predictions.last_of_races(version, max(begin, known), now, races)
    if not asked:
        return Live(_empty(), 0, 0, 0, Skew())
    results = store.results.known(now, known)
    told_of = later(model.state, told((_telling(each) for each in results), model.about.overround))
    cards, matrix = _walked(model, [_card(each) for each in asked], told_of, progress)
    said = _said(asked, version)
    skew = compared(asked, matrix, told_of)
    outcomes = Outcomes.of(asked, cards, results)
    started = outcomes.started
    before = cards.offsets
    cards, matrix = _only(cards, started), _rows(matrix, started)
    said = _among(said, started, before, cards.offsets)
    odds = np.where(np.isnan(outcomes.odds[started]), cards.numbers["odds"], outcomes.odds[started])
    cards = replace(cards, numbers={**cards.numbers, "odds": odds}, _codes={})
    done = table.of(cards, matrix, said, {name: values[started] for name, values in outcomes.columns.items()})
    through = results[-1].seq if results else 0
    return Live(done, len(asked), outcomes.known, outcomes.unmatched, skew, asked[0].off, asked[-1].off, through)


def _empty() -> pa.Table:
    return pa.schema([*table.SCHEMA, *table.SAID]).empty_table()


def _telling(result: RaceResult) -> Telling:
    return Telling(result.race_key, result.seq, orjson.loads(result.runners))


def _card(asked: Prediction) -> RaceCard:
    return replace(read_card(asked.card.encode()).as_card(), race_id=asked.race_key)


def _walked(
    model: RaceModel, cards: Sequence[RaceCard], told_of: Sequence[Told], progress: Progress
) -> tuple[Races, RaceMatrix]:
    """Return the cards as races, in their order, with the features that the walk reads at their off."""
    state = model.state.copy()
    run = [each.races for each in told_of if each.races is not None]
    past = [booked(joined(run), state)] if run else []
    asked = from_cards(cards, _Alias(state, past[0] if past else None), model.about.overround)
    together = joined([*past, asked])
    order = np.argsort(together.off, kind="stable")
    is_card = np.arange(len(together)) >= len(together) - len(asked)
    walked = build.history(_ordered(together, order), FEATURE_SET, state, progress, cards=is_card[order])
    return asked, walked.take(is_card[order])


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


def _ordered(races: Races, order: np.ndarray) -> Races:
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


def _said(asked: Sequence[Prediction], version: str) -> Said:
    """Return what was answered of each starter, in the order of the cards."""
    answers = [orjson.loads(each.answer) for each in asked]
    runners = [[r for r in answer["runners"] if not r["withdrawn"]] for answer in answers]
    column = {n: np.array([r[n] for own in runners for r in own], dtype=np.float64) for n in table.PREDICTION}
    ensemble = np.array([answer["ensemble"] for answer in answers], dtype=object)
    return Said(**column, ensemble=np.repeat(ensemble, [len(own) for own in runners]), version=version)


def _only(races: Races, kept: Bools) -> Races:
    """Return the races without some of their runners."""
    return replace(
        races,
        offsets=_left(races.offsets, kept),
        numbers={name: values[kept] for name, values in races.numbers.items()},
        texts={name: values[kept] for name, values in races.texts.items()},
        rows=races.rows[kept],
        _codes={},
    )


def _rows(matrix: RaceMatrix, kept: Bools) -> RaceMatrix:
    rows: Mapping[str, Any] = {n: getattr(matrix, n)[kept] for n in ("values", "position", "market", "odds")}
    return replace(matrix, offsets=_left(matrix.offsets, kept), **rows)


def _left(offsets: np.ndarray, kept: Bools) -> np.ndarray:
    return offsets_of(sum_by_race(kept.astype(np.float64), offsets).astype(np.int64))


def _among(said: Said, kept: Bools, before: np.ndarray, offsets: np.ndarray) -> Said:
    """Return the answers of those who started; their chances of winning sum to 1 as before the others withdrew."""
    win: Floats = said.win[kept]
    if not kept.all():
        total = sum_by_race(win, offsets)
        fewer = sum_by_race(said.win * ~kept, before) > 0
        win = win / np.repeat(np.where(fewer & (total > 0), total, 1.0), np.diff(offsets))
    return replace(
        said,
        score=said.score[kept],
        win=win,
        place=said.place[kept],
        rank=said.rank[kept],
        ensemble=said.ensemble[kept],
    )
