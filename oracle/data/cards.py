"""Race cards out of the runner table: what was known of a race before it was run.

Results are left behind, so a card made from history can be put to a model as if the race were still to come. Odds and
late withdrawals stay, because they are known at the off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from oracle.errors import BadInput
from oracle.race import GOINGS, RaceCard, Runner, Sex, Status, Surface

_OF_RUNNER = tuple(f.name for f in fields(Runner) if f.name != "withdrawn")
_OF_RACE = tuple(f.name for f in fields(RaceCard) if f.name != "runners")


WORDS: dict[str, Collection[str]] = {"going": GOINGS, "surface": list(Surface), "sex": list(Sex)}
"""Columns whose words the API knows; results may hold others."""


def plain(column: pd.Series) -> list[Any]:
    """Return the values as Python's own types, None where they are missing."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return [None if pd.isna(v) else v.to_pydatetime() for v in column]
    return [None if gone else v for v, gone in zip(column.tolist(), column.isna().tolist(), strict=True)]


def _card(race: Mapping[str, Any], runners: Iterable[Mapping[str, Any]]) -> RaceCard:
    return RaceCard(**{c: race[c] for c in _OF_RACE if c in race}, runners=tuple(Runner(**r) for r in runners))


def cards_of(frame: pd.DataFrame) -> Iterator[RaceCard]:
    """Yield the card of each race of a runner table, in the order in which the races first appear.

    Args:
        frame: Rows of the canonical table (`oracle.race.COLUMNS`); optional columns may be absent.
    """
    code, ids = pd.factorize(frame["race_id"])
    order = np.argsort(code, kind="stable")
    frame = frame.iloc[order]
    races = {c: plain(frame[c]) for c in _OF_RACE if c in frame}
    runners = {c: plain(frame[c]) for c in _OF_RUNNER if c in frame}
    runners["withdrawn"] = frame["status"].eq(Status.WITHDRAWN).tolist()
    begins = np.searchsorted(code[order], np.arange(len(ids) + 1)).tolist()
    for first, end in pairwise(begins):
        rows = ({c: v[i] for c, v in runners.items()} for i in range(first, end))
        yield _card({c: v[first] for c, v in races.items()}, rows)


def card_of(frame: pd.DataFrame, race_id: str) -> RaceCard:
    """Return the card of one race of a runner table.

    Args:
        frame: Rows of the canonical table.
        race_id: Which race.

    Raises:
        BadInput: the table has no such race.
    """
    rows = frame[frame["race_id"] == race_id]
    if rows.empty:
        some = frame["race_id"].drop_duplicates().head(3).tolist()
        raise BadInput("no such race", value=race_id, allowed=f"ids such as {', '.join(map(str, some)) or 'none'}")
    return next(cards_of(rows))


def message(found: RaceCard, *, odds: bool = True) -> dict[str, Any]:
    """Return a card as the body of POST /v1/predict; what is not known, or is no word of ours, is left out."""

    def kept(values: dict[str, Any]) -> dict[str, Any]:
        return {
            k: v
            for k, v in values.items()
            if v is not None and v is not False and (odds or k != "odds") and v in WORDS.get(k, (v,))
        }

    whole = kept(asdict(found))
    whole["off"] = found.off.isoformat()
    whole["runners"] = [kept(asdict(runner)) for runner in found.runners]
    return whole
