"""From raw files to the dataset: read, check, append, and account for every row.

Every row read is accepted, a duplicate, or quarantined, and the three add up; where they would not, nothing is written.
The whole ingest takes effect at once: stopped half-way, the dataset is what it was. A quarantine file stands beside the
data, one JSON object per refused row with its file, line, reason and raw text, named by its content, so that the same
input leaves the same file and never a second one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from oracle.data.check import Checked, check, code_of
from oracle.data.dataset import Appended, Dataset, Writer
from oracle.data.sources.base import Source
from oracle.data.spool import Spool, Spooled
from oracle.errors import OracleError
from oracle.progress import Progress, silent
from oracle.settings import CheckPolicy


@dataclass(frozen=True)
class IngestReport:
    """What became of the rows of one ingest."""

    rows_read: int
    rows_accepted: int
    """Rows of races that were new, or that replaced another version of themselves."""
    rows_duplicate: int
    """Rows that say what another row of the input, or the dataset, says already."""
    rows_quarantined: int
    reasons: Mapping[str, int]
    """Quarantined rows by the code of their reason, most frequent first."""
    quarantine: str | None
    """File that holds the quarantined rows; None where there are none."""
    races: int
    """Races of the input that now stand in the dataset as the input tells them."""
    races_new: int
    races_replaced: int
    first_date: dt.date | None
    last_date: dt.date | None
    notes: Mapping[str, int] = field(default_factory=dict)
    """Rows that were accepted although something is odd, by code (see `oracle.data.check`)."""

    @property
    def learnt_nothing(self) -> bool:
        """Whether no row of the input made sense."""
        return self.rows_accepted + self.rows_duplicate == 0


@dataclass
class _Account:
    """The running count while the months go by."""

    appended: Appended = field(default_factory=Appended)
    duplicate: int = 0
    quarantined: int = 0
    races: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    dates: set[dt.date] = field(default_factory=set)

    def count(self, checked: Checked, appended: Appended) -> None:
        self.appended += appended
        self.duplicate += len(checked.duplicates)
        self.quarantined += len(checked.quarantined)
        self.reasons.update(code_of(reason) for reason in checked.reasons)
        self.notes.update(checked.notes)
        if len(checked.accepted):
            days = checked.accepted["date"]
            self.dates |= {days.min().date(), days.max().date()}


def ingest(
    paths: Sequence[Path],
    source: Source,
    dataset: Dataset,
    now: dt.datetime,
    progress: Progress = silent,
    policy: CheckPolicy | None = None,
) -> IngestReport:
    """Read the paths, append what passes the check, and keep what does not with its reason.

    Args:
        paths: Raw files, or folders of them.
        source: The layout they are in.
        dataset: Where the races go; it need not exist yet. A race that stands there already and says something else is
            replaced; within one ingest, a later file corrects an earlier one.
        now: The moment of judgement, with a time zone: results dated later are refused.
        progress: Shows how far the work is.
        policy: Limits of the check; the built-in ones by default.

    Raises:
        UnreadableFile: a path is missing or not in the layout.
        Unavailable: another process is writing to the dataset.
        OracleError: the three counts do not add up (a fault of ours); nothing was written.
    """
    account = _Account()
    with dataset.writing() as writer, tempfile.TemporaryDirectory(prefix="oracle-ingest-") as scratch:
        spool = Spool(Path(scratch))
        read = sum(spool.add(batch) for batch in source.read(paths, progress))
        refused = Path(scratch, "quarantine.jsonl")
        with refused.open("wb") as lines:
            for run in progress(runs := spool.runs(), "checking and writing", len(runs)):
                lines.writelines(_take_in(spool, spool.load(run), writer, account, now, policy))
        _refuse_unaccounted(read, account)
        quarantine = _keep(writer, refused.read_bytes())
    return IngestReport(
        rows_read=read,
        rows_accepted=account.appended.rows_new,
        rows_duplicate=account.duplicate + account.appended.rows_identical,
        rows_quarantined=account.quarantined,
        reasons=dict(account.reasons.most_common()),
        quarantine=quarantine,
        races=account.races,
        races_new=account.appended.races_new,
        races_replaced=account.appended.races_replaced,
        first_date=min(account.dates, default=None),
        last_date=max(account.dates, default=None),
        notes=dict(account.notes.most_common()),
    )


def _take_in(
    spool: Spool, rows: Spooled, writer: Writer, account: _Account, now: dt.datetime, policy: CheckPolicy | None
) -> Iterator[bytes]:
    """Check and append the tellings of the races one after the other; yield the quarantined rows as lines of JSON."""
    races: set[str] = set()
    for version in range(int(rows.version.max(initial=-1)) + 1):
        told = rows.of_version(version)
        checked = check(told.batch, now, policy)
        account.count(checked, writer.append(checked.accepted))
        races |= set(checked.accepted["race_id"])
        yield from _refused_lines(spool, told, checked)
    account.races += len(races)


def _refused_lines(spool: Spool, told: Spooled, checked: Checked) -> Iterator[bytes]:
    origin = told.origin[checked.quarantined]
    for batch in np.unique(origin).tolist():
        chosen = np.flatnonzero(origin == batch)
        rows = checked.quarantined[chosen]
        for raw, row, reason in zip(
            spool.raw(batch, told.at[rows]), rows, (checked.reasons[i] for i in chosen), strict=True
        ):
            document = {
                "file": told.batch.file.iloc[row],
                "line": int(told.batch.line.iloc[row]),
                "reason": reason,
                "raw": raw,
            }
            yield orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE, default=str)


def _keep(writer: Writer, refused: bytes) -> str | None:
    if not refused:
        return None
    return writer.keep(f"_quarantine/{hashlib.sha256(refused).hexdigest()[:16]}.jsonl", refused)


def _refuse_unaccounted(read: int, account: _Account) -> None:
    accounted = account.appended.rows_new + account.appended.rows_identical + account.duplicate + account.quarantined
    if accounted != read:
        raise OracleError(
            "rows were lost on the way; nothing was written",
            value=f"{read} read, {accounted} accounted for",
            next_step="report this with the file that was ingested",
        )
