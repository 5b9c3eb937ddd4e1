"""Drift tables: races as a model saw them, with what it said and what came of it, one row per starter.

Identity, card, every feature of the model, its answer, the market and the result stand side by side under the names
that `oracle.drift` knows them by. The rows of a race stand together and races are in the order of their off times, so
that a table can be cut between any two races.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from oracle.ensemble.race_model import FEATURE_SET, RaceModel
from oracle.errors import NotEnoughData
from oracle.features import registry
from oracle.features.feature import Source
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races, Texts, from_frame
from oracle.progress import Progress, silent
from oracle.race import COLUMNS, Known
from oracle.ranking import market as market_terms
from oracle.ranking.plackett_luce import place
from oracle.ranking.races import Bools, Floats

FEATURES = registry.names(FEATURE_SET)
PREDICTION = ("score", "win", "place", "rank")
MARKET = ("market", "odds")
LEFT_OUT = frozenset({"race_name", "jockey", "trainer", "sire", "gear", "off_estimated", "source"})
"""Names and free codes: new ones come every week, and no distribution says anything of them."""
TAKEN = frozenset((*(c.name for c in COLUMNS if c.known is Known.RESULT), *PREDICTION, *MARKET))


def feature_column(name: str) -> str:
    """Return the column that a feature stands in: its own name, unless a prediction, the market or a result has it.

    >>> feature_column("age"), feature_column("market")
    ('age', 'feature_market')
    """
    return f"feature_{name}" if name in TAKEN else name


OUTCOME = tuple(c for c in COLUMNS if c.known is Known.RESULT)
CARD = tuple(
    c
    for c in COLUMNS
    if c.known is not Known.RESULT
    and c.name not in LEFT_OUT | {"date", "off", "odds"} | {feature_column(f) for f in FEATURES}
)
SCHEMA = pa.schema(
    [
        ("meeting", pa.string()),
        ("date", pa.date32()),
        ("off", pa.timestamp("s", tz="UTC")),
        *((c.name, c.type) for c in CARD),
        *((feature_column(name), pa.float32()) for name in FEATURES),
        *((name, pa.float64()) for name in MARKET),
        *((c.name, c.type) for c in OUTCOME),
    ]
)
"""The columns of every drift table of ours."""
SAID = pa.schema(
    [
        ("model_version", pa.string()),
        ("ensemble", pa.string()),
        *((name, pa.float64()) for name in PREDICTION[:3]),
        ("rank", pa.int16()),
    ]
)
"""And those that say what a model answered."""


@dataclass(frozen=True)
class Said:
    """What a model answered of each starter; NaN, and an empty ensemble, where it was not asked."""

    score: Floats
    win: Floats
    place: Floats
    rank: Floats
    ensemble: Texts
    """object[N]: the pool that answered, `form` or `market`; None where nobody did."""
    version: str = ""


def without_odds(races: RaceMatrix) -> RaceMatrix:
    """Return the races as if no odds had been known, so that the form ensemble answers."""
    values = races.values.copy()
    market = [f.name for f in registry.features(FEATURE_SET) if f.source is Source.MARKET]
    values[:, races.columns(tuple(market))] = np.nan
    blank = np.full(len(races.position), np.nan)
    return replace(races, values=values, market=blank, odds=blank)


def foretold(model: RaceModel, races: RaceMatrix, version: str = "", where: Bools | None = None) -> Said:
    """Return what the model says of races, by the pool that answers each of them.

    Args:
        model: The model.
        races: Races with their features.
        version: What the answers are signed with.
        where: bool[R], the races that it may be asked about; all by default.
    """
    asked = np.ones(len(races), dtype=np.bool_) if where is None else where
    rows = np.repeat(asked, races.sizes)
    names = [name for name in PREDICTION if name != "rank"]
    out = {name: np.full(len(rows), np.nan) for name in names}
    ensemble = np.full(len(rows), None, dtype=object)
    if asked.any():
        of = races.take(asked)
        score, win, priced = model.priced(of)
        placing = place(win, of.offsets, market_terms.BRITISH_IRISH.places(of.sizes), model.discount)
        for name, values in zip(names, (score, win, placing), strict=True):
            out[name][rows] = values
        ensemble[rows] = np.where(np.repeat(priced, of.sizes), "market", "form")
    return Said(**out, rank=ranked(out["score"], out["win"], races), ensemble=ensemble, version=version)


def ranked(score: Floats, win: Floats, races: RaceMatrix) -> Floats:
    """Return float64[N], 1 for the likeliest winner of each race, equal chances by score, then by row; NaN stays."""
    order = np.lexsort((np.arange(len(win)), -score, -win, races.race))
    rank = np.empty(len(win))
    rank[order] = np.arange(len(win)) - np.repeat(races.offsets[:-1], races.sizes) + 1.0
    return np.where(np.isnan(win), np.nan, rank)


def of(
    races: Races, matrix: RaceMatrix, said: Said | None = None, outcome: Mapping[str, Floats | Texts] | None = None
) -> pa.Table:
    """Return races as a drift table.

    Args:
        races: The races: identity, card and odds, and the results unless `outcome` has them.
        matrix: Their features, row by row the same starters.
        said: What a model answered; without, the table has no predictions.
        outcome: Columns of the result (`OUTCOME`), of races that are known by their cards only.
    """
    sizes = np.diff(races.offsets)
    columns: dict[str, object] = {
        "meeting": np.repeat(matrix.meeting, sizes),
        "date": np.repeat(races.day.astype("datetime64[D]"), sizes),
        "off": pa.array(races.off_of_runner.astype(np.int64), pa.timestamp("s", tz="UTC")),
        "market": races.market,
        "odds": races.numbers["odds"],
    }
    known: dict[str, Floats | Texts] = {**races.numbers, **races.texts, "field_size": races.field_size}
    columns |= {c.name: known[c.name] for c in CARD}
    columns |= {c.name: (outcome or known)[c.name] for c in OUTCOME}
    columns |= {feature_column(name): matrix.values[:, i] for i, name in enumerate(matrix.names)}
    schema = SCHEMA
    if said is not None:
        schema = pa.schema([*SCHEMA, *SAID])
        columns |= {name: getattr(said, name) for name in (*PREDICTION, "ensemble")}
        columns["model_version"] = np.full(len(said.win), said.version, dtype=object)
    return pa.table([_column(columns[f.name], f) for f in schema], schema=schema)


def _column(values: object, field: pa.Field) -> pa.Array:
    """Return values as Arrow: NaN is missing, except among features, which stay the numbers that a model sees."""
    if isinstance(values, pa.Array):
        return values
    assert isinstance(values, np.ndarray)
    if field.type == pa.float32():
        return pa.array(np.ascontiguousarray(values), field.type)
    if values.dtype == np.float64 and field.type != pa.float64():
        missing = np.isnan(values)
        whole = np.where(missing, 0.0, values).astype(np.int64 if field.type != pa.bool_() else np.bool_)
        return pa.array(whole, mask=missing).cast(field.type)
    return pa.array(values, field.type, from_pandas=True)


def of_history(
    frame: pd.DataFrame,
    matrix: RaceMatrix,
    mask: Bools,
    model: RaceModel | None = None,
    *,
    version: str = "",
    overround: str = market_terms.MULTIPLICATIVE,
    odds: bool = True,
) -> pa.Table:
    """Return some races of a walked history as a drift table.

    Of races that the model was fitted on there is no prediction: it would be hindsight.

    Args:
        frame: The runner table of the history.
        matrix: Its features, each race as of its off.
        mask: bool[R], the races wanted.
        model: Whose predictions are to stand in the table.
        version: What the predictions are signed with.
        overround: How the margin is taken out of the odds.
        odds: Whether the model is asked with the odds; without, the form ensemble answers. The market's own columns
            are there in either case: what happened is judged by them.
    """
    part = matrix.take(mask)
    races = from_frame(frame[frame["race_id"].isin(set(part.race_id))], overround)
    seen = part if odds else without_odds(part)
    said = None
    if model is not None:
        said = foretold(model, seen, version, part.dates > np.datetime64(model.about.trained_through))
    return of(races, seen, said)


def between(matrix: RaceMatrix, first: dt.date | None, last: dt.date | None) -> Bools:
    """Return bool[R], the races from a first to a last local date.

    Raises:
        NotEnoughData: there is none.
    """
    wanted = np.ones(len(matrix), dtype=np.bool_)
    if first is not None:
        wanted &= matrix.dates >= np.datetime64(first)
    if last is not None:
        wanted &= matrix.dates <= np.datetime64(last)
    if not wanted.any():
        raise NotEnoughData(
            "no race lies between these dates",
            value=f"{first or 'the first'} to {last or 'the last'}",
            allowed=f"{matrix.dates.min()} to {matrix.dates.max()}",
            next_step="choose other dates with --since and --until",
        )
    return wanted


def by_month(dates: np.ndarray, mask: Bools, progress: Progress = silent) -> Iterator[tuple[str, Bools]]:
    """Yield each month that has races wanted, such as 2019-02, with bool[R] of them.

    Args:
        dates: datetime64[D][R], ascending.
        mask: bool[R], the races wanted.
        progress: Told of each month.
    """
    months = dates.astype("datetime64[M]")
    wanted = np.unique(months[mask])
    for month in progress(wanted, "drift tables", len(wanted)):
        yield str(month), mask & (months == month)
