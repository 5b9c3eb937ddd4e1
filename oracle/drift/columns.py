"""What each column of a drift table is for, told by its name and its type. Pure.

A drift table has one row per starter, and the rows of a race stand together. Which columns are data, predictions, the
market, outcomes or mere identity follows from their names, so that any Parquet can be compared: one with none of these
names is data from its first column to its last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import pyarrow as pa
import pyarrow.types as pt

from oracle.errors import BadInput
from oracle.race import KNOWN_AT, Known


class Role(StrEnum):
    """What a column is for."""

    IDENTITY = "identity"
    """Says which race, horse or place a row belongs to: for clusters and causes, never tested."""
    DATA = "data"
    PREDICTION = "prediction"
    MARKET = "market"
    OUTCOME = "outcome"


class Kind(StrEnum):
    """How a column can be compared."""

    NUMERIC = "numeric"
    """Numbers, dates and times: Kolmogorov-Smirnov."""
    CATEGORICAL = "categorical"
    """Text, truth values and dictionaries: contingency chi-square."""
    EMPTY = "empty"
    """Without a single value, and therefore without a type."""
    NESTED = "nested"
    """Lists and structs: not compared."""


IDENTITY = frozenset(
    (
        *("race_id", "meeting", "date", "off", "off_estimated", "course", "country", "race_type"),
        *("race_number", "race_name", "number", "horse_id", "horse", "jockey_id", "jockey", "trainer_id", "trainer"),
        *("sire", "source", "model_version", "prediction_id", "experiment", "arm", "ensemble"),
    )
)
PREDICTION = frozenset(("score", "win", "place", "rank"))
MARKET = frozenset(("market", "odds"))
OUTCOME = frozenset(name for name, known in KNOWN_AT.items() if known is Known.RESULT)
OF_RACES = frozenset(
    (
        *("race_id", "meeting", "date", "off", "course", "country", "race_type", "model_version"),
        *("score", "win", "place", "rank", "market", "odds", "position", "status", "time_s"),
        *("draw", "distance_m", "surface", "going", "field_size"),
    )
)
"""What whole races are judged by, beside the distributions of single columns."""
RACE = "race_id"
"""The column that says which rows depend on each other, unless another is named."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name, its Arrow type in words, how it is compared and what it is for."""

    name: str
    type: str
    kind: Kind
    role: Role


@dataclass(frozen=True)
class Layout:
    """The columns of a table in their order, and the one whose equal neighbours are one cluster."""

    columns: tuple[Column, ...]
    cluster: str | None = None
    """None where no column says which rows belong together: each row then counts as independent."""

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by name."""
        return {c.name: c for c in self.columns}

    @property
    def measured(self) -> tuple[Column, ...]:
        """What a sketch counts: everything but identity and what has no values to compare."""
        kinds = (Kind.NUMERIC, Kind.CATEGORICAL)
        return tuple(c for c in self.columns if c.kind in kinds and c.role is not Role.IDENTITY)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the data columns that are numbers."""
        return self._data(Kind.NUMERIC)

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the data columns that are categories."""
        return self._data(Kind.CATEGORICAL)

    def _data(self, kind: Kind) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind is kind and c.role is Role.DATA)


def kind_of(type_: pa.DataType) -> Kind:
    """Return how values of an Arrow type are compared.

    >>> str(kind_of(pa.timestamp("s"))), str(kind_of(pa.bool_()))
    ('numeric', 'categorical')
    """
    if pt.is_null(type_):
        return Kind.EMPTY
    if pt.is_dictionary(type_) or pt.is_boolean(type_):
        return Kind.CATEGORICAL
    if pt.is_integer(type_) or pt.is_floating(type_) or pt.is_decimal(type_):
        return Kind.NUMERIC
    if pt.is_temporal(type_) and not pt.is_interval(type_):
        return Kind.NUMERIC
    texts = (pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_binary, pt.is_large_binary)
    if any(fits(type_) for fits in (*texts, pt.is_fixed_size_binary, pt.is_binary_view)):
        return Kind.CATEGORICAL
    return Kind.NESTED


def role_of(name: str) -> Role:
    """Return what a column of this name is for; data, unless the name says otherwise."""
    named = {
        Role.IDENTITY: IDENTITY,
        Role.PREDICTION: PREDICTION,
        Role.MARKET: MARKET,
        Role.OUTCOME: OUTCOME,
    }
    return next((role for role, names in named.items() if name in names), Role.DATA)


def layout(schema: pa.Schema, cluster: str | None = None, only: Sequence[str] | None = None) -> Layout:
    """Return what each column of a schema is for.

    Args:
        schema: Of the table, or of all its files together.
        cluster: The column whose equal neighbours depend on each other; `race_id` where it exists, else none.
        only: The columns wanted, besides the cluster's; all by default.

    Raises:
        BadInput: the schema lacks the named cluster column or a wanted one.
    """
    names = list(schema.names)
    for wanted in [*([cluster] if cluster else []), *(only or [])]:
        if wanted not in names:
            raise BadInput("there is no such column", value=wanted, allowed=names)
    cluster = cluster or (RACE if RACE in names else None)
    fields = [f for f in schema if only is None or f.name in only or f.name == cluster]
    columns = (Column(f.name, str(f.type), kind_of(f.type), _role(f.name, cluster)) for f in fields)
    return Layout(tuple(columns), cluster)


def _role(name: str, cluster: str | None) -> Role:
    return Role.IDENTITY if name == cluster else role_of(name)
