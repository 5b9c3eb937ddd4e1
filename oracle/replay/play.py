"""Plays the moments of a history against a server: cards before the off, results after it, looks in between."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from oracle.errors import OracleError
from oracle.progress import Progress
from oracle.replay.calendar import Moment, What
from oracle.replay.told import Race

USERS = 500
"""People who ask, in turn."""


class Posting(Protocol):
    """What the player needs of a server (`oracle.replay.parts.Server`)."""

    def post(self, path: str, body: bytes, now: Any, **headers: str) -> dict[str, Any]:
        """Return the answer to a document posted at a moment."""
        ...


@dataclass(slots=True)
class Clockwork:
    """Seconds of this machine by what they were spent on; `a.spent(...)` times a block."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def spent(self, on: str) -> Iterator[None]:
        """Add the seconds of a block to what they were spent on."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(on, time.perf_counter() - began)

    def add(self, on: str, seconds: float) -> None:
        """Add seconds to what they were spent on."""
        self.seconds[on] = self.seconds.get(on, 0.0) + seconds


@dataclass(frozen=True)
class Done:
    """What was played before, and is not to be played again."""

    results: frozenset[str] = frozenset()
    """Races whose result is in the store."""
    looks: frozenset[str] = frozenset()
    """Looks at the monitor, ISO moments."""


@dataclass
class Played:
    """What became of what was posted."""

    cards: int = 0
    results: int = 0
    looks: int = 0
    unasked: int = 0
    """Races without a card that could be asked: too few starters, or too large a field."""
    refused: Counter[str] = field(default_factory=Counter)
    """Rows of results that the rules of racing refused, by code."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "cards": self.cards,
            "results": self.results,
            "looks": self.looks,
            "unasked": self.unasked,
            "refused": dict(self.refused),
        }


def play(
    races: Sequence[Race],
    moments: Sequence[Moment],
    server: Posting,
    look: Callable[[Moment], None],
    clockwork: Clockwork,
    *,
    asks: int,
    done: Done,
    pause: Callable[[Moment], None],
    progress: Progress,
) -> Played:
    """Play the moments in their order and return what became of them.

    Args:
        races: The races, as the moments number them.
        moments: From `oracle.replay.calendar.moments`.
        server: Where cards and results are posted to.
        look: What is done at a look.
        clockwork: Takes the time.
        asks: Users who ask for each card.
        done: What was played before an interruption. A card is asked for again only where its result is not known
            yet: the form is then the one it was first asked with, and the same request finds the same answer.
        pause: Waits, where history is not played as fast as it goes.
        progress: Told of each moment.
    """
    played = Played()
    for moment in progress(moments, "playing history", len(moments)):
        if moment.what is What.LOOK:
            if moment.at.isoformat() not in done.looks:
                pause(moment)
                look(moment)
                played.looks += 1
            continue
        race = races[moment.race]
        if race.race_id in done.results:
            continue
        pause(moment)
        if moment.what is What.CARD:
            with clockwork.spent("cards"):
                _ask(server, race, moment, asks, played)
        else:
            with clockwork.spent("results"):
                _tell(server, race, moment, played)
    return played


def _ask(server: Posting, race: Race, moment: Moment, asks: int, played: Played) -> None:
    if race.card is None:
        played.unasked += 1
        return
    for nth in range(asks):
        user = f"user-{(moment.race * asks + nth) % USERS}"
        request = f"replay {race.race_id} {nth}"
        server.post("/v1/predict", race.card, moment.at, X_User_Id=user, X_Request_Id=request)
    played.cards += 1


def _tell(server: Posting, race: Race, moment: Moment, played: Played) -> None:
    try:
        told: Mapping[str, Any] = server.post("/v1/results", race.result, moment.at)
    except OracleError as error:
        played.refused[str(error.what)] += 1
        return
    played.results += 1
    for row in told["races"][0]["refused"]:
        played.refused[str(row["reason"]).split(":", 1)[0]] += 1
