"""The audit trail as values: what was done or refused, each entry chained to the one before by its hash.

The hash of an entry covers its position, the hash before it and every field, in one canonical form. Whoever changes,
removes, inserts or reorders an entry must write every later one anew; whoever kept the hash of a later one somewhere
else sees it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, fields
from typing import Literal

Outcome = Literal["allowed", "refused", "failed"]

GENESIS = "0" * 64
"""What stands before the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that somebody did, was refused, or failed to do."""

    entry_id: str
    """Chosen by the writer: an entry that is written twice stands there once."""
    at: dt.datetime
    actor: str
    address: str | None = None
    """Where the request came from; None for a command on the machine itself."""
    action: str
    """A verb of the house, such as `promote`."""
    target: str
    """What it was done to, such as `equine-oracle/3`."""
    outcome: Outcome
    reason: str | None = None
    """Why it was done, or why it was refused."""
    before: str | None = None
    """What stood there before, as JSON."""
    after: str | None = None
    """What stands there since, as JSON."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry at its place in the chain."""

    position: int
    """1 for the first; no number is left out."""
    previous: str
    """Hash of the entry before, 64 hexadecimal digits; `GENESIS` for the first."""
    hash: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Head:
    """How far the chain has come."""

    position: int = 0
    hash: str = GENESIS


def digest(position: int, previous: str, entry: Entry) -> str:
    """Return the hash of an entry at its place: SHA-256 of its canonical JSON, 64 hexadecimal digits."""
    said = {field.name: getattr(entry, field.name) for field in fields(entry)}
    said["at"] = entry.at.astimezone(dt.UTC).isoformat(timespec="microseconds")
    text = json.dumps([position, previous, said], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def linked(head: Head, entry: Entry) -> Link:
    """Return the entry as the next one of the chain."""
    position = head.position + 1
    return Link(position, head.hash, digest(position, head.hash, entry), entry)
