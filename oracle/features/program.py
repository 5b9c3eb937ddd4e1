"""The features of a card as one compiled program, traced from the computations that the registry holds.

A history is computed feature by feature: its arrays are long, so what a call costs does not show. A card has a dozen
rows, and there the two hundred calls cost more than the arithmetic. So each computation is called once with values that
only note what is done to them; what several features share is noted once; and a compiled loop does all of it for a
card. The registry stays the only place where a feature is defined, and every operation is the same one in the same
order, so that the numbers are equal to the last bit. Logarithms are left to numpy: theirs are rounded otherwise than
the compiler's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from oracle.compiled import compiled
from oracle.features import registry, within
from oracle.features.books import ENTRIES, NUMBER
from oracle.features.feature import View
from oracle.features.matrix import Floats32
from oracle.features.races import Races
from oracle.features.state import Reading
from oracle.race import Known
from oracle.ranking.races import Floats, Ints

LOAD, CONSTANT, ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, NEGATIVE, ISNAN, KNOWN_OR_ZERO = range(11)
CENTRED, AHEAD, LEAD = range(11, 14)
LOG, LOG1P = range(14, 16)
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
_BY_NUMPY: Mapping[int, np.ufunc] = {LOG: np.log, LOG1P: np.log1p}
LARGEST = float(np.finfo(np.float64).max)

CARD, MEAN, WEIGHT, LAST, RATING = range(5)
"""Where a value is loaded from: the card, or one of the four tables that a state reads."""


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
    return TypeError(f"a feature does {what}, which oracle.features.program cannot note yet: teach it the operation")


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


def _view(tape: Tape, known: Known) -> _Tracing:
    reading = Reading(_Columns(tape, MEAN), _Columns(tape, WEIGHT), _Columns(tape, LAST), cast(Floats, _Ratings(tape)))
    return _Tracing(cast(Races, _Races(tape)), reading, known)


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that the compiled loop does, and the logarithms that numpy takes of their values."""

    steps: npt.NDArray[np.int32]
    """int32[K, 4]: step, operation, operands."""
    logarithms: tuple[tuple[int, np.ufunc, int], ...]
    """(step, function, of which step)."""


@dataclass(frozen=True, slots=True)
class Program:
    """A feature set as steps."""

    stages: tuple[Stage, ...]
    constants: Floats
    """float64[S]: of each step, where it is a constant."""
    results: Ints
    """int64[F]: the step of each feature."""
    card: tuple[Any, ...]
    """Columns of the card: a name, (a property of the races,), or (a text column, words) for a flag."""
    which: tuple[Ints, Ints, Ints]
    """Where the entries stand whose means and weights are asked for, and the ledgers whose last run is."""

    def run(self, offsets: Ints, card: Floats, tables: tuple[Floats, Floats, Floats, Floats]) -> Floats32:
        """Return float32[N, F], the features; NaN where infinite.

        Args:
            offsets: int64[R + 1].
            card: float64[C, N] in the order of `card`.
            tables: Means and weights (float64[N, E]), last (float64[N, L]) and ratings (float64[N, 4]).
        """
        runners = card.shape[1]
        values = np.empty((len(self.constants), runners))
        for stage in self.stages:
            _run(stage.steps, self.constants, offsets, card, *tables, *self.which, values)
            for step, function, of in stage.logarithms:
                function(values[of], out=values[step])
        out = np.empty((runners, len(self.results)), dtype=np.float32)
        _tell(values, self.results, out)
        return out


def columns(of: Program, races: Races) -> Floats:
    """Return float64[C, N], what a program asks of the cards themselves."""
    out = np.empty((len(of.card), races.runners))
    for at, asked in enumerate(of.card):
        if isinstance(asked, str):
            out[at] = races.numbers[asked]
        elif len(asked) == 1:
            out[at] = getattr(races, asked[0])
        else:
            out[at] = [text in asked[1] for text in races.texts[asked[0]].tolist()]
    return out


@lru_cache(maxsize=8)
def program(feature_set: str) -> Program:
    """Return the program of a feature set.

    Raises:
        TypeError: a feature does what cannot be noted.
        LookupError: a feature asks for a column that is known later than it declares.
    """
    tape = Tape()
    results = [
        cast(Noted, cast(Callable[[View], object], f.compute)(_view(tape, f.known))).step
        for f in registry.features(feature_set)
    ]
    _, means, weights, last, _ = (tuple(c) for c in tape.columns)
    return Program(
        stages=_staged(tape.steps),
        constants=np.array([a if operation == CONSTANT else 0.0 for operation, a, _ in tape.steps]),
        results=np.array(results, dtype=np.int64),
        card=tuple(tape.columns[CARD]),
        which=(
            np.array([ENTRIES[m] for m in means], dtype=np.int64),
            np.array([ENTRIES[w] for w in weights], dtype=np.int64),
            np.array([NUMBER[ledger] for ledger in last], dtype=np.int64),
        ),
    )


def _staged(steps: list[tuple[int, float, float]]) -> tuple[Stage, ...]:
    """Cut the steps where a logarithm has to be taken first."""
    stage: list[int] = []
    for operation, a, b in steps:
        operands = () if operation in (LOAD, CONSTANT) else (int(a), int(b)) if operation <= MINIMUM else (int(a),)
        stage.append(max((stage[o] + (steps[o][0] in _BY_NUMPY) for o in operands), default=0))
    found = []
    for number in range(max(stage, default=-1) + 1):
        own = [(at, *s) for at, s in enumerate(steps) if stage[at] == number]
        compiled = [(at, op, int(a) if op != CONSTANT else 0, int(b)) for at, op, a, b in own if op not in _BY_NUMPY]
        logarithms = tuple((at, _BY_NUMPY[op], int(a)) for at, op, a, _ in own if op in _BY_NUMPY)
        found.append(Stage(np.array(compiled, dtype=np.int32).reshape(-1, 4), logarithms))
    return tuple(found)


@compiled(error_model="numpy")
def _run(steps, constants, offsets, card, means, weights, last, ratings, of_mean, of_weight, of_last, values):  # type: ignore[no-untyped-def]  # pragma: no cover
    runners = values.shape[1]
    for k in range(len(steps)):
        at, operation, a, b = steps[k, 0], steps[k, 1], steps[k, 2], steps[k, 3]
        out = values[at]
        if operation == LOAD:
            for i in range(runners):
                if a == CARD:
                    out[i] = card[b, i]
                elif a == MEAN:
                    out[i] = means[i, of_mean[b]]
                elif a == WEIGHT:
                    out[i] = weights[i, of_weight[b]]
                elif a == LAST:
                    out[i] = last[i, of_last[b]]
                else:
                    out[i] = ratings[i, b]
        elif operation == CONSTANT:
            out[:] = constants[at]
        elif operation == ADD:
            for i in range(runners):
                out[i] = values[a, i] + values[b, i]
        elif operation == SUBTRACT:
            for i in range(runners):
                out[i] = values[a, i] - values[b, i]
        elif operation == MULTIPLY:
            for i in range(runners):
                out[i] = values[a, i] * values[b, i]
        elif operation == DIVIDE:
            for i in range(runners):
                out[i] = values[a, i] / values[b, i]
        elif operation == MAXIMUM:
            for i in range(runners):
                x, y = values[a, i], values[b, i]
                out[i] = x if x >= y or x != x else y
        elif operation == MINIMUM:
            for i in range(runners):
                x, y = values[a, i], values[b, i]
                out[i] = x if x <= y or x != x else y
        elif operation == NEGATIVE:
            for i in range(runners):
                out[i] = -values[a, i]
        elif operation == ISNAN:
            for i in range(runners):
                out[i] = 1.0 if np.isnan(values[a, i]) else 0.0
        elif operation == KNOWN_OR_ZERO:
            for i in range(runners):
                x = values[a, i]
                out[i] = 0.0 if np.isnan(x) else max(min(x, LARGEST), -LARGEST)
        else:
            _compare(operation, values[a], offsets, out)


@compiled()
def _compare(operation, x, offsets, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    out[:] = np.nan
    if operation == CENTRED:
        within._mean(x, offsets, out)
        for i in range(len(x)):
            out[i] = x[i] - out[i]
    elif operation == AHEAD:
        within._ahead(x, offsets, out)
    else:
        within._lead(x, offsets, out)


@compiled()
def _tell(values, results, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(out)):
        for f in range(len(results)):
            value = np.float32(values[results[f], i])
            out[i, f] = np.nan if np.isinf(value) else value
