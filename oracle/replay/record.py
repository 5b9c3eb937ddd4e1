"""How far a replay is: its terms in a file of its home, everything else in the store that the parts write anyway."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from oracle.errors import BadInput
from oracle.replay.play import Done
from oracle.store import Store

FILE = "replay.json"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is replayed, and how: a home holds one replay."""

    data: str
    fingerprint: str
    """Of the dataset."""
    first: str
    last: str
    odds: bool
    asks: int
    every_days: float
    cooldown_days: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass
class Record:
    """The file: written anew, whole, whenever something is added."""

    file: Path
    terms: Terms
    first_version: str | None = None
    looks: list[str] = field(default_factory=list)
    """Moments of the looks that were done."""
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    trouble: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Put it where it is found after a kill."""
        told = asdict(self) | {"file": None}
        fresh = self.file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        os.replace(fresh, self.file)  # noqa: PTH105 - atomic by promise


def opened(home: Path, terms: Terms, *, resume: bool) -> Record:
    """Return the record of a home: a new one, or with `resume` the one that stands there.

    Raises:
        BadInput: a replay stands there and is not to be resumed, or was one of other terms.
    """
    file = home / FILE
    if not file.exists():
        if home.is_dir() and any(home.iterdir()):
            raise BadInput("the home of a replay must be a new folder", value=str(home), next_step="name another")
        home.mkdir(parents=True, exist_ok=True)
        record = Record(file, terms)
        record.write()
        return record
    if not resume:
        raise BadInput("a replay stands there already", value=str(home), next_step="--resume, or name another folder")
    told = orjson.loads(file.read_bytes())
    there = Terms(**told.pop("terms"))
    if there != terms:
        differs = ", ".join(name for name, value in terms.as_dict().items() if there.as_dict()[name] != value)
        raise BadInput("the replay that stands there has other terms", value=differs, next_step="name another folder")
    return Record(**(told | {"file": file, "terms": there}))


def done(record: Record, store: Store) -> Done:
    """Return what was played before."""
    return Done(frozenset(each.race_key for each in store.results.since(0)), frozenset(record.looks))
