"""The grid of a reference: on which bins and levels its windows are counted. Pure.

Two sketches add, and compare, only where they were counted on one grid; its digest says whether they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from oracle.drift import categorical, numeric
from oracle.drift.categorical import CategoricalGrid
from oracle.drift.columns import Column, Kind, Layout, Role
from oracle.drift.numeric import NumericGrid
from oracle.errors import BadInput

HEADER = 3
ROWS, RACES, SIZE_SQUARES = range(HEADER)
"""What a sketch counts besides columns: rows, races, squares of the races' rows."""

ColumnGrid = NumericGrid | CategoricalGrid


@dataclass(frozen=True, eq=False)
class Grid:
    """What is counted of each measured column of a reference, and where a sketch keeps it."""

    layout: Layout
    """Of the reference."""
    columns: Mapping[str, ColumnGrid]
    """In the order of the layout."""

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The places of each column in a sketch's vector of integers."""
        ends = np.cumsum([HEADER, *(c.places for c in self.columns.values())])
        return {n: slice(int(a), int(b)) for n, a, b in zip(self.columns, ends[:-1], ends[1:], strict=True)}

    @cached_property
    def places(self) -> int:
        """How many integers a sketch keeps."""
        return HEADER + sum(c.places for c in self.columns.values())

    @cached_property
    def digest(self) -> str:
        """Names the grid: equal for equal bins of equal columns."""
        return hashlib.blake2b(self.to_bytes(), digest_size=12).hexdigest()

    def replaced(self, columns: Mapping[str, ColumnGrid]) -> Grid:
        """Return the grid with other bins for some columns."""
        return Grid(self.layout, {name: columns.get(name, old) for name, old in self.columns.items()})

    def to_bytes(self) -> bytes:
        """Return what `from_bytes` reads."""
        edges = [c.edges for c in self.columns.values() if isinstance(c, NumericGrid)]
        head = {
            "layout": layout_as_dict(self.layout),
            "columns": {
                name: len(c.edges) if isinstance(c, NumericGrid) else list(c.levels) for name, c in self.columns.items()
            },
        }
        return packed(head, np.concatenate([np.empty(0), *edges]).astype("<f8").tobytes())

    @classmethod
    def from_bytes(cls, content: bytes) -> Grid:
        """Return the grid that was written.

        Raises:
            BadInput: these are not the bytes of a grid.
        """
        head, rest = unpacked(content)
        edges, at, columns = np.frombuffer(rest, dtype="<f8").astype(np.float64), 0, dict[str, ColumnGrid]()
        for name, what in head["columns"].items():
            if isinstance(what, int):
                columns[name], at = NumericGrid(edges[at : at + what]), at + what
            else:
                columns[name] = CategoricalGrid(tuple(what))
        return cls(layout_from_dict(head["layout"]), columns)


def of_sample(sample: pa.Table, layout: Layout, bins: int = numeric.BINS) -> Grid:
    """Return the grid of a reference from a sample of its rows, or from all of them where they are few.

    Args:
        sample: Its columns may be fewer than the layout's; what is absent has no values.
        layout: Of the reference.
        bins: Quantile bins of a numeric column. Up to as many distinct values have a bin each.
    """
    columns: dict[str, ColumnGrid] = {}
    for column in layout.measured:
        values = sample.column(column.name) if column.name in sample.column_names else pa.nulls(0)
        if column.kind is Kind.CATEGORICAL:
            columns[column.name] = categorical.levels_of(values)
        else:
            floats = numeric.as_floats(values) if len(values) else np.empty(0)
            columns[column.name] = numeric.grid_of(floats, bins) or NumericGrid(np.zeros(1))
    return Grid(layout, columns)


def layout_as_dict(layout: Layout) -> dict[str, Any]:
    """Return a layout as plain values."""
    return {"columns": [[c.name, c.type, c.kind, c.role] for c in layout.columns], "cluster": layout.cluster}


def layout_from_dict(document: Mapping[str, Any]) -> Layout:
    """Return the layout of plain values."""
    columns = (Column(name, type_, Kind(kind), Role(role)) for name, type_, kind, role in document["columns"])
    return Layout(tuple(columns), document["cluster"])


def packed(head: Mapping[str, Any], *parts: bytes) -> bytes:
    """Return a head of plain values and parts of bytes as one, compressed."""
    first = orjson.dumps({**head, "parts": [len(p) for p in parts]})  # in the order of the columns: places follow it
    whole = b"".join((len(first).to_bytes(8, "little"), first, *parts))
    body = pa.compress(whole, codec="zstd", asbytes=True)
    return b"".join((MAGIC, len(whole).to_bytes(8, "little"), body))


def unpacked(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the head, and its parts as one piece.

    Raises:
        BadInput: nothing of ours wrote these bytes, or they are cut.
    """
    try:
        if content[: len(MAGIC)] != MAGIC:
            raise ValueError("another beginning")
        size = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 8], "little")
        whole = pa.decompress(content[len(MAGIC) + 8 :], size, codec="zstd", asbytes=True)
        length = int.from_bytes(whole[:8], "little")
        head: dict[str, Any] = orjson.loads(whole[8 : 8 + length])
    except (ValueError, OSError) as error:
        raise BadInput(
            "these are not the bytes of a drift sketch", value=content[:8], next_step="make the reference anew"
        ) from error
    return head, whole[8 + length :]


def parts_of(head: Mapping[str, Any], rest: bytes) -> Iterator[bytes]:
    """Yield the parts that were packed, one by one."""
    at = 0
    for size in head["parts"]:
        yield rest[at : at + size]
        at += size


MAGIC = b"ORSK0001"
