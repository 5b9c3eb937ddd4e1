"""A categorical column as counts of its levels, with races as the independent units. Pure.

The grid of a column is the list of levels that are frequent in a sample of the reference. What is not in it counts as
one more level, `other`; the first sixty-four of those by name are counted by name as well. That adds: a name among
the first of the whole is among the first of every part that has it, so no part can have lost its count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from oracle.compiled import compiled
from oracle.drift.numeric import SCALARS, Ints

LEVELS: Final = 256
"""How many levels of a column are counted apart, the most frequent of the sample."""
NAMED: Final = 64
"""How many levels outside the grid are counted by name, in the order of their names."""


@dataclass(frozen=True)
class CategoricalGrid:
    """The levels of one column that are counted apart."""

    levels: tuple[str, ...]

    @property
    def bins(self) -> int:
        """The levels, and `other`."""
        return len(self.levels) + 1

    @property
    def places(self) -> int:
        """How many integers a sketch keeps of the column: counts, squares and products by level, scalars."""
        return 3 * self.bins + SCALARS


def levels_of(sample: pa.ChunkedArray | pa.Array) -> CategoricalGrid:
    """Return the most frequent levels of a sample, by name where they are equally frequent.

    >>> levels_of(pa.array(["turf", "dirt", "turf", None])).levels
    ('turf', 'dirt')
    """
    codes, names = encoded(sample)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    return CategoricalGrid(tuple(names[i] for i in order[:LEVELS] if counts[i]))


def encoded(column: pa.ChunkedArray | pa.Array) -> tuple[NDArray[np.int32], list[str]]:
    """Return the code of each row (-1 where missing) and the names of the codes."""
    codes, dictionary = _dictionary(column)
    return codes, _names(dictionary)


def _dictionary(column: pa.ChunkedArray | pa.Array) -> tuple[NDArray[np.int32], pa.Array]:
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(column, pa.ChunkedArray):
        return np.empty(0, dtype=np.int32), pa.array([], pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    indices = column.indices
    if indices.null_count:
        indices = indices.cast(pa.int32()).fill_null(-1)
    codes = indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    if column.dictionary.null_count:  # a dictionary may hold the missing value as an entry
        codes = np.where(np.asarray(column.dictionary.is_null())[codes] & (codes >= 0), -1, codes).astype(np.int32)
    return codes, column.dictionary


def _names(dictionary: pa.Array) -> list[str]:
    if pa.types.is_boolean(dictionary.type):
        return ["true" if value else "false" for value in dictionary.to_pylist()]
    return [
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        for value in dictionary.to_pylist()
    ]


def tally(column: pa.ChunkedArray | pa.Array, starts: Ints, grid: CategoricalGrid, out: Ints) -> dict[str, int]:
    """Count a column into `out`, a sketch's places for it, and return the first levels outside the grid by name.

    Args:
        column: Text, truth values or dictionary.
        starts: int64[R + 1], the first row of each race, and N; empty where rows are independent.
        grid: Of the reference.
        out: int64[grid.places], zeros.
    """
    codes, dictionary = _dictionary(column)
    if not codes.size:
        return {}
    place = {name: i for i, name in enumerate(grid.levels)}
    names = _names(dictionary)
    level = np.array([*(place.get(name, len(place)) for name in names), -1], dtype=np.int32)
    mapped = level[codes]  # code -1 takes the last
    _tally(mapped, starts, grid.bins, out)
    outside = codes[mapped == len(place)]
    if not outside.size:
        return {}
    counts = np.bincount(outside, minlength=len(names))
    return first_names(Counter({names[i]: int(counts[i]) for i in np.flatnonzero(counts)}))


def first_names(*counts: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of counts of the first levels by name.

    >>> first_names({"b": 1}, {"a": 2, "b": 1})
    {'a': 2, 'b': 2}
    """
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return {name: total[name] for name in sorted(total)[:NAMED]}


def new_levels(reference: Iterable[str], current: Mapping[str, int]) -> tuple[str, ...]:
    """Return the levels outside the grid that the current window has and the reference has not, frequent ones first."""
    known = set(reference)
    return tuple(sorted((n for n in current if n not in known), key=lambda n: (-current[n], n)))


@compiled(error_model="numpy", nogil=True)
def _tally(codes, starts, levels, out):  # type: ignore[no-untyped-def]
    """Count levels, and for each the squares of its counts by race and their products with the race's rows."""
    squares, products, scalars = out[levels : 2 * levels], out[2 * levels : 3 * levels], out[3 * levels :]
    within = np.zeros(levels, dtype=np.int64)
    clustered = starts.size > 0
    for race in range(starts.size - 1 if clustered else 1):
        begin, end = (starts[race], starts[race + 1]) if clustered else (0, codes.size)
        present = 0
        for row in range(begin, end):
            code = codes[row]
            if code >= 0:
                out[code] += 1
                within[code] += 1
                present += 1
        missing = end - begin - present
        scalars[0] += present
        scalars[1] += missing
        if clustered:
            for row in range(begin, end):
                code = codes[row]
                if code >= 0 and within[code] > 0:
                    squares[code] += within[code] * within[code]
                    products[code] += within[code] * present
                    within[code] = 0
            scalars[2] += present * present
            scalars[3] += missing * missing
            scalars[4] += missing * (end - begin)
