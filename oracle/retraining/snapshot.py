"""The data version of a retraining: the dataset and the results of our store, as they stood when it began.

A version never changes: what is ingested later, or corrected, goes into the next one. So every step reads the same
races, whenever it is begun again, and who wants to know what a model learned from finds it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import orjson

from oracle.data.dataset import Dataset
from oracle.data.told import results_into
from oracle.errors import BadInput
from oracle.retraining.steps import Done, Outcome, Work, made

TOLD = "_version.json"


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
        folded = results_into(str(partial), work.context.store, now=work.now, progress=work.context.progress)
        said = {
            "source": chosen,
            "results_through": folded.through,
            "races_new": folded.appended.races_new,
            "races_corrected": folded.appended.races_replaced,
            "unreadable": len(folded.unreadable),
        }
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
