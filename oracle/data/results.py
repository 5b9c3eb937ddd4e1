"""Accepted rows as results for our store, and raw files taken straight into it.

The dataset is what models are trained on; the store holds what has happened since. Both take the same layouts and obey
the same check, so that a result which one accepts the other accepts too.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import pandas as pd

from oracle.data.check import Checked, check, code_of
from oracle.data.sources.base import Source
from oracle.data.spool import Spool
from oracle.progress import Progress, silent
from oracle.race import COLUMNS
from oracle.settings import CheckPolicy
from oracle.store import RaceResult, Receipt, Store, place_key

RACES_AT_ONCE = 500
"""Results written in one transaction."""
MOST_SHOWN = 20
"""Refused rows that a report shows with their place; the reasons count all of them."""


def results(accepted: pd.DataFrame, received_at: dt.datetime) -> Iterator[RaceResult]:
    """Yield each race of accepted rows as a result, in the order of the rows.

    Args:
        accepted: Canonical rows of whole races, those of a race together and in the order of the card. A missing id of
            a participant stays missing: who it is decides the form that it is folded into.
        received_at: When it was told, with a time zone.
    """
    columns = {c.name: _plain(accepted[c.name]) for c in COLUMNS}
    offs = [moment.to_pydatetime() for moment in accepted["off"]]
    changes = np.flatnonzero(accepted["race_id"].ne(accepted["race_id"].shift()).to_numpy(dtype=bool))
    for first, end in pairwise([*changes.tolist(), len(accepted)]):
        race_id, course = str(columns["race_id"][first]), str(columns["course"][first])
        yield RaceResult(
            race_id=None if race_id == place_key(course, offs[first]) else race_id,
            race_key=race_id,
            course=course,
            off=offs[first],
            received_at=received_at,
            source=str(columns["source"][first]),
            runners=_as_json(columns, first, end),
        )


def _as_json(columns: Mapping[str, Sequence[object]], first: int, end: int) -> str:
    """Return some rows as canonical JSON: the same content is the same text; what is missing is left out."""
    rows = [{name: v[at] for name, v in columns.items() if v[at] is not None} for at in range(first, end)]
    return orjson.dumps(rows).decode()


def _plain(column: pd.Series) -> list[object]:
    if column.name == "date":
        column = column.dt.strftime("%Y-%m-%d")
    elif column.name == "off":
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    values = column.astype(object)
    return [None if gone else value for value, gone in zip(values.tolist(), values.isna().tolist(), strict=True)]


@dataclass
class StoredReport:
    """What became of the rows and races of files taken into our store."""

    rows_read: int = 0
    rows_accepted: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Quarantined rows by the code of their reason."""
    refused: list[dict[str, object]] = field(default_factory=list)
    """The first quarantined rows: file, line, reason."""
    notes: dict[str, int] = field(default_factory=dict)
    races_new: int = 0
    races_same: int = 0
    races_corrected: int = 0
    predictions: int = 0
    """Predictions of these races in the store."""
    latest: int = 0
    """Number of the last telling stored."""
    first_date: dt.date | None = None
    last_date: dt.date | None = None

    @property
    def learnt_nothing(self) -> bool:
        """Whether no row of the input made sense."""
        return self.rows_accepted + self.rows_duplicate == 0


def ingest(
    paths: Sequence[Path],
    source: Source,
    store: Store,
    now: dt.datetime,
    progress: Progress = silent,
    policy: CheckPolicy | None = None,
) -> StoredReport:
    """Read the paths and store every race that passes the check; told again, a race adds nothing.

    Args:
        paths: Raw files, or folders of them.
        source: The layout they are in.
        store: Where the results go.
        now: The moment of judgement, with a time zone: results dated later are refused.
        progress: Shows how far the work is.
        policy: Limits of the check; the built-in ones by default.

    Raises:
        UnreadableFile: a path is missing or not in the layout.
        Unavailable: the store did not take them; what was taken before stays.
    """
    report = StoredReport()
    with tempfile.TemporaryDirectory(prefix="oracle-results-") as scratch:
        spool = Spool(Path(scratch))
        report.rows_read = sum(spool.add(batch) for batch in source.read(paths, progress))
        for run in progress(runs := spool.runs(), "checking and storing", len(runs)):
            rows = spool.load(run)
            for version in range(int(rows.version.max(initial=-1)) + 1):
                batch = rows.of_version(version).batch
                checked = check(batch, now, policy)
                _count(report, checked, batch.file, batch.line)
                for some in _at_once(results(checked.accepted, now)):
                    _count_receipts(report, store.results.add(some))
    return report


def _at_once(all_: Iterable[RaceResult]) -> Iterator[list[RaceResult]]:
    some: list[RaceResult] = []
    for each in all_:
        some.append(each)
        if len(some) == RACES_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _count(report: StoredReport, checked: Checked, file: pd.Series, line: pd.Series) -> None:
    report.rows_accepted += len(checked.accepted)
    report.rows_duplicate += len(checked.duplicates)
    report.rows_quarantined += len(checked.quarantined)
    report.reasons = _sum(report.reasons, Counter(code_of(reason) for reason in checked.reasons))
    report.notes = _sum(report.notes, checked.notes)
    for at, reason in zip(checked.quarantined, checked.reasons, strict=True):
        if len(report.refused) < MOST_SHOWN:
            report.refused.append({"file": file.iloc[at], "line": int(line.iloc[at]), "reason": reason})
    if len(checked.accepted):
        first, last = checked.accepted["date"].min().date(), checked.accepted["date"].max().date()
        report.first_date = min(report.first_date or first, first)
        report.last_date = max(report.last_date or last, last)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict((Counter(one) + Counter(other)).most_common())


def _count_receipts(report: StoredReport, receipts: Iterable[Receipt]) -> None:
    for receipt in receipts:
        report.races_new += receipt.what == "new"
        report.races_same += receipt.what == "same"
        report.races_corrected += receipt.what == "corrected"
        report.predictions += receipt.predictions
        report.latest = max(report.latest, receipt.seq)
