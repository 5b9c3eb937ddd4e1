"""The features of a card as one compiled program, traced from the computations that the registry holds.

A history is computed feature by feature: its arrays are long, so what a call costs does not show. A card has a dozen
rows, and there the two hundred calls cost more than the arithmetic. So each computation is called once with values that
only note what is done to them; what several features share is noted once; and a compiled loop does all of it for a
card. The registry stays the only place where a feature is defined, and every operation is the same one in the same
order, so that the numbers are equal to the last bit. Logarithms are left to numpy: theirs are rounded otherwise than
the compiler's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from oracle.features import registry
from oracle.features.books import ENTRIES, NUMBER
from oracle.features.feature import View
from oracle.features.matrix import Floats32
from oracle.features.operations import CARD, CONSTANT, LOAD, MINIMUM, run, tell
from oracle.features.races import Races
from oracle.features.tracing import BY_NUMPY, Noted, Tape, view
from oracle.ranking.races import Floats, Ints


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
            run(stage.steps, self.constants, offsets, card, *tables, *self.which, values)
            for step, function, of in stage.logarithms:
                function(values[of], out=values[step])
        out = np.empty((runners, len(self.results)), dtype=np.float32)
        tell(values, self.results, out)
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
        cast(Noted, cast(Callable[[View], object], f.compute)(view(tape, f.known))).step
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
        stage.append(max((stage[o] + (steps[o][0] in BY_NUMPY) for o in operands), default=0))
    found = []
    for number in range(max(stage, default=-1) + 1):
        own = [(at, *s) for at, s in enumerate(steps) if stage[at] == number]
        compiled = [(at, op, int(a) if op != CONSTANT else 0, int(b)) for at, op, a, b in own if op not in BY_NUMPY]
        logarithms = tuple((at, BY_NUMPY[op], int(a)) for at, op, a, _ in own if op in BY_NUMPY)
        found.append(Stage(np.array(compiled, dtype=np.int32).reshape(-1, 4), logarithms))
    return tuple(found)
