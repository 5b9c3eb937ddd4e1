"""The two windows that a user names, as sketches: which files, which days, counted here or on a cluster."""

from __future__ import annotations

import datetime as dt
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oracle import cluster
from oracle.drift import files
from oracle.drift.columns import Layout, layout
from oracle.drift.grid import Grid
from oracle.drift.parquet import Files, Keep, Reading, days_of, find
from oracle.drift.racing import RaceSums
from oracle.drift.season import EPOCH, same_weeks
from oracle.drift.sketch import Sketch
from oracle.drift.verdict import CLUSTERS, Report, cluster_of, compare
from oracle.errors import BadInput, NotEnoughData, UnreadableFile
from oracle.progress import Progress
from oracle.settings import DriftPolicy

SAME_WEEKS = "same-weeks"
LOCAL = "local"
"""In place of an address: a Ray of our own, which ends with the command."""
KEPT = ".sketch"
"""Ending of a reference that was counted before and is not read again."""
ROWS = 1 << 17

Counted = Callable[[Files, Grid | None, Layout, Keep | None], Sketch]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user named."""

    reference: str
    """Paths, `same-weeks`, or a file of `--keep`."""
    current: str
    history: str | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    cluster: str | None = None
    address: str | None = None
    keep: Path | None = None
    """Where the sketch of the reference is to be kept."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: None if value is None else str(value) for name, value in asdict(self).items()}


def compared(asked: Asked, policy: DriftPolicy, progress: Progress) -> tuple[Report, float]:
    """Return the report, and the CPU seconds that other processes spent on it.

    Raises:
        UnreadableFile: nothing is there.
        BadInput: days are asked for of rows without dates, or there is no such column.
        NotEnoughData: the past holds no such weeks.
    """
    spent: list[float] = []
    with _counting(asked.address, spent) as counting:
        return _compared(asked, policy, functools.partial(_counted, counting=counting, progress=progress)), sum(spent)


def _compared(asked: Asked, policy: DriftPolicy, counted: Counted) -> Report:
    policy, column = _clustered(asked.cluster, policy)
    now = find(asked.current)
    cut = asked.since is not None or asked.until is not None
    keep = _between(asked.since, asked.until) if cut else None
    if asked.reference.endswith(KEPT):
        reference = _read(Path(asked.reference))
        columns = layout(now.schema, cluster=reference.layout.cluster)
    else:
        reference = _reference(asked, now, keep, policy, column, counted)
        columns = _layout(now, policy, column)
    if asked.keep is not None:
        _write(asked.keep, reference)
    return compare(reference, counted(now, reference.grid, columns, keep), policy)


def _reference(
    asked: Asked, now: Files, keep: Keep | None, policy: DriftPolicy, column: str | None, counted: Counted
) -> Sketch:
    """Return the window that is compared with, read and counted."""
    past = find(_past(asked))
    if asked.reference == SAME_WEEKS:
        first, last = _days(now, Reading(_layout(now, policy, column), False, keep))
        before: Keep | None = _same(first, last, policy.season_weeks)
    else:
        before = _before(asked.since) if asked.since and _same_place(asked) else None
    reference = counted(past, None, _layout(past, policy, column), before)
    if not reference.rows and asked.reference == SAME_WEEKS:
        raise NotEnoughData(
            "the history has no race in the same weeks of an earlier year",
            value=_past(asked),
            next_step="name one that reaches further back with --history",
        )
    return reference


def _read(file: Path) -> Sketch:
    """Return a reference that was kept: a model's own, or one of `--keep`."""
    try:
        return Sketch.from_bytes(file.read_bytes(), counter=RaceSums)
    except (OSError, BadInput) as error:
        raise UnreadableFile(
            f"no reference can be read: {error}",
            value=str(file),
            allowed="a file that --keep wrote, or reference/form.sketch of a model",
            next_step="count it anew: oracle drift --reference A --current B --keep FILE.sketch",
        ) from error


def _write(file: Path, reference: Sketch) -> None:
    """Keep a reference under its name, whole or not at all."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_bytes(reference.to_bytes())
        partial.replace(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"the reference cannot be kept: {reason}", value=str(file)) from error


def _past(asked: Asked) -> str:
    return (asked.history or asked.current) if asked.reference == SAME_WEEKS else asked.reference


def _same_place(asked: Asked) -> bool:
    """Whether reference and window are one path, cut by a date: the reference then ends where the window begins."""
    return asked.reference.rstrip("/") == asked.current.rstrip("/")


def _clustered(named: str | None, policy: DriftPolicy) -> tuple[DriftPolicy, str | None]:
    """Return the policy with the cluster that was asked for, or the column that was."""
    if named is None:
        return policy, None
    return (policy.model_copy(update={"cluster": named}), None) if named in CLUSTERS else (policy, named)


def _layout(found: Files, policy: DriftPolicy, column: str | None) -> Layout:
    return layout(found.schema, cluster=column or cluster_of(found.schema.names, policy))


def _counted(
    found: Files,
    grid: Grid | None,
    columns: Layout,
    keep: Keep | None,
    *,
    counting: files.Counting,
    progress: Progress,
) -> Sketch:
    return files.of(found, grid, columns, RaceSums, keep=keep, progress=progress, counting=counting)


@contextmanager
def _counting(address: str | None, spent: list[float]) -> Iterator[files.Counting]:
    """Yield what counts row groups: this process, or the Ray at an address; `spent` gets its tasks' CPU seconds."""
    if address is None:
        yield files.here
        return
    joined = None if address == LOCAL else address
    os.environ.update(cluster.environment(joined, os.environ))  # before Ray is imported: it reads it then only
    with cluster.running(joined, os.cpu_count() or 1, 0.0):
        from oracle.drift import on_ray

        yield functools.partial(on_ray.counting, spent=spent.append)


def _between(since: dt.date | None, until: dt.date | None) -> Keep:
    low, high = (None if day is None else (day - EPOCH).days for day in (since, until))

    def kept(days: Any) -> Any:
        return (days >= (-(2**60) if low is None else low)) & (days <= (2**60 if high is None else high))

    return kept


def _before(since: dt.date) -> Keep:
    return _between(None, since - dt.timedelta(days=1))


def _same(first: int, last: int, margin: int) -> Keep:
    return lambda days: same_weeks(days, first, last, margin)


def _days(found: Files, reading: Reading) -> tuple[int, int]:
    """Return first and last day of a window."""
    low, high = [], []
    for group in found.groups:
        for rows in reading.batches(group, ROWS, ["date", "off"]):
            days = days_of(rows, found.of)
            if days.size:
                low.append(int(days.min()))
                high.append(int(days.max()))
    if not low:
        raise NotEnoughData("the window has no rows", value=found.of)
    return min(low), max(high)
