"""What a feature does to its values, noted instead of done.

A computation of the registry is called once with a view whose values only write down each operation on a tape; what
several features share is written down once. `oracle.features.program` makes a compiled program of the tape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from oracle.features.feature import View
from oracle.features.operations import (
    ADD,
    AHEAD,
    CARD,
    CENTRED,
    CONSTANT,
    DIVIDE,
    ISNAN,
    KNOWN_OR_ZERO,
    LAST,
    LEAD,
    LOAD,
    LOG,
    LOG1P,
    MAXIMUM,
    MEAN,
    MINIMUM,
    MULTIPLY,
    NEGATIVE,
    RATING,
    SUBTRACT,
    WEIGHT,
)
from oracle.features.races import Races
from oracle.features.state import Reading
from oracle.race import Known
from oracle.ranking.races import Floats

_UFUNCS: Mapping[np.ufunc, int] = {
    np.add: ADD,
    np.subtract: SUBTRACT,
    np.multiply: MULTIPLY,
    np.divide: DIVIDE,
    np.maximum: MAXIMUM,
    np.minimum: MINIMUM,
    np.negative: NEGATIVE,
    np.isnan: ISNAN,
    np.log: LOG,
    np.log1p: LOG1P,
}
BY_NUMPY: Mapping[int, np.ufunc] = {LOG: np.log, LOG1P: np.log1p}


@dataclass
class Tape:
    """What has been noted: one step per value, equal steps once."""

    steps: list[tuple[int, float, float]] = field(default_factory=list)
    """Operation and operands: earlier steps, or (source, column) of a load, or the constant."""
    at: dict[tuple[int, float, float], int] = field(default_factory=dict)
    columns: tuple[dict[Any, int], ...] = field(default_factory=lambda: tuple({} for _ in range(5)))
    """Per source: which column it is asked for, in the order met."""

    def step(self, operation: int, a: float, b: float = 0.0) -> int:
        """Return the number of the step, noted now if it is new."""
        key = (operation, a, b)
        if key not in self.at:
            self.at[key] = len(self.steps)
            self.steps.append(key)
        return self.at[key]

    def load(self, source: int, column: object) -> Noted:
        """Return a value that is given; a rating's column is its own number."""
        asked = self.columns[source]
        at = column if isinstance(column, int) else asked.setdefault(column, len(asked))
        return Noted(self, self.step(LOAD, source, at))

    def noted(self, operation: int, *operands: object) -> Noted:
        """Return what an operation makes of values and constants."""
        return Noted(self, self.step(operation, *(self._operand(o) for o in operands)))

    def _operand(self, operand: object) -> int:
        if isinstance(operand, Noted):
            return operand.step
        if isinstance(operand, int | float):
            return self.step(CONSTANT, float(operand))
        raise _untraceable(type(operand).__name__)


def _untraceable(what: str) -> TypeError:
    return TypeError(f"a feature does {what}, which oracle.features.tracing cannot note yet: teach it the operation")


class Noted(NDArrayOperatorsMixin):
    """Stands for float64[N] while a computation is traced."""

    def __init__(self, tape: Tape, step: int) -> None:
        """Stand for the value of a step of the tape."""
        self.tape, self.step = tape, step

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **told: object) -> Noted:
        """Note the operation."""
        if method != "__call__" or told or ufunc not in _UFUNCS:
            raise _untraceable(f"{ufunc.__name__}.{method}")
        return self.tape.noted(_UFUNCS[ufunc], *inputs)

    def __array_function__(self, function: Any, types: object, args: Any, told: Any) -> Noted:
        """Note the two functions that features use: numpy's clip and nan_to_num."""
        if function is np.clip and len(args) == 3 and not told:
            return self.tape.noted(MINIMUM, self.tape.noted(MAXIMUM, args[0], args[1]), args[2])
        if function is np.nan_to_num and len(args) == 1 and not told:
            return self.tape.noted(KNOWN_OR_ZERO, args[0])
        raise _untraceable(function.__name__)

    def astype(self, dtype: object) -> Noted:
        """Return itself: every noted value is a float64 already."""
        if dtype is not np.float64:
            raise _untraceable(f"astype {dtype}")
        return self


class _Columns(Mapping[str, Any]):
    """A table of which each column can be asked for by name."""

    def __init__(self, tape: Tape, source: int) -> None:
        self._tape, self._source = tape, source

    def __getitem__(self, name: str) -> Noted:
        return self._tape.load(self._source, name)

    def __iter__(self) -> Any:
        raise _untraceable("a loop over columns")

    def __len__(self) -> int:
        raise _untraceable("a count of columns")


class _Ratings:
    """The table of ratings, float64[N, 4]."""

    def __init__(self, tape: Tape, some: slice | None = None) -> None:
        self._tape, self._some = tape, some

    def __getitem__(self, at: tuple[slice, int | slice]) -> Any:
        rows, column = at
        if rows != slice(None):
            raise _untraceable("a choice of rows")
        return _Ratings(self._tape, column) if isinstance(column, slice) else self._tape.load(RATING, column)

    def sum(self, axis: int) -> Noted:
        """Return the sum over some columns, added from left to right as numpy does."""
        if axis != 1 or self._some is None:
            raise _untraceable("another sum of ratings")
        first, *rest = (self._tape.load(RATING, c) for c in range(4)[self._some])
        for each in rest:
            first = first + each
        return first


class _Races:
    """What features ask of races beside their columns: each of these as one more column of the card."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.numbers = _Columns(tape, CARD)

    def __getattr__(self, name: str) -> Noted:
        if name not in ("field_size", "wetness", "off_of_runner", "market"):
            raise _untraceable(f"races.{name}")
        return self._tape.load(CARD, (name,))


class _Tracing(View):
    """A view whose values only note what is done to them."""

    @property
    def _tape(self) -> Tape:
        return cast(Tape, self.reading.last._tape)  # type: ignore[attr-defined]

    def text_is(self, name: str, *values: str) -> Floats:
        """Return the flag as a column of the card."""
        self._may(name)
        return cast(Floats, self._tape.load(CARD, (name, values)))

    def centred(self, x: Floats) -> Floats:
        """Note it."""
        return cast(Floats, self._tape.noted(CENTRED, x))

    def ahead(self, x: Floats) -> Floats:
        """Note it."""
        return cast(Floats, self._tape.noted(AHEAD, x))

    def lead(self, x: Floats) -> Floats:
        """Note it."""
        return cast(Floats, self._tape.noted(LEAD, x))


def view(tape: Tape, known: Known) -> View:
    """Return a view that notes on the tape what a feature does, and refuses a column that is known later."""
    reading = Reading(_Columns(tape, MEAN), _Columns(tape, WEIGHT), _Columns(tape, LAST), cast(Floats, _Ratings(tape)))
    return _Tracing(cast(Races, _Races(tape)), reading, known)
