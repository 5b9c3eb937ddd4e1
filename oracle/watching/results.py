"""What came of the races of a window: results joined to the cards that were answered, starter by starter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from oracle.features.races import Races, Texts
from oracle.race import STARTED
from oracle.ranking.races import Bools, Floats
from oracle.store import Prediction, RaceResult
from oracle.watching.table import OUTCOME

STARTED_WORDS = frozenset(str(status) for status in STARTED)
TEXT = frozenset(c.name for c in OUTCOME if str(c.type) == "string")


@dataclass(frozen=True)
class Outcomes:
    """The results of some cards."""

    columns: Mapping[str, Floats | Texts]
    """Each column of the result, of each starter of the cards; missing where there is no result yet."""
    odds: Floats
    """float64[N]: final odds; NaN where the result has none."""
    started: Bools
    """bool[N]: False for who was on the card and did not start, as the result says."""
    known: int
    """Races with a result."""
    unmatched: int
    """Races whose result names a starter that was not on the card."""

    @classmethod
    def of(cls, asked: Sequence[Prediction], cards: Races, results: Sequence[RaceResult]) -> Outcomes:
        """Return what the results say of the starters of cards.

        Args:
            asked: The answered cards.
            cards: The same as races.
            results: Of these and other races.
        """
        named = {name: result for result in results for name in (result.place_key, result.race_key)}
        rows: list[Mapping[str, Any]] = [{}] * cards.runners
        started = np.ones(cards.runners, dtype=np.bool_)
        known = unmatched = 0
        for each, (a, b) in zip(asked, pairwise(cards.offsets.tolist()), strict=True):
            result = named.get(each.race_key) or named.get(each.place_key)
            ran = [] if result is None else _ran(result)
            if not ran:
                continue
            found = _matched(cards, a, b, ran)
            if sum(row is not None for row in found) < len(ran):
                unmatched += 1
                continue
            known += 1
            rows[a:b] = [row or {} for row in found]
            started[a:b] = [row is not None for row in found]
        columns = {c.name: _column(rows, c.name) for c in OUTCOME}
        return cls(columns, np.asarray(_column(rows, "odds"), dtype=np.float64), started, known, unmatched)


def _ran(result: RaceResult) -> list[dict[str, Any]]:
    return [row for row in orjson.loads(result.runners) if row.get("status") in STARTED_WORDS]


def _matched(cards: Races, a: int, b: int, ran: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
    """Return the result of each runner of a card, found by id, else by name, else by number; None without one."""
    by: dict[tuple[str, object], Mapping[str, Any]] = {}
    for row in ran:
        for key in _keys(row.get("horse_id"), row.get("horse"), row.get("number")):
            by.setdefault(key, row)
    ids, names, numbers = cards.texts["horse_id"], cards.texts["horse"], cards.numbers["number"]
    found: list[Mapping[str, Any] | None] = []
    for i in range(a, b):
        number = None if np.isnan(numbers[i]) else int(numbers[i])
        found.append(next((by[key] for key in _keys(ids[i], names[i], number) if key in by), None))
    return found


def _keys(horse_id: object, horse: object, number: object) -> list[tuple[str, object]]:
    keys = [("id", horse_id), ("horse", str(horse or "").casefold() or None), ("number", number)]
    return [key for key in keys if key[1] is not None]


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats | Texts:
    if name in TEXT:
        texts = np.empty(len(rows), dtype=object)
        texts[:] = [row.get(name) for row in rows]
        return texts
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows], dtype=np.float64)
