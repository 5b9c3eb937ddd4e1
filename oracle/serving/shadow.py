"""The other arm's opinion of every race, formed beside the answers and never in their way.

A race's result does not depend on which prediction its user saw, so both arms can be judged on the same races. The
arm that did not answer scores the card afterwards: many cards per call, each card once per version and form. This work
waits in a queue of fixed length; it rests while the event loop is late for the users, and what has waited too long or
finds the queue full is shed and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from oracle.race import RaceCard
from oracle.serving.version import Target

REMEMBERED = 20_000
"""Cards known to be scored or waiting: a card that many users ask for is scored once."""
REST = 0.02
"""Seconds between two looks at how late the event loop is."""


@dataclass(frozen=True, slots=True)
class ShadowPolicy:
    """How much shadow work is taken on."""

    queue: int = 512
    """Cards that may wait for one arm."""
    batch: int = 16
    """Cards per call: a challenger that also answers users is not blocked for long."""
    late: float = 0.05
    """Seconds by which the event loop may be late before shadow work rests."""
    oldest: float = 30.0
    """Seconds after which waiting work is given up."""
    linger: float = 0.05
    """Seconds for which a batch is gathered."""


REPLAYED = ShadowPolicy(queue=100_000, late=1.0, oldest=3600.0, linger=0.0)
"""In a replay nobody waits for an answer but the replay itself: nothing is shed, and nothing is gathered."""


@dataclass(frozen=True, slots=True)
class Work:
    """A card to be scored by an arm that did not answer it."""

    key: str
    """Names card and form."""
    card: RaceCard
    text: str
    """Its canonical JSON."""
    target: Target


@dataclass(slots=True)
class _Lane:
    waiting: deque[tuple[float, Work]] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


Score = Callable[[str, Target, Sequence[Work]], Awaitable[bool]]
"""Has an arm score some cards, and writes what it said; False where it could not."""


class Shadow:
    """Takes work and has it done; used from one event loop.

    Args:
        score: Does the work.
        policy: How much is taken on.
        clock: Seconds that only grow.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        score: Score,
        policy: ShadowPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._score, self._policy, self._clock, self._sleep = score, policy or ShadowPolicy(), clock, sleep
        self._lanes: dict[str, _Lane] = {}
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self.shed = 0
        """Cards given up because too many waited, or for too long."""
        self.failed = 0
        """Cards the arm could not score."""
        self.done = 0
        """Cards scored."""
        self.lag = 0.0
        """Seconds that the card scored last had waited."""

    @property
    def depth(self) -> int:
        """How many cards wait."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def offer(self, arm: str, work: Work) -> bool:
        """Take a card for an arm and return whether it was; one that is known or finds the queue full is not."""
        name = _name(arm, work)
        if name in self._seen:
            return False
        lane = self._lane(arm)
        if len(lane.waiting) >= self._policy.queue:
            self.shed += 1
            return False
        self._seen[name] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        lane.waiting.append((self._clock(), work))
        lane.wake.set()
        return True

    def close(self) -> None:
        """Stop; what waits is shed."""
        for lane in self._lanes.values():
            self.shed += len(lane.waiting)
            lane.waiting.clear()
            if lane.task is not None:
                lane.task.cancel()

    async def settled(self) -> None:
        """Return once nothing waits any more."""
        while self.depth or any(lane.wake.is_set() for lane in self._lanes.values()):
            await asyncio.sleep(0.01)

    def _lane(self, arm: str) -> _Lane:
        lane = self._lanes.get(arm)
        if lane is None:
            lane = self._lanes[arm] = _Lane()
        if lane.task is None or lane.task.done():
            lane.wake = asyncio.Event()  # of the loop that runs now
            lane.task = asyncio.get_running_loop().create_task(self._work(arm, lane))
        return lane

    async def _work(self, arm: str, lane: _Lane) -> None:
        while True:
            await lane.wake.wait()
            await self._sleep(self._policy.linger)
            await self._users_first()
            batch = self._batch(arm, lane)
            if batch:
                await self._do(arm, [work for _, work in batch], batch[0][0])
            if not lane.waiting:
                lane.wake.clear()

    async def _users_first(self) -> None:
        """Wait while the event loop is late, but no longer than keeps one batch a second going."""
        until = self._clock() + 1.0
        while self._clock() < until:
            before = self._clock()
            await self._sleep(REST)
            if self._clock() - before - REST <= self._policy.late:
                return

    def _batch(self, arm: str, lane: _Lane) -> list[tuple[float, Work]]:
        """Return the next cards for one target, oldest first; those that are too old are shed."""
        oldest = self._clock() - self._policy.oldest
        batch: list[tuple[float, Work]] = []
        while lane.waiting and len(batch) < self._policy.batch:
            at, work = lane.waiting[0]
            if at < oldest:
                lane.waiting.popleft()
                self._seen.pop(_name(arm, work), None)
                self.shed += 1
            elif batch and work.target != batch[0][1].target:
                break
            else:
                batch.append(lane.waiting.popleft())
        return batch

    async def _do(self, arm: str, batch: list[Work], since: float) -> None:
        try:
            scored = await self._score(arm, batch[0].target, batch)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - shadow work may fail in any way and must fail nobody
            scored = False
        self.lag = self._clock() - since
        if scored:
            self.done += len(batch)
            return
        self.failed += len(batch)
        for work in batch:
            self._seen.pop(_name(arm, work), None)


def _name(arm: str, work: Work) -> tuple[str, str, str]:
    return work.key, arm, work.target.label
