"""The data version of a retraining: the dataset and the results of our store, as they stood when it began.

A version never changes: what is ingested later, or corrected, goes into the next one. So every step reads the same
races, whenever it is begun again, and who wants to know what a model learned from finds it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from oracle.data.dataset import Appended, Dataset
from oracle.data.sources.base import DTYPES
from oracle.errors import BadInput
from oracle.race import COLUMNS
from oracle.retraining.steps import Done, Outcome, Work, made
from oracle.store import RaceResult, Store

TOLD = "_version.json"
RACES_AT_ONCE = 2000


def take(work: Work) -> Outcome:
    """Make the data version and return what it holds.

    Raises:
        BadInput: nobody said which dataset to begin with.
        NoSuchDataset: there is none at that path.
    """
    source = work.context.data or work.settings.candidate.data
    if source is None:
        raise BadInput(
            "a retraining begins with a dataset",
            value=None,
            allowed="a folder, or s3://bucket/prefix",
            next_step="--data DATASET, or the setting candidate.data (ORACLE_CANDIDATE__DATA)",
        )
    chosen = str(source)

    def make(partial: Path) -> None:
        copied(chosen, partial)
        work.mark("snapshot.copied")
        added, through = results_into(work.context.store, partial)
        said = {"source": chosen, "results_through": through, "races_new": added.races_new}
        said["races_corrected"] = added.races_replaced
        (partial / TOLD).write_bytes(orjson.dumps(said))
        work.mark("snapshot.written")

    folder = made(Path(work.data), make)
    work.mark("snapshot.made")
    summary = Dataset(folder).summary()
    return Done(
        {
            **orjson.loads((folder / TOLD).read_bytes()),
            "data": str(folder),
            "fingerprint": summary.fingerprint,
            "races": summary.races,
            "rows": summary.rows,
            "first_date": str(summary.first_date),
            "last_date": str(summary.last_date),
        }
    )


def copied(source: str, target: Path) -> None:
    """Put the races of a dataset into a new folder, by its files where it is a folder of this machine.

    Raises:
        NoSuchDataset: there is none at the path.
        Unavailable: somebody is writing to it.
    """
    dataset = Dataset(source)
    dataset.summary()  # says that there is no dataset before anything is made
    if "://" in source:
        Dataset(target).append(dataset.read())
        return
    leave = shutil.ignore_patterns("_quarantine", "_staging", "_lock")
    with dataset.writing() if os.access(source, os.W_OK) else contextlib.nullcontext():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=leave)


def results_into(store: Store, folder: str | Path) -> tuple[Appended, int]:
    """Add the results of our store to a dataset; return what that did, and the number of the last telling.

    Races that stand there as they were told change nothing.
    """
    added, seq = Appended(), 0
    with Dataset(folder).writing() as writer:
        while some := store.results.since(seq, RACES_AT_ONCE):
            added += writer.append(rows_of(some))
            seq = some[-1].seq
    return added, seq


def rows_of(results: Sequence[RaceResult]) -> pd.DataFrame:
    """Return results as canonical rows: what `oracle.data.results` made of them, read back."""
    names = [c.name for c in COLUMNS]
    told: list[dict[str, Any]] = [row for result in results for row in orjson.loads(result.runners)]
    rows = pd.DataFrame([[row.get(name) for name in names] for row in told], columns=names, dtype=object)
    rows["date"] = pd.to_datetime(rows["date"])
    rows["off"] = pd.to_datetime(rows["off"], utc=True)
    return rows.astype(dict(DTYPES))
