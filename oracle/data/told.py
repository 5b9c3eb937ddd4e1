"""Results of our store put into a dataset, so that the next training learns from what serving was told.

A result may have been told before the dataset had the race, or after; under the race's id, or by course and minute; by
a source that says less than the dataset knows. So a race is found by either of its names and keeps the dataset's; what
the store says wins, and what it leaves open stays as it stands, except where the outcome of a runner was corrected:
then all of its outcome is the store's. Done twice, nothing changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pandas as pd

from oracle.data.dataset import NAMES, Appended, Dataset
from oracle.data.sources.base import DTYPES
from oracle.progress import Progress, silent
from oracle.race import COLUMNS, Known
from oracle.store import RaceResult, Store, place_key

AT_ONCE = 500
"""Results read in one go."""
PARTICIPANTS = ("horse", "jockey", "trainer")
RESULT = [c.name for c in COLUMNS if c.known is Known.RESULT]
NEEDED = [c.name for c in COLUMNS if c.required]


@dataclass(frozen=True)
class Folded:
    """What became of the results of a store."""

    appended: Appended = field(default_factory=Appended)
    through: int = 0
    """Number of the last result that was looked at: pass it on to look at later ones only."""
    unreadable: tuple[str, ...] = ()
    """Races whose rows are not those of the runner table: left out."""


def results_into(
    dataset: str,
    store: Store,
    *,
    now: dt.datetime | None = None,
    since: int = 0,
    progress: Progress = silent,
) -> Folded:
    """Put the results of a store into a dataset, all or nothing.

    Args:
        dataset: Path of the dataset.
        store: Where the results are.
        now: Results that came in later are not looked at; all are by default.
        since: Number of the last result that is known to be in the dataset.
        progress: Told of each piece.

    Raises:
        Unavailable: the store did not answer, or another process is writing to the dataset.
        BadInput: the path holds something else than a dataset.
    """
    found = _results(store, now, since)
    if not found:
        return Folded(through=since)
    pieces = [found[at : at + AT_ONCE] for at in range(0, len(found), AT_ONCE)]
    holds = Dataset(dataset)
    ids = _Ids.of(holds) if holds.exists() else _Ids({}, {})
    done = Folded(through=found[-1].seq)
    with holds.writing() as writer:
        for piece in progress(pieces, "results into the dataset", len(pieces)):
            rows, unreadable = _rows(piece, ids)
            if holds.exists() and len(rows):
                rows = _merged(rows, holds.read(start=rows["date"].min().date(), end=rows["date"].max().date()))
            done = replace(
                done, appended=done.appended + writer.append(rows), unreadable=(*done.unreadable, *unreadable)
            )
    return done


def _results(store: Store, now: dt.datetime | None, since: int) -> list[RaceResult]:
    """Return the latest result of each race by course and minute, in the order they were told."""
    latest: dict[str, RaceResult] = {}
    for each in store.results.since(since):
        told: RaceResult | None = each
        if now is not None and each.received_at > now:
            earlier = [r for r in store.results.revisions(each.race_key) if r.received_at <= now and r.seq > since]
            told = earlier[-1] if earlier else None
        if told is not None and (told.place_key not in latest or latest[told.place_key].seq < told.seq):
            latest[told.place_key] = told
    return sorted(latest.values(), key=lambda each: each.seq)


@dataclass(frozen=True)
class _Ids:
    """Under which ids a dataset knows races and participants."""

    races: Mapping[str, str]
    """Course and minute -> race id."""
    names: Mapping[str, dict[str, str]]
    """Kind of participant -> name -> the id it last ran under."""

    @classmethod
    def of(cls, dataset: Dataset) -> _Ids:
        columns = [c for kind in PARTICIPANTS for c in (kind, f"{kind}_id")]
        frame = dataset.read(["race_id", "course", "off", *columns])
        first = frame.drop_duplicates("race_id")
        races = {
            place_key(course, off.to_pydatetime()): race
            for race, course, off in zip(first["race_id"], first["course"], first["off"], strict=True)
        }
        names = {}
        for kind in PARTICIPANTS:
            known = frame[[kind, f"{kind}_id"]].dropna().drop_duplicates(kind, keep="last")
            names[kind] = dict(zip(known[kind], known[f"{kind}_id"], strict=True))
        return cls(races, names)

    def note(self, row: Mapping[str, Any]) -> None:
        """Remember under which ids the participants of a row ran."""
        for kind in PARTICIPANTS:
            name, own = row.get(kind), row.get(f"{kind}_id")
            if name and own and kind in self.names:
                self.names[kind][name] = own

    def filled(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row with every missing id filled in: the one that the name last ran under, else the name."""
        for kind in PARTICIPANTS:
            name = row.get(kind)
            if name and not row.get(f"{kind}_id"):
                row[f"{kind}_id"] = self.names.get(kind, {}).get(name, name)
        return row


def _rows(results: Sequence[RaceResult], ids: _Ids) -> tuple[pd.DataFrame, list[str]]:
    """Return results as canonical rows, and the races that have none."""
    rows: list[dict[str, Any]] = []
    unreadable = []
    for result in results:
        try:
            own = [dict(row) for row in orjson.loads(result.runners)]
            race = ids.races.get(result.place_key, result.race_key)
            filled = [ids.filled({**row, "race_id": race}) for row in own]
            if not filled or any(row.get(name) is None for row in filled for name in NEEDED):
                raise ValueError("a required column is empty")
            _frame(filled)
        except (ValueError, TypeError, KeyError, AttributeError):
            unreadable.append(result.race_key)
            continue
        for row in filled:
            ids.note(row)
        rows += filled
    return _frame(rows), unreadable


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([[row.get(name) for name in NAMES] for row in rows], columns=NAMES, dtype=object)
    frame["date"] = pd.to_datetime(frame["date"], format="ISO8601")
    frame["off"] = pd.to_datetime(frame["off"], utc=True, format="ISO8601")
    return frame.astype(dict(DTYPES))


def _merged(rows: pd.DataFrame, standing: pd.DataFrame) -> pd.DataFrame:
    """Return told rows, with what they leave open taken from the same runners of races that stand already."""
    standing = standing[standing["race_id"].isin(set(rows["race_id"]))]
    if standing.empty:
        return rows
    at = pd.MultiIndex.from_frame(standing[["race_id", "horse_id"]])
    known = standing[~at.duplicated()].set_axis(at[~at.duplicated()])
    known = known.reindex(pd.MultiIndex.from_frame(rows[["race_id", "horse_id"]])).reset_index(drop=True)
    same = (known["status"].eq(rows["status"]) & _equal(known["position"], rows["position"])).fillna(False)
    out = rows.copy()
    for name in NAMES:
        open_ = out[name].isna() & known[name].notna()
        if name in RESULT:
            open_ &= same
        out[name] = out[name].mask(open_, known[name].astype(out[name].dtype, errors="ignore"))
    return out.astype(dict(DTYPES))


def _equal(one: pd.Series, other: pd.Series) -> pd.Series:
    return one.eq(other).fillna(False) | (one.isna() & other.isna())
