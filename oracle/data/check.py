"""Accept, recognise as a duplicate, or quarantine: every translated row meets exactly one of these fates. Pure.

The fates, in the order in which they are decided:

1. A row that its source could not translate, or that breaks a row rule (`oracle.data.rules.ROW_RULES`), is quarantined
   alone. What is left of its race stands, with the lost starter counted in the field size, as long as the winner and
   at least half of the starters are left; otherwise the race goes too (`race_incomplete`).
2. A row equal to an earlier one in every canonical column is a duplicate.
3. The same horse twice in one race with different content contradicts itself: no row says which is right, so all of
   them are quarantined (`duplicate_runner`). Where a later file tells a race again, ingest takes it for a correction.
4. A race that contradicts itself is quarantined whole: race columns that disagree, void and run at once, two winners
   or a shared position without proof of a dead heat, no winner although somebody started. One of two winners is wrong,
   and whichever is kept, the horses behind it would be taught a false result.

A shared position is a dead heat where the source marks it, or where time or margin are level and neither is apart. That
the next position is skipped proves nothing: a slip of a key leaves the same gap. Odds of exactly 1 are a real
pari-mutuel return (the stake comes back) and are accepted; gaps in the positions are noted only. A walkover, and a race
whose runners were all withdrawn, are real races that teach nothing; they are accepted as they are. A word for going,
surface or sex that we do not know is kept and counted, and an impossible rating is emptied and counted: neither makes
the result untrue.

Accepted rows stand in the order of the card (saddle number, then horse id), never in the order of the file: most
layouts list the result from first to last, and a row order that knows the result leaks it into every model that breaks
ties by position.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from oracle.data.fingerprint import row_hashes
from oracle.data.rules import (
    AGREE,
    OPEN_WORDS,
    RACE_RULES,
    RATINGS,
    ROW_RULES,
    Races,
    Rule,
    disagreeing,
    foreign,
    impossible_ratings,
)
from oracle.data.sources.base import DTYPES, Batch
from oracle.race import COLUMNS, STARTED, Status
from oracle.settings import CheckPolicy

CONTENT = tuple(c.name for c in COLUMNS if c.name != "field_size")
"""What makes two raw rows the same row; the field size is counted here, whatever the source says."""

NON_STARTERS = [str(status) for status in Status if status not in STARTED]

Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Reasons = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Checked:
    """The fates of the rows of a batch; the three sets of positions are disjoint and cover it.

    Attributes:
        accepted: Canonical rows of whole races, by off, race_id and card; field_size counted, dead_heat verified.
        accepted_at: Positions in the batch of the accepted rows, in the same order.
        duplicates: Positions in the batch of rows that say the same as an earlier one, ascending.
        quarantined: Positions in the batch of the refused rows, ascending.
        reasons: Why, as `code: detail`, for each position in `quarantined`.
        notes: What was accepted although it is odd, and what was filled in: code to number of rows.
    """

    accepted: pd.DataFrame
    accepted_at: Positions
    duplicates: Positions
    quarantined: Positions
    reasons: tuple[str, ...]
    notes: Mapping[str, int]


def code_of(reason: str) -> str:
    """Return the part of a reason that is counted.

    >>> code_of("impossible_weight: weight_kg=12.0")
    'impossible_weight'
    """
    return reason.split(":", 1)[0].strip()


def check(batch: Batch, now: dt.datetime, policy: CheckPolicy | None = None) -> Checked:
    """Return the fate of every row of the batch; the same rows in any order meet the same fates.

    Args:
        batch: Translated rows; a race whose rows stand in two batches is judged as two races.
        now: The moment of judgement, with a time zone: a race dated later cannot have been run.
        policy: The limits; the built-in ones by default.
    """
    policy = policy or CheckPolicy()
    rows, emptied = _without_impossible_ratings(batch.rows.reset_index(drop=True).astype(dict(DTYPES)), policy)
    reasons = _row_reasons(rows, batch.reason.to_numpy(dtype=object), now, policy)
    duplicate = _duplicates(rows, reasons)
    _refuse_contradicting_runners(rows, reasons, duplicate)
    races = _group(rows, reasons, duplicate)
    reasons[races.rows.index.to_numpy()] = _race_reasons(races, policy)[races.code]
    accepted, notes = _finish(races, reasons, {code: mask[races.rows.index] for code, mask in emptied.items()})
    refused = ~_open(reasons)
    return Checked(
        accepted=accepted.reset_index(drop=True),
        accepted_at=accepted.index.to_numpy(dtype=np.intp),
        duplicates=np.flatnonzero(duplicate),
        quarantined=np.flatnonzero(refused),
        reasons=tuple(reasons[refused]),
        notes=notes,
    )


def card_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by off and race_id, within a race by saddle number (unnumbered last), then by horse id."""
    return rows.sort_values(["off", "race_id", "number", "horse_id"], kind="stable", na_position="last")


def _without_impossible_ratings(rows: pd.DataFrame, policy: CheckPolicy) -> tuple[pd.DataFrame, dict[str, Mask]]:
    """Return the rows with impossible ratings emptied, and where that was done, by the code of the note."""
    found = {column: impossible_ratings(rows, column, policy) for column in RATINGS}
    rows = rows.assign(**{column: rows[column].mask(mask) for column, mask in found.items() if mask.any()})
    return rows, {f"{column}_emptied": mask for column, mask in found.items()}


def _detail(rule: Rule, row: pd.Series) -> str:
    shown = [f"{name}={row[name]}" for name in rule.shows]
    if len(shown) > 2:
        shown = [
            f"{name}={row[name]}" for name in rule.shows if pd.isna(row[name]) or row[name] in (np.inf, -np.inf, "")
        ]
    return f"{rule.code}: {', '.join(shown)}"


def _open(reasons: Reasons) -> Mask:
    """Return where nothing has been said against a row or race yet."""
    return np.array([reason is None for reason in reasons], dtype=bool)


def _row_reasons(rows: pd.DataFrame, given: Reasons, now: dt.datetime, policy: CheckPolicy) -> Reasons:
    """Return the first reason against each row, the source's own before ours, or None."""
    reasons = np.array([None if pd.isna(r) else str(r) for r in given], dtype=object)
    for rule in ROW_RULES:
        for at in np.flatnonzero(rule.breaks(rows, now, policy) & _open(reasons)):
            reasons[at] = _detail(rule, rows.iloc[at])
    return reasons


def _duplicates(rows: pd.DataFrame, reasons: Reasons) -> Mask:
    """Return which rows without a reason say the same as an earlier row without a reason."""
    good = np.flatnonzero(_open(reasons))
    repeated = np.zeros(len(rows), dtype=bool)
    repeated[good] = pd.Series(row_hashes(rows.iloc[good], CONTENT)).duplicated()
    return repeated


def _refuse_contradicting_runners(rows: pd.DataFrame, reasons: Reasons, duplicate: Mask) -> None:
    left = rows.loc[_open(reasons) & ~duplicate, ["race_id", "horse_id"]]
    for at in left.index[left.duplicated(keep=False)].tolist():
        horse = rows["horse_id"].iloc[at]
        reasons[at] = f"duplicate_runner: horse_id={horse} stands in the race more than once, with different content"


def _group(rows: pd.DataFrame, reasons: Reasons, duplicate: Mask) -> Races:
    refused = ~_open(reasons)
    left = rows[~refused & ~duplicate]
    code, ids = pd.factorize(left["race_id"])
    gone = rows.loc[refused, ["race_id", "horse_id", "status"]]
    gone = gone[~gone["status"].isin(NON_STARTERS)].drop_duplicates(["race_id", "horse_id"])
    at = pd.Index(ids).get_indexer(pd.Index(gone["race_id"]))
    lost = np.bincount(at[at >= 0], minlength=len(ids)).astype(np.int64)
    return Races(rows=left, code=code, count=len(ids), lost=lost)


def _race_reasons(races: Races, policy: CheckPolicy) -> Reasons:
    """Return the first reason against each race, or None."""
    reasons = np.full(races.count, None, dtype=object)
    for column in AGREE:
        for race in np.flatnonzero(disagreeing(races, column) & _open(reasons)):
            values = races.rows[column][races.code == race].dropna().unique()
            reasons[race] = f"race_columns_disagree: {column} is {' and '.join(str(v) for v in values[:3])}"
    for code, broken in RACE_RULES:
        for race in np.flatnonzero(broken(races, policy) & _open(reasons)):
            reasons[race] = f"{code}: {_told(races, int(race))}"
    return reasons


def _told(races: Races, race: int) -> str:
    mine = races.code == race
    names = races.rows["horse"][mine & (races.position == 1)].tolist()
    return (
        f"{races.field[race]} starters, {races.lost[race]} of them in quarantine, "
        f"winners {', '.join(map(str, names[:3])) or 'none'}"
    )


def _fill_race_columns(races: Races) -> tuple[pd.DataFrame, Mask]:
    """Return the rows with race columns that stand on some rows of a race repeated on all, and which were filled."""
    rows, filled = races.rows.copy(), np.zeros(len(races.rows), dtype=bool)
    for column in AGREE:
        missing = rows[column].isna().to_numpy()
        if missing.any() and not missing.all():
            known = rows[column][~missing].groupby(races.code[~missing]).first()
            fill = missing & np.isin(races.code, known.index.to_numpy())
            rows.loc[fill, column] = known.reindex(races.code[fill]).array
            filled |= fill
    return rows, filled


def _finish(races: Races, reasons: Reasons, odd: Mapping[str, Mask]) -> tuple[pd.DataFrame, Mapping[str, int]]:
    """Return the accepted rows, completed and in card order, and the notes."""
    rows, filled = _fill_race_columns(races)
    rows["field_size"] = pd.array(races.field[races.code], dtype="Int16")
    alone = rows["dead_heat"].to_numpy(dtype=bool) & ~races.shared
    rows["dead_heat"] = races.shared
    keep = _open(reasons[rows.index.to_numpy()])
    highest = np.zeros(races.count)
    np.fmax.at(highest, races.code, races.position)
    placed = races.number(~np.isnan(races.position))
    last_shared = races.number(races.shared & (races.position == highest[races.code]))
    gap = (highest + np.maximum(last_shared, 1) - 1) != placed
    odd = {
        **odd,
        **{f"unknown_{column}": foreign(rows, column) for column in OPEN_WORDS},
        "odds_of_one": rows["odds"].eq(1.0).to_numpy(),
        "gap_in_positions": (gap & (placed > 0))[races.code],
        "dead_heat_mark_alone": alone,
        "starter_in_quarantine": (races.lost > 0)[races.code],
        "race_column_filled": filled,
    }
    notes = {code: int((mask & keep).sum()) for code, mask in odd.items()}
    return card_order(rows[keep])[[c.name for c in COLUMNS]], {code: n for code, n in notes.items() if n}
