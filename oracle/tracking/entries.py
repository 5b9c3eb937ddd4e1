"""What it takes to declare a name: its group, unit, direction and meaning, and what its placeholders stand for.

Pure. The names themselves stand in `oracle.tracking.catalogue`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from oracle.errors import OracleError


class Undeclared(OracleError):
    """Code tried to record a name that the catalogue does not hold. A mistake of ours, not of the user."""


class Direction(StrEnum):
    """Which way is better; a gate must never have to guess it."""

    UP = "up"
    DOWN = "down"
    NEUTRAL = "neutral"
    """Describes the run; neither way is better."""


class Group(StrEnum):
    """The question that a name answers."""

    PERFORMANCE = "performance"
    TRAINING = "training"
    DATA = "data quality"
    ENSEMBLE = "ensemble"
    INFERENCE = "inference"
    SPLIT = "split"
    FEATURES = "features"
    MEMBERS = "members"
    SWEEP = "sweep"
    PROVENANCE = "provenance"


PLACEHOLDERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "who": (
            r"(?:model|form|market|members\.[a-z0-9_]+)",
            "`model` (as shipped), `form` (the ensemble without odds), `market` (odds alone), or `members.` and a name",
        ),
        "period": (r"(?:test|validation)", "`test` (the last dates) or `validation` (the dates before them)"),
        "span": (r"(?:train|validation|test)", "`train`, `validation` or `test`"),
        "judged": (
            r"(?:folds|hindsight|test)",
            "`folds` (each fold by what earlier folds chose), `hindsight` (the folds it was chosen by) or `test`",
        ),
        "ensemble": (r"(?:model|form)", "`model` (with the market) or `form` (without odds)"),
        "member": (r"[a-z0-9_]+", "name of a member of the ensemble"),
        "setting": (r"[A-Za-z0-9_]+", "name of a setting"),
        "canary": (r"(?:constant|random|shuffled)", "`constant`, `random` or `shuffled` (docs/metrics.md)"),
        "feature": (r"[a-z0-9_]+", "name of a feature column"),
        "package": (r"[A-Za-z0-9_-]+", "name of an installed distribution"),
    }
)
"""What may stand in each placeholder: a pattern, and its description for the docs."""


@dataclass(frozen=True)
class Entry:
    """A declared name, which may hold placeholders; `covers` says whether a concrete name is one of its forms."""

    name: str
    group: Group
    meaning: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", self.name)
        return re.compile("".join(PLACEHOLDERS[p][0] if i % 2 else re.escape(p) for i, p in enumerate(parts)))

    def covers(self, name: str) -> bool:
        """Return whether the concrete name is this entry with its placeholders filled in."""
        return self._pattern.fullmatch(name) is not None


@dataclass(frozen=True)
class Metric(Entry):
    """A number that a run measures."""

    unit: str = "1"
    direction: Direction = Direction.NEUTRAL


@dataclass(frozen=True)
class Parameter(Entry):
    """A choice that a run was made with, or a fact about where it came from."""


E = TypeVar("E", bound=Entry)


def find(entries: Iterable[E], name: str, kind: str) -> E:
    """Return the entry that covers the concrete name.

    Raises:
        Undeclared: no entry does; names the nearest ones.
    """
    entries = tuple(entries)
    for entry in entries:
        if entry.covers(name):
            return entry
    near = difflib.get_close_matches(name, [e.name for e in entries], n=3, cutoff=0.3)
    raise Undeclared(
        f"the {kind} is not declared",
        value=name,
        allowed=near or f"one of the {len(entries)} names in docs/tracking.md",
        next_step="declare it in oracle/tracking/catalogue.py, with its unit and meaning",
    )
