"""Building the canonical rows of a batch, column by column, and noting the first thing in a row that made no sense.

A column of a hundred thousand rows holds a few hundred different texts: each text is understood once and the answer is
spread over the rows, which is what makes a careful translation cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from oracle.data.sources.base import DTYPES, Batch
from oracle.data.sources.reading import Text
from oracle.data.sources.units import counted, is_missing
from oracle.race import COLUMNS, ESTIMATED_GAP, STARTED, Sex, Status

Place = tuple[str, float | None]
"""A status and a finishing position, which is None for anything but finished."""
GROWN = 5
"""Age from which a colt is a horse and a filly a mare."""
FIRST_YEAR = 1700
"""No results are older: an earlier year is a misprint, and calendars before it disagree."""
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_INTEGERS = {name: np.iinfo(kind.lower()).max for name, kind in DTYPES.items() if kind.startswith("Int")}
"""The largest number of each column of whole numbers."""
_LONGEST_WORD = 40
"""Letters beyond which a text is no word of going, surface or sex."""
_TIMED = (Status.FINISHED, Status.DISQUALIFIED)


class Rows:
    """The canonical rows of one batch under construction.

    Args:
        text: The rows as they were read.
        source: Name of the layout.
    """

    def __init__(self, text: Text, source: str) -> None:
        self._text = text
        self._columns: dict[str, pd.Series] = {}
        self._reason = text.reason.to_numpy(dtype=object, copy=True)
        self.put("source", source)

    def __len__(self) -> int:
        return len(self._reason)

    def has(self, name: str) -> bool:
        """Tell whether the layout's column is there."""
        return name in self._text.cells.columns

    def cell(self, *names: str) -> pd.Series:
        """Return the first of the layout's columns that is there, stripped; empty texts where none is."""
        for name in names:
            if self.has(name):
                return _spread(self._text.cells[name], str.strip)[0].astype("str")
        return pd.Series("", index=range(len(self)), dtype="str")

    def __getitem__(self, name: str) -> pd.Series:
        """Return a canonical column already built."""
        return self._columns[name]

    def put(self, name: str, values: Any) -> None:
        """Set a canonical column from an array, a Series or one value for all rows.

        A number that its column cannot hold is a reason for its row: it would wrap round, or stop the whole file.
        """
        if name in _INTEGERS:
            values = self._fitting(name, pd.Series(values, index=range(len(self)), dtype="Float64"))
        self._columns[name] = pd.Series(values, index=range(len(self)), dtype=DTYPES[name])

    def _fitting(self, name: str, numbers: pd.Series) -> pd.Series:
        largest = _INTEGERS[name]
        fits = ((numbers % 1 == 0) & (numbers.abs() <= largest)).fillna(value=False) | numbers.isna()
        self.refuse(~fits, f"bad_number: {name}", numbers)
        return numbers.where(fits)

    def parse(self, name: str, texts: pd.Series, parser: Callable[[str], Any]) -> None:
        """Set a canonical column by understanding each distinct text; a text that is not understood is a reason."""
        values, wrong = _spread(texts, parser)
        self.refuse(wrong, f"unreadable_{name}", texts)
        self.put(name, values.where(values.notna(), None) if DTYPES[name] == "str" else _floats(values))

    def either(self, name: str, *cells: tuple[str, Callable[[str], Any]]) -> None:
        """Set a column from the first of several cells that holds a value, each with its own parser."""
        values = pd.Series(np.nan, index=range(len(self)))
        for column, parser in cells:
            texts = self.cell(column).where(values.isna(), "")
            found, wrong = _spread(texts, parser)
            self.refuse(wrong, f"unreadable_{name}", texts)
            values = values.fillna(pd.Series(_floats(found)))
        self.put(name, values)

    def words(self, name: str, texts: pd.Series) -> None:
        """Set a text column, with the layouts' ways to say "missing" taken as missing."""
        self.parse(name, texts, lambda text: None if is_missing(text) else text)

    def lookup(self, name: str, texts: pd.Series, table: Mapping[str, Any]) -> None:
        """Set a column through a table of words; a word that is not in it is a reason."""
        self.parse(name, texts, lambda text: None if is_missing(text) else _found(table, text))

    def describe(self, name: str, texts: pd.Series, understand: Callable[[str], Any]) -> None:
        """Set going, surface or sex; a word that `understand` does not know is kept as it is, in lower case.

        A country that we have not met has words of its own, and they make no result untrue. What holds no letter is no
        word but a column that slipped, and a reason.
        """
        self.parse(name, texts, lambda text: None if is_missing(text) else _described(text, understand))

    def person(self, role: str, names: pd.Series, ids: pd.Series | None = None) -> None:
        """Set the name and the id of a horse, jockey or trainer; the name is the id where there is none."""
        self.words(role, names)
        self.words(f"{role}_id", names if ids is None else ids.where(~ids.isin(["", "0", "-", "–"]), names))

    def when(self, dates: pd.Series, clocks: pd.Series | None, zone: str | pd.Series) -> None:
        """Set date, off and off_estimated from `YYYY-MM-DD`, `HH:MM[:SS]` and the course's time zone.

        Without a clock time the race is set at noon, local, and each later race of the card half an hour after the
        one before: an order within the day that cannot leak, and an hour that is about right.
        """
        days, wrong = _spread(dates, _day)
        self.refuse(wrong | (dates == ""), "unreadable_date", dates)
        day = pd.to_datetime(days).astype("datetime64[s]")
        since = pd.Series(np.nan, index=range(len(self)))
        if clocks is not None:
            values, wrong = _spread(clocks, _clock)
            self.refuse(wrong, "unreadable_off", clocks)
            since = pd.Series(_floats(values))
        races = self._columns["race_number"].astype("float64").fillna(1) if "race_number" in self._columns else 1.0
        guess = 12 * 3600 + (races - 1) * ESTIMATED_GAP.total_seconds()
        local = day + pd.to_timedelta(since.fillna(guess), unit="s").astype("timedelta64[s]")
        self.put("date", day)
        self.put("off", to_utc(local, zone))
        self.put("off_estimated", since.isna())

    def places(self, texts: pd.Series, decode: Callable[[str], Place]) -> None:
        """Set status and position; `decode` raises ValueError on a code it does not know."""
        codes, distinct = pd.factorize(texts)
        known = [_attempt(decode, text) for text in distinct]
        status, position = ([None if k is None else k[part] for k in known] for part in (0, 1))
        self.refuse(np.array([k is None for k in known], dtype=bool)[codes], "unknown_position", texts)
        self.put("status", np.array([s or Status.DID_NOT_FINISH for s in status], dtype=object)[codes])
        self.put("position", np.array([np.nan if p is None else p for p in position], dtype=float)[codes])

    def refuse(self, wrong: Any, code: str, values: pd.Series | None = None) -> None:
        """Note a reason for the rows that have none yet."""
        rows = np.flatnonzero(np.asarray(wrong, dtype=bool) & np.array([r is None for r in self._reason], dtype=bool))
        for row in rows:
            self._reason[row] = code if values is None else f"{code}: {str(values.iloc[row])[:80]!r}"

    def tell_sex_by_age(self) -> None:
        """Tell colts from horses and fillies from mares where the age is known: many writers use one word for both."""
        sexes, ages = self._columns["sex"], self._columns["age"].astype("float64")
        for young, grown in ((Sex.COLT, Sex.HORSE), (Sex.FILLY, Sex.MARE)):
            either = sexes.isin([young, grown])
            sexes = sexes.mask(either & (ages < GROWN), str(young)).mask(either & (ages >= GROWN), str(grown))
        self.put("sex", sexes)

    def add_up_margins(self) -> None:
        """Turn margins to the horse in front into lengths behind the winner; unknown from the first unknown one on."""
        names = ["race_id", "position", "beaten_lengths"]
        frame = pd.DataFrame({name: self._columns[name] for name in names}).dropna(subset=["position"])
        frame = frame.sort_values("position", kind="stable")
        margins = frame["beaten_lengths"].mask(~frame["race_id"].duplicated(), 0.0)
        total = margins.groupby(frame["race_id"]).cumsum(skipna=False).round(3)
        self.put("beaten_lengths", total.reindex(range(len(self))))

    def share_positions(self) -> None:
        """Mark as dead heats the finishers that share a position and are level in `beaten_lengths`.

        The second condition keeps two contradicting rows from passing as a dead heat where margins are known.
        """
        keys = ["race_id", "position", "beaten_lengths"]
        frame = pd.DataFrame({name: self._columns[name] for name in [*keys, "horse_id"]})
        finished = frame["position"].notna()
        level = frame[finished].drop_duplicates().groupby(keys, dropna=False)["horse_id"].nunique()
        shared = frame.merge((level > 1).rename("shared").reset_index(), how="left", on=keys)["shared"]
        self.put("dead_heat", shared.eq(True).to_numpy() & finished.to_numpy())

    def batch(self) -> Batch:
        """Return the finished batch: the columns not set are missing, the field counted, margins and times tidied."""
        for column in COLUMNS:
            if column.name not in self._columns:
                self.put(column.name, _absent(column.name))
        finished = self._columns["status"] == Status.FINISHED
        won = self._columns["position"].eq(1).fillna(False).astype(bool)
        timed = self._columns["status"].isin(_TIMED)
        self.put("beaten_lengths", self._columns["beaten_lengths"].where(finished).mask(won, 0.0))
        self.put("time_s", self._columns["time_s"].where(timed))
        self.put("field_size", self._field())
        for name in ("race_id", "course", "horse"):
            self.refuse(self._columns[name].isna() | (self._columns[name] == ""), f"missing_{name}")
        rows = pd.DataFrame({column.name: self._columns[column.name] for column in COLUMNS})
        reason = pd.Series(self._reason, dtype="object")
        return Batch(rows, self._text.cells, self._text.file, self._text.line, reason)

    def _field(self) -> npt.NDArray[np.float64]:
        frame = pd.DataFrame({name: self._columns[name] for name in ("race_id", "horse_id")})
        started = frame[self._columns["status"].isin(STARTED)].drop_duplicates()
        counts = frame["race_id"].map(started["race_id"].value_counts()).fillna(0)
        return np.asarray(counts, dtype=np.float64)


def understood(texts: pd.Series, parser: Callable[[str], Any]) -> pd.Series:
    """Return what each text means, understanding each distinct one once; None where it is not understood."""
    return _spread(texts, parser)[0]


def to_utc(local: pd.Series, zone: str | pd.Series) -> pd.Series:
    """Return local times as UTC. An hour that happens twice is its first, one that never happens the next that does."""
    if isinstance(zone, str):
        first = np.ones(len(local), dtype=bool)
        there = local.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").dt.tz_convert("UTC")
        return pd.Series(there, dtype=DTYPES["off"])
    result = pd.Series(pd.NaT, index=local.index, dtype=DTYPES["off"])
    for name, rows in local.groupby(zone):
        result.loc[rows.index] = to_utc(rows, str(name))
    return result


def calls(
    texts: pd.Series, finished: pd.Series, *, separator: str, ends_at_finish: bool
) -> tuple[pd.Series, pd.Series]:
    """Return the place in running at the first call and at the last one before the finish.

    Args:
        texts: Places in running, such as `7 3 1`.
        finished: Whether the runner finished; one that did not has no entry for the finish.
        separator: What stands between two places.
        ends_at_finish: Whether the last place is the finishing position itself, which is no call.
    """
    split = understood(texts, lambda text: [p for p in text.split(separator) if p.strip().isdigit()])
    drop = finished.to_numpy(dtype=bool) & ends_at_finish
    before = [s[:-1] if d else s for s, d in zip(split, drop, strict=True)]
    first, last = ([s[at] if s else "" for s in before] for at in (0, -1))
    return pd.Series(first, dtype="str"), pd.Series(last, dtype="str")


def put_calls(rows: Rows, texts: pd.Series, *, separator: str, ends_at_finish: bool) -> None:
    """Set first_call and last_call from places in running."""
    first, last = calls(texts, rows["position"].notna(), separator=separator, ends_at_finish=ends_at_finish)
    rows.parse("first_call", first, counted)
    rows.parse("last_call", last, counted)


def _absent(name: str) -> Any:
    return {"bool": False, "str": None}.get(DTYPES[name], pd.NaT if DTYPES[name].startswith("datetime") else np.nan)


def _spread(texts: pd.Series, parser: Callable[[str], Any]) -> tuple[pd.Series, npt.NDArray[np.bool_]]:
    codes, distinct = pd.factorize(texts)
    known: list[Any] = []
    wrong = np.zeros(len(distinct), dtype=bool)
    for place, text in enumerate(distinct):
        try:
            known.append(parser(text))
        except (ValueError, KeyError, OverflowError):
            known.append(None)
            wrong[place] = True
    values = np.empty(len(known), dtype=object)
    values[:] = known
    return pd.Series(values[codes], dtype="object"), wrong[codes]


def _attempt(decode: Callable[[str], Place], text: str) -> Place | None:
    try:
        return decode(text)
    except (ValueError, KeyError):
        return None


def _found(table: Mapping[str, Any], text: str) -> Any:
    folded = "".join(c for c in text.casefold() if c.isalnum())
    return table[text] if text in table else table[folded]


def _described(text: str, understand: Callable[[str], Any]) -> Any:
    try:
        known = understand(text)
    except (ValueError, KeyError):
        known = None
    if known is None and (len(text) > _LONGEST_WORD or not any(c.isalpha() for c in text)):
        raise ValueError(text)
    return known or "_".join(text.lower().split())


def looking_up(table: Mapping[str, Any]) -> Callable[[str], Any]:
    """Return a parser that finds a word in a table, without regard to case and punctuation."""
    return lambda text: _found(table, text)


def _floats(values: pd.Series) -> npt.NDArray[np.float64]:
    return pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)


def _day(text: str) -> np.datetime64 | None:
    if not text:
        return None
    if not _ISO_DAY.match(text) or int(text[:4]) < FIRST_YEAR:
        raise ValueError(text)
    return np.datetime64(text[:10], "s")


def _clock(text: str) -> float | None:
    if is_missing(text):
        return None
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdigit() and len(part) <= 2 for part in parts):
        raise ValueError(text)
    hour, minute, second = (int(part) for part in (*parts, "0")[:3])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(text)
    return hour * 3600.0 + minute * 60 + second
