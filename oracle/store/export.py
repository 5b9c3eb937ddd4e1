"""Answers as Parquet, a folder a day, for whoever watches what the model says: Ray Data, pyarrow, pandas.

`OUT/predictions/date=2026-05-03/part-0.parquet` holds one row for each runner of each prediction answered on that day
(UTC), with what became of it where the result is in; `OUT/scorings/...` the same of each version's scoring of each
card, shadow scorings included, once for a card however often it was asked for. A day's file appears whole or not at
all, and exporting a day again replaces it: with the results that have come in since.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from oracle.errors import BadInput
from oracle.progress import Progress, silent
from oracle.store.predictions import Prediction
from oracle.store.results import RaceResult
from oracle.store.scorings import Scoring
from oracle.store.store import Store

Kept = TypeVar("Kept", Prediction, Scoring)
Row = dict[str, Any]

AT_ONCE = 4000
"""Predictions of a row group, whose results are looked up together: some 50 MB while they are written."""

_TEXT, _REAL, _WHOLE, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_MOMENT = pa.timestamp("us", tz="UTC")
_OF_RACE = [
    ("card_key", _TEXT),
    ("at", _MOMENT),
    ("race_key", _TEXT),
    ("race_id", _TEXT),
    ("course", _TEXT),
    ("off", _MOMENT),
    ("arm", _TEXT),
    ("model_version", _TEXT),
    ("form", _WHOLE),
    ("features", _TEXT),
    ("latency_ms", _REAL),
]
_OF_RUNNER = [
    ("number", _WHOLE),
    ("horse_id", _TEXT),
    ("horse", _TEXT),
    ("score", _REAL),
    ("win", _REAL),
    ("place", _REAL),
]
_OF_RESULT = [("status", _TEXT), ("position", _WHOLE), ("dead_heat", _FLAG), ("final_odds", _REAL)]
_OF_CARD = [
    ("distance_m", _WHOLE),
    ("going", _TEXT),
    ("surface", _TEXT),
    ("race_type", _TEXT),
    ("country", _TEXT),
    ("declared", _WHOLE),
    ("rank", _WHOLE),
    ("withdrawn", _FLAG),
    ("known", _FLAG),
    ("odds", _REAL),
    ("draw", _WHOLE),
    ("weight_kg", _REAL),
    ("age", _WHOLE),
    ("sex", _TEXT),
    ("official_rating", _REAL),
]
_OF_REQUEST = [
    ("prediction_id", _TEXT),
    ("experiment", _TEXT),
    ("unit", _TEXT),
    ("user", _TEXT),
    ("model_name", _TEXT),
    ("fallback", _TEXT),
    ("cached", _FLAG),
    ("ensemble", _TEXT),
]
PREDICTIONS = pa.schema([*_OF_REQUEST, *_OF_RACE, *_OF_CARD, *_OF_RUNNER, *_OF_RESULT])
"""One row for each declared runner of each prediction."""
SCORINGS = pa.schema([*_OF_RACE, *_OF_RUNNER, *_OF_RESULT])
"""One row for each runner, not withdrawn, of each scoring."""


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Kept]):
    """What is exported, and how one of it becomes rows."""

    name: str
    schema: pa.Schema
    rows: Callable[[Kept, Mapping[str, RaceResult]], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class _Written:
    """One day's file."""

    day: str
    kept: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    dates: tuple[str, ...]
    predictions: int
    scorings: int
    rows: int
    """Runners of both."""
    bytes: int


def export(
    store: Store,
    out: Path,
    since: dt.date | None = None,
    until: dt.date | None = None,
    *,
    progress: Progress = silent,
) -> Exported:
    """Write the predictions and scorings of whole days.

    Args:
        store: Where they are.
        out: A folder on this machine; made where it is missing.
        since: First day, UTC; by default the first there is.
        until: Last day, UTC, included; by default today's, as far as it has come.
        progress: Passes items through and shows how far it is.

    Raises:
        BadInput: the folder cannot be written, or the days are in the wrong order.
        Unavailable: the database did not answer.
    """
    if since is not None and until is not None and until < since:
        raise BadInput("the last day lies before the first", value=f"{since} to {until}", allowed="--since <= --until")
    begin = None if since is None else _midnight(since)
    end = None if until is None else _midnight(until + dt.timedelta(days=1))
    done: dict[str, list[_Written]] = {}
    streams: tuple[Iterator[Any], ...] = (store.predictions.between(begin, end), store.scorings.between(begin, end))
    for kind, kept in zip(_KINDS, streams, strict=True):
        days = groupby(progress(kept, kind.name), key=lambda each: each.at.date())
        done[kind.name] = [_day(store, out, day, kind, of_day) for day, of_day in days]
    every = [written for name in done for written in done[name]]
    return Exported(
        dates=tuple(sorted({written.day for written in every})),
        predictions=sum(written.kept for written in done["predictions"]),
        scorings=sum(written.kept for written in done["scorings"]),
        rows=sum(written.rows for written in every),
        bytes=sum(written.bytes for written in every),
    )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _day(store: Store, folder: Path, day: dt.date, kind: _Kind[Any], kept: Iterable[Any]) -> _Written:
    """Write one day's file."""
    final = folder / kind.name / f"date={day}" / "part-0.parquet"
    half = final.with_name(f".{final.name}.half")  # hidden: readers of datasets pass over it
    count = rows = 0
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            with pq.ParquetWriter(file, kind.schema, compression="zstd") as writer:
                for piece in _pieces(kept, AT_ONCE):
                    results = store.results.of_races(
                        {name for each in piece for name in (each.race_key, each.place_key)}
                    )
                    told = [row for each in piece for row in kind.rows(each, results)]
                    writer.write_table(pa.Table.from_pylist(told, schema=kind.schema))
                    count, rows = count + len(piece), rows + len(told)
            file.flush()
            os.fsync(file.fileno())
        half.replace(final)
        return _Written(str(day), count, rows, final.stat().st_size)
    except OSError as error:
        raise BadInput(
            f"the folder cannot be written: {error.strerror or error}",
            value=str(folder),
            next_step="name another with --out",
        ) from error
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)


def _pieces(items: Iterable[Kept], size: int) -> Iterator[list[Kept]]:
    source = iter(items)
    while piece := list(islice(source, size)):
        yield piece


def _of_race(kept: Prediction | Scoring) -> Row:
    return {name: getattr(kept, name) for name, _ in _OF_RACE}


def _of_prediction(kept: Prediction, results: Mapping[str, RaceResult]) -> Iterator[Row]:
    shared = _of_race(kept) | {name: getattr(kept, name, None) for name, _ in _OF_REQUEST}
    card, answer = _read(kept.card), _read(kept.answer)
    declared, said = card.get("runners") or [], answer.get("runners") or []
    shared |= {name: card.get(name) for name in ("distance_m", "going", "surface", "race_type", "country")}
    shared |= {"declared": len(said), "ensemble": answer.get("ensemble")}
    ends = _Ends(kept, results)
    for i, runner in enumerate(said):
        of_card = declared[i] if i < len(declared) else {}
        known = {name: of_card.get(name) for name in ("draw", "weight_kg", "age", "sex", "official_rating")}
        yield shared | known | {name: runner.get(name) for name in _SAID} | ends.of(*(runner.get(n) for n in _NAMES))


def _of_scoring(kept: Scoring, results: Mapping[str, RaceResult]) -> Iterator[Row]:
    shared, ends = _of_race(kept), _Ends(kept, results)
    for number, horse_id, horse, score, win, place in orjson.loads(kept.runners):
        own = {"number": number, "horse_id": horse_id, "horse": horse, "score": score, "win": win, "place": place}
        yield shared | own | ends.of(number, horse_id, horse)


def _read(text: str) -> dict[str, Any]:
    """Return the document; {} where it is none: what an earlier release kept may be anything."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class _Ends:
    """What became of each runner of a race: found by the horse's id, else its name, else its number."""

    def __init__(self, kept: Prediction | Scoring, results: Mapping[str, RaceResult]) -> None:
        result = results.get(kept.race_key) or results.get(kept.place_key)
        rows = [] if result is None else orjson.loads(result.runners)
        self._by: tuple[dict[Any, Row], ...] = tuple(
            {_plain(row.get(name)): row for row in rows if row.get(name) is not None}
            for name in ("horse_id", "horse", "number")
        )

    def of(self, number: int | None, horse_id: str | None, horse: str | None) -> Row:
        """Return the columns of the result; nothing where it is not in, or does not know the runner."""
        named = zip(self._by, (horse_id, horse, number), strict=True)
        row = next((rows[_plain(name)] for rows, name in named if name is not None and _plain(name) in rows), None)
        if row is None:
            return {}
        return {name: row.get(name) for name in ("status", "position", "dead_heat")} | {"final_odds": row.get("odds")}


def _plain(name: Any) -> Any:
    return name.casefold() if isinstance(name, str) else name


_SAID = ("number", "horse_id", "horse", "rank", "score", "win", "place", "withdrawn", "known", "odds")
_NAMES = ("number", "horse_id", "horse")
_KINDS: tuple[_Kind[Any], ...] = (
    _Kind("predictions", PREDICTIONS, _of_prediction),
    _Kind("scorings", SCORINGS, _of_scoring),
)
