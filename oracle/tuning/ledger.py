"""The folder of a sweep: what it was asked for, every trial with its folds, and the scores it made.

The driver alone writes here, each file whole or not at all, and always before anybody else (Ray, MLflow) is told. So
the folder is the truth after a kill: what it does not hold did not happen, and what it holds is not done again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from oracle.errors import BadInput, Refused, UnreadableFile
from oracle.ranking.races import Floats
from oracle.tuning.space import Plain

FORMAT = 1
SWEEP = "sweep.json"


class State(StrEnum):
    """Where a trial stands."""

    RUNNING = "running"
    """Proposed, and not ended: it runs, or the process that ran it is gone."""
    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    FAILED = "failed"


@dataclass
class Record:
    """One trial, as far as it has come."""

    phase: str
    number: int
    point: dict[str, Plain]
    """What is tried, under a searcher's names."""
    state: State = State.RUNNING
    folds: list[dict[str, float]] = field(default_factory=list)
    """What each fold measured, in order."""
    value: float | None = None
    """What the search lowers, over the folds so far."""
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state is not State.RUNNING

    @property
    def seconds(self) -> float:
        """Wall-clock time of its folds."""
        return sum(f.get("seconds", 0.0) for f in self.folds)


@dataclass(frozen=True)
class Ledger:
    """An open folder of a sweep."""

    folder: Path

    def asked(self) -> dict[str, Any]:
        """Return what the sweep was begun with.

        Raises:
            UnreadableFile: the file is not what a sweep writes.
        """
        try:
            found: dict[str, Any] = json.loads((self.folder / SWEEP).read_text("utf-8"))
            if found.get("format") != FORMAT:
                raise ValueError(f"format {found.get('format')}")
        except (OSError, ValueError) as error:
            raise UnreadableFile(
                f"the sweep cannot be read: {error}", value=str(self.folder), next_step="name another folder with --out"
            ) from error
        return found

    def write(self, name: str, document: object) -> Path:
        """Write a document of the sweep, whole or not at all."""
        text = json.dumps(document, indent=1, default=str) + "\n"
        return self._put(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file of the sweep, whole or not at all."""
        return self._put(name, content)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a document of the sweep, None where it has not been written."""
        file = self.folder / name
        return json.loads(file.read_text("utf-8")) if file.exists() else None

    def put(self, record: Record) -> None:
        """Keep a trial as it stands."""
        self.write(f"{record.phase}/{record.number:04d}.json", asdict(record))

    def put_scores(self, record: Record, fold: int, scores: Floats) -> None:
        """Keep the out-of-fold scores of a trial; to be called before the fold is put on its record."""
        file = self.folder / record.phase / f"{record.number:04d}-fold{fold}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        with (partial := file.with_suffix(".part")).open("wb") as out:
            np.save(out, scores, allow_pickle=False)
        partial.replace(file)

    def scores(self, record: Record) -> tuple[Floats, ...]:
        """Return the out-of-fold scores of a trial, fold by fold."""
        files = (
            self.folder / record.phase / f"{record.number:04d}-fold{fold}.npy" for fold in range(len(record.folds))
        )
        return tuple(np.load(file, allow_pickle=False) for file in files)

    def records(self, phase: str) -> list[Record]:
        """Return the trials of a phase in the order of their numbers."""
        found = []
        for file in sorted((self.folder / phase).glob("[0-9]*.json")):
            values = json.loads(file.read_text("utf-8"))
            found.append(Record(**values | {"state": State(values["state"])}))
        return found

    def _put(self, name: str, content: bytes) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.part")
        with partial.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
        return file


def expect(folder: Path, *, resume: bool) -> None:
    """Return if there is a sweep to resume, or room for a new one.

    Raises:
        BadInput: there is no sweep to resume.
        Refused: there is one already.
    """
    there = (folder / SWEEP).exists()
    if resume and not there:
        step = "leave --resume out, or name its folder by --out"
        raise BadInput("there is no sweep to resume", value=str(folder), next_step=step)
    if there and not resume:
        step = "go on with it by --resume, or name another folder by --out"
        raise Refused("there is a sweep in this folder already", value=str(folder), next_step=step)


@contextmanager
def opened(folder: Path, asked: Mapping[str, Any], *, resume: bool, varying: tuple[str, ...]) -> Iterator[Ledger]:
    """Open the folder of a sweep for one driver, and keep every other one out.

    Args:
        folder: Made where it is missing.
        asked: What the sweep is asked for, all that decides its result.
        resume: Go on with the sweep that is there.
        varying: Keys of `asked` that may differ between a sweep and its resumption.

    Raises:
        BadInput: there is no sweep to resume.
        Refused: there is one already, it was asked for something else, or another process works on it.
    """
    ledger = Ledger(folder)
    expect(folder, resume=resume)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(
                "another process works on this sweep", value=str(folder), next_step="wait for it, or name another --out"
            ) from error
        if not (folder / SWEEP).exists():
            ledger.write(SWEEP, {"format": FORMAT, **asked})
        else:
            _same(ledger.asked(), asked, varying)
        yield ledger


def _same(begun: Mapping[str, Any], asked: Mapping[str, Any], varying: tuple[str, ...]) -> None:
    plain = json.loads(json.dumps(dict(asked), default=str))
    for key, value in plain.items():
        if key not in varying and begun.get(key) != value:
            raise Refused(
                f"the sweep was begun with another {key}",
                value=value,
                allowed=str(begun.get(key)),
                next_step="resume it as it was begun, or begin another with --out",
            )
