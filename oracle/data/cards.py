"""Race cards out of the runner table: what was known of a race before it was run.

Results are left behind, so a card made from history can be put to a model as if the race were still to come. Odds and
late withdrawals stay, because they are known at the off.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from oracle.errors import BadInput
from oracle.race import RaceCard, Runner, Status

_OF_RUNNER = tuple(f.name for f in fields(Runner) if f.name != "withdrawn")
_OF_RACE = tuple(f.name for f in fields(RaceCard) if f.name != "runners")


def _plain(value: Any) -> Any:
    """Return the value as Python's own type, None where it is missing."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


def _values(row: Mapping[Hashable, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(row[name]) for name in wanted if name in row}


def _card(rows: pd.DataFrame) -> RaceCard:
    records = rows.to_dict("records")
    runners = (Runner(**_values(r, _OF_RUNNER), withdrawn=r["status"] == Status.WITHDRAWN) for r in records)
    return RaceCard(**_values(records[0], _OF_RACE), runners=tuple(runners))


def cards_of(frame: pd.DataFrame) -> Iterator[RaceCard]:
    """Yield the card of each race of a runner table, in the order in which the races first appear.

    Args:
        frame: Rows of the canonical table (`oracle.race.COLUMNS`); optional columns may be absent.
    """
    for _, rows in frame.groupby("race_id", sort=False):
        yield _card(rows)


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
    return _card(rows)
