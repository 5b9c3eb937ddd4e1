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

from oracle.ensemble.race_model import RaceModel
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races
from oracle.progress import Progress, silent
from oracle.race import RaceCard
from oracle.ranking.races import Bools, Floats, offsets_of, sum_by_race
from oracle.serving.body import read_card
from oracle.store import Prediction, Store
from oracle.watching import table
from oracle.watching.results import Outcomes
from oracle.watching.skew import Skew, compared
from oracle.watching.table import Said
from oracle.watching.walking import Walker, known_through

DAYS = 90
"""How far back a window goes, unless it is told."""


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
    walker: Walker | None = None,
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
        walker: Of this model, where windows are asked for again and again: the way before them is then walked once.
        progress: Told of the walk.

    Raises:
        Unavailable: the store did not answer.
    """
    known = known_through(model)
    begin = since or (known if races is not None else now - dt.timedelta(days=DAYS))
    asked = store.predictions.last_of_races(version, max(begin, known), now, races)
    if not asked:
        return Live(_empty(), 0, 0, 0, Skew())
    walked = (walker or Walker(model)).read(store, [_card(each) for each in asked], now, progress)
    cards, matrix, said = walked.cards, walked.matrix, _said(asked, version)
    skew = compared(asked, matrix, walked.folded)
    outcomes = Outcomes.of(asked, cards, walked.results)
    started = outcomes.started
    before = cards.offsets
    cards, matrix = _only(cards, started), _rows(matrix, started)
    said = _among(said, started, before, cards.offsets)
    odds = np.where(np.isnan(outcomes.odds[started]), cards.numbers["odds"], outcomes.odds[started])
    cards = replace(cards, numbers={**cards.numbers, "odds": odds}, _codes={})
    done = table.of(cards, matrix, said, {name: values[started] for name, values in outcomes.columns.items()})
    ends = asked[0].off, asked[-1].off
    return Live(done, len(asked), outcomes.known, outcomes.unmatched, skew, *ends, walked.seq)


def _empty() -> pa.Table:
    return pa.schema([*table.SCHEMA, *table.SAID]).empty_table()


def _card(asked: Prediction) -> RaceCard:
    return replace(read_card(asked.card.encode()).as_card(), race_id=asked.race_key)


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
