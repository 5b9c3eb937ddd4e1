"""Answers that were given while our store was away: on this machine's disk until they are in it.

Each process writes a journal of its own. What one that died has left is claimed by the next one on the machine, which
knows its answers from then on and brings them in. Nothing here speaks to the store.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import orjson

from oracle.errors import Unavailable
from oracle.store.journal import Journal, left_behind
from oracle.store.predictions import Prediction
from oracle.store.scorings import Scoring

T = TypeVar("T")
MOST_BYTES = 512 * 2**20
"""Bytes of one process's journal: some sixty thousand answers."""


class SpoolFull(Unavailable):
    """Our store is away and this machine has no room left for answers that it could not take."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one record holds: an answer with its scoring, or a shadow scoring alone."""

    prediction: Prediction | None
    scoring: Scoring | None


class Spool:
    """The journals that this process holds; `append`, `claim` and `clear` take turns by the caller's lock.

    Args:
        folder: Where the journals of this machine are.
        name: What this process is called.
        most_bytes: Bytes that its own journal may have.
    """

    def __init__(self, folder: Path, name: str, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self._name, self._most = folder, name, most_bytes
        self._own: Journal | None = None
        self._held: list[Journal] = []
        self._places: dict[str, tuple[Journal, int, int]] = {}
        self._made = 0
        self.rows = 0
        """Records in the journals held."""

    @property
    def size(self) -> int:
        """Bytes of the journals held."""
        return sum(journal.size for journal in self._held)

    @property
    def damaged(self) -> int:
        """Bytes of the journals held that could not be read."""
        return sum(journal.damaged for journal in self._held)

    def append(self, entries: Sequence[Entry]) -> list[str | None]:
        """Write entries and return for each None, or the answer that is kept under its id already, which then stands.

        Raises:
            SpoolFull: there is no room for them.
            Unavailable: the disk did not take them.
        """
        kept: list[str | None] = [None] * len(entries)
        fresh: dict[str, str] = {}
        records, names = [], []
        for at, entry in enumerate(entries):
            name = None if entry.prediction is None else entry.prediction.prediction_id
            if name is not None and entry.prediction is not None:
                earlier = fresh.get(name) or self.answer(name)
                if earlier is not None:
                    kept[at] = None if earlier == entry.prediction.answer else earlier
                    continue
                fresh[name] = entry.prediction.answer
            records.append(packed(entry))
            names.append(name)
        if records:
            journal = self._writable(sum(map(len, records)))
            for name, (offset, length) in zip(names, journal.append(records), strict=True):
                if name is not None:
                    self._places[name] = (journal, offset, length)
            self.rows += len(records)
        return kept

    def _writable(self, more: int) -> Journal:
        if self._own is not None and self._own.broken:
            if not self._own.size:
                self._held.remove(self._own)
                self._own.remove()
            self._own = None  # where it holds something it stays among those held, and is read out like them
        if more + sum(j.size for j in self._held if j.path.name.startswith(self._name)) > self._most:
            raise SpoolFull(
                "our store is away, and the journal for what it cannot take is full",
                value=f"{self._most // 2**20} MB",
                next_step="bring the database back, or raise store.spool_megabytes (ORACLE_STORE__SPOOL_MEGABYTES)",
            )
        if self._own is None:
            self._made += 1
            try:
                self._own = Journal.make(self.folder, f"{self._name}-{os.getpid()}-{self._made}")
            except OSError as error:
                raise Unavailable(
                    f"our store is away, and no journal can be made: {error.strerror}",
                    value=self.folder,
                    next_step="make the home folder writable, with room on its disk",
                ) from error
            self._held.append(self._own)
        return self._own

    def answer(self, prediction_id: str) -> str | None:
        """Return the answer kept under an id, or None where none of the journals held has it."""
        place = self._places.get(prediction_id)
        if place is None:
            return None
        journal, offset, length = place
        try:
            found: str = orjson.loads(journal.read(offset, length))["prediction"]["answer"]
        except (OSError, ValueError):  # it has just been brought in, and its journal removed
            return None
        return found

    def claim(self) -> int:
        """Take over the journals of those who have died, and return how many answers and scorings that are."""
        before = self.rows
        mine = {journal.path for journal in self._held}
        for path in left_behind(self.folder):
            if path in mine or (journal := Journal.claim(path)) is None:
                continue
            self._held.append(journal)
            for offset, record in journal.records():
                name = _name_in(record)
                if name is not None:
                    self._places.setdefault(name, (journal, offset, len(record)))
                self.rows += 1
        return self.rows - before

    def others(self) -> bool:
        """Return whether journals lie here that this process does not hold."""
        mine = {journal.path for journal in self._held}
        return any(path not in mine for path in left_behind(self.folder))

    def journals(self) -> list[Journal]:
        """Return the journals held, the oldest first, the one that is still written last."""
        return sorted(self._held, key=lambda journal: journal is self._own)

    def clear(self) -> None:
        """Remove the journals held: everything in them is in our store."""
        for journal in self._held:
            journal.remove()
        self._held, self._own, self._places, self.rows = [], None, {}, 0

    def close(self) -> None:
        """Let go of the journals; what is in them waits for the next one."""
        for journal in self._held:
            journal.close() if journal.size else journal.remove()
        self._held, self._own, self._places, self.rows = [], None, {}, 0


def packed(entry: Entry) -> bytes:
    """Return an entry as bytes."""
    return orjson.dumps({"v": 1, "prediction": entry.prediction, "scoring": entry.scoring})


def unpacked(record: bytes) -> Entry:
    """Return the entry that was packed.

    Raises:
        ValueError: it is none of ours, or one of a newer release.
    """
    said = orjson.loads(record)
    if not isinstance(said, dict) or said.get("v") != 1:
        raise ValueError("a record of another release")
    return Entry(_value(Prediction, said["prediction"]), _value(Scoring, said["scoring"]))


def _value(kind: Callable[..., T], said: dict[str, Any] | None) -> T | None:
    if said is None:
        return None
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # both are dataclasses
    if unknown := set(said) - known:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    moments = {name: dt.datetime.fromisoformat(said[name]) for name in ("at", "off")}
    return kind(**{**said, **moments})


def _name_in(record: bytes) -> str | None:
    try:
        entry = unpacked(record)
    except (ValueError, TypeError, KeyError):
        return None
    return None if entry.prediction is None else entry.prediction.prediction_id


def pieces(journal: Journal, start: int, most: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the records of a journal from `start` in pieces, each with the place behind it."""
    piece: list[bytes] = []
    end = start
    for offset, record in journal.records(start):
        piece.append(record)
        end = offset + len(record)
        if len(piece) >= most:
            yield end, piece
            piece = []
    if piece:
        yield end, piece
