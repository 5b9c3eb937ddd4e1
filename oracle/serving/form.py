"""The form of a served model, carried forward by the results in our store.

A model is saved with what was known after its last training race. What happened since lies in the store; a replica
folds it in beside the requests it answers, and puts a whole new state in the place of the old one: nobody ever reads a
state that is half way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from oracle.ensemble.about import About
from oracle.ensemble.race_model import RaceModel
from oracle.features.forward import Forward, Standing, Telling, Told, told
from oracle.features.state import State

AT_ONCE = 500
"""Results taken apart together, so that a replica with years of results to catch up needs no memory for all of them."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What rows that are not canonical raise, one way or another."""


class Stored(Protocol):
    """A result as the store gives it back (`oracle.store.RaceResult`)."""

    @property
    def seq(self) -> int:
        """Number of this telling: grows with each one stored."""
        ...

    @property
    def race_key(self) -> str:
        """What stays the same when the race is told again."""
        ...

    @property
    def runners(self) -> str:
        """Canonical rows as JSON text."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known after the results up to `seq`. Never changed."""

    state: State
    seq: int
    """Number of the last stored result that was looked at; 0 where none was."""
    through: str
    """Local date of the last race the form knows."""
    folded: int = 0
    """Races told since the training that are in the state."""
    known: int = 0
    """Stored results of races that the training knew already."""
    waiting: tuple[str, ...] = ()
    """Race keys of results that need the next training: older than its last race, and not among its races."""
    unreadable: tuple[str, ...] = ()
    """Race keys of results whose rows are not those of the runner table: left out."""

    def of(self, model: RaceModel) -> RaceModel:
        """Return the model with this state in place of its own; everything else is shared."""
        return model.with_state(self.state, self.through)


class LiveForm:
    """Results in, states out. One per loaded model; `fold` is called from one thread at a time.

    Holds at most two states beside the one that it was given: the one in use, and one some races back.

    Args:
        base: The state that the model was saved with; never changed.
        about: What the model says of itself.
    """

    def __init__(self, base: State, about: About) -> None:
        self._about = about
        self._forward = Forward.of(base)
        self._snapshot = Snapshot(base, 0, about.state_through)

    @property
    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self._snapshot

    def fold(self, results: Sequence[Stored]) -> Snapshot:
        """Return what is known after these results too: the form of one walk over everything, to the last bit.

        Args:
            results: As the store gives them (`results.since(snapshot.seq)`), in any order; a race told again counts
                as it was told last.
        """
        if not results:
            return self._snapshot
        pieces = [
            _readable(results[at : at + AT_ONCE], self._about.overround) for at in range(0, len(results), AT_ONCE)
        ]
        tellings = [each for piece, _ in pieces for each in piece]
        unreadable = [key for _, keys in pieces for key in keys]
        self._forward = self._forward.after(tellings)
        races = self._forward.races
        last = max((str(each.races.day[0].astype("datetime64[D]")) for each in races if each.races), default="")
        again = {result.race_key for result in results}
        self._snapshot = Snapshot(
            state=self._forward.state,
            seq=max(self._snapshot.seq, *(result.seq for result in results)),
            through=max(self._about.state_through, last),
            folded=len(races),
            known=len(self._forward.keys(Standing.KNOWN)),
            waiting=self._forward.keys(Standing.WAITING),
            unreadable=(*(key for key in self._snapshot.unreadable if key not in again), *unreadable),
        )
        return self._snapshot


def _readable(results: Sequence[Stored], overround: str) -> tuple[list[Told], list[str]]:
    """Return what was told of the races, and the keys of those whose rows cannot be read.

    One row that somebody wrote past our checks must not keep every later result from the form.
    """
    try:
        return told([_telling(result) for result in results], overround), []
    except UNREADABLE:
        if len(results) == 1:
            return [], [results[0].race_key]
    parts = [_readable([result], overround) for result in results]
    return [each for tellings, _ in parts for each in tellings], [key for _, keys in parts for key in keys]


def _telling(result: Stored) -> Telling:
    return Telling(result.race_key, result.seq, orjson.loads(result.runners))
