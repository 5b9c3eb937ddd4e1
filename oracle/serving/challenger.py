"""A challenger on live traffic, from both ends: what answers in its own deployment, and how the gateway asks it.

A challenger that raises, hangs or dies must cost no user an answer. So the gateway asks with a time limit and behind a
circuit breaker, and whatever goes wrong is a reason and not an error: the control answers. Which version is wanted
comes with every question; a challenger that holds another one says so and loads the wanted one beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from oracle.errors import BadSetting, Unavailable
from oracle.race import RaceCard
from oracle.ranking.plackett_luce import Discount
from oracle.serving.breaker import Breaker
from oracle.serving.messages import ModelMessage
from oracle.serving.scoring import Scored
from oracle.serving.slot import Slot
from oracle.serving.version import Target

Fallback = Literal["error", "timeout", "dead", "open", "absent"]
FALLBACKS: tuple[Fallback, ...] = ("error", "timeout", "dead", "open", "absent")
"""Why the control answered for a challenger: it raised, was late, has died, is not asked for a while after failures, or
does not hold the wanted version (yet)."""
IDLE_SECONDS = 60.0
"""After so long without a question an idle challenger lets its model go."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a challenger says of some cards."""

    model: ModelMessage
    label: str
    """Version and weights in one word."""
    discount: Discount
    form: int
    """Number of the last result in its form."""
    scored: tuple[Scored, ...]
    latency_ms: float


class Challenger:
    """Answers for one slot in a process of its own; holds nothing until somebody wants a version of it."""

    def __init__(self, slot: Slot, clock: Callable[[], float] = time.perf_counter) -> None:
        self._slot, self._clock = slot, clock
        self._wanted: Target | None = None
        self._pinned: Target | None = None
        self._ruled: Target | None = None
        self._asked_at = clock()

    def score(self, cards: Sequence[RaceCard], target: Target, form: int = 0) -> Reply | None:
        """Return what the target says of the cards, or None where another version stands here, or none.

        Args:
            cards: Races.
            target: The version that is wanted.
            form: Number of the last result in the asker's form: this one knows it too before it answers, so that two
                arms differ by their models and not by what they have heard.

        Raises:
            OracleError: a card cannot be scored.
        """
        self._asked_at = self._clock()
        loaded = self._slot.loaded
        if loaded is None or loaded.target != target:
            self._wanted = target
            return None
        if loaded.form is not None and loaded.seq < form:
            with contextlib.suppress(Unavailable):  # it then answers from the form that it has, and says which
                self._slot.catch_up()
            loaded = self._slot.held()
        began = time.perf_counter()
        scored = self._slot.score(cards, loaded)
        spent = (time.perf_counter() - began) * 1000 / max(len(cards), 1)
        return Reply(loaded.message, loaded.label, loaded.model.discount, loaded.seq, tuple(scored), spent)

    def reconfigure(self, wanted: object) -> None:
        """Hold the target that `user_config` describes even while nobody asks; an impossible one changes nothing."""
        try:
            self._pinned = Target.model_validate(wanted) if wanted else None
        except ValidationError as error:
            self._slot.refused = BadSetting(
                f"user_config is not possible: {error}", allowed=Target.model_fields, next_step="see docs/serving.md"
            )

    def rule(self, target: Target | None) -> None:
        """Hold the version that a running experiment names, before anybody asks for it."""
        self._ruled = target

    def look(self) -> None:
        """Load what is wanted, or let go of what nobody wants any more; called again and again from the background."""
        idle = self._clock() - self._asked_at > IDLE_SECONDS
        if idle:
            self._wanted = None
        target = self._wanted or self._ruled or self._pinned
        loaded = self._slot.loaded
        if target is None:
            if loaded is not None and idle:
                self._slot.empty()
        elif loaded is None or loaded.target != target:
            if self._slot.asked != target:
                self._slot.follow(target)
            else:
                self._slot.look_again()


Ask = Callable[[Sequence[RaceCard], Target, int], Awaitable[Reply | None]]


class Asking:
    """How the gateway asks one challenger; used from one event loop.

    Args:
        ask: Sends cards to the challenger's deployment.
        timeout: Seconds after which a user's request is answered by the control.
        cause: What kind of failure an exception is: whether the challenger has died.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        timeout: float,
        cause: Callable[[BaseException], Fallback] = lambda _: "error",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._timeout, self._cause, self._clock = ask, timeout, cause, clock
        self.breaker = Breaker()
        self.last_error: str | None = None

    async def score(
        self, cards: Sequence[RaceCard], target: Target, *, form: int = 0, patience: float = 1.0
    ) -> Reply | Fallback:
        """Return what the challenger says of the cards, or why it says nothing. Raises nothing.

        Args:
            cards: Races.
            target: The version that is wanted.
            form: Number of the last result that it has to know.
            patience: Times the usual time limit: nobody waits for a shadow scoring.
        """
        if not self.breaker.allows(self._clock()):
            return "open"
        try:
            reply = await asyncio.wait_for(self._awaited(cards, target, form), self._timeout * patience)
        except TimeoutError:
            return self._failed("timeout", "it did not answer in time")
        except asyncio.CancelledError:
            self.breaker.trying = False  # the caller has gone: that says nothing of the challenger
            raise
        except Exception as error:  # noqa: BLE001 - whatever a challenger does, the control answers
            return self._failed(self._cause(error), f"{type(error).__name__}: {error}")
        if reply is not None and len(reply.scored) != len(cards):
            return self._failed("error", f"it scored {len(reply.scored)} of {len(cards)} cards")
        self.breaker.succeeded()
        return "absent" if reply is None else reply

    async def _awaited(self, cards: Sequence[RaceCard], target: Target, form: int) -> Reply | None:
        return await self._ask(cards, target, form)

    def _failed(self, why: Fallback, said: str) -> Fallback:
        self.breaker.failed(self._clock())
        self.last_error = said[:300]
        return why
