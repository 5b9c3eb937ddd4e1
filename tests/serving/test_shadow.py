"""The other arm's opinion: many cards per call, each once, never in the way, shed first and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from oracle.serving.shadow import Shadow, ShadowPolicy, Work
from oracle.serving.version import Target

TWO, THREE = Target(version="2"), Target(version="3")
QUICK = ShadowPolicy(linger=0.0)


def work(key: int, target: Target = TWO) -> Work:
    return Work(str(key), cast("Any", None), "{}", target)


class Arm:
    """Scores cards as it is told to, and remembers its calls."""

    def __init__(self, good: bool = True) -> None:
        self.good, self.calls = good, list[list[str]]()

    async def __call__(self, arm: str, target: Target, batch: Sequence[Work]) -> bool:
        self.calls.append([w.key for w in batch])
        return self.good


def run(what: Callable[[], Awaitable[None]]) -> None:
    async def once() -> None:
        await what()

    asyncio.run(once())


def test_a_backlog_is_done_in_batches_each_card_once():
    arm = Arm()

    async def story() -> None:
        shadow = Shadow(arm, QUICK)
        assert [shadow.offer("treatment", work(n % 40)) for n in range(80)] == [True] * 40 + [False] * 40
        await shadow.settled()
        assert (shadow.done, shadow.shed, shadow.depth) == (40, 0, 0)
        assert not shadow.offer("treatment", work(3))
        assert shadow.offer("treatment", work(3, THREE))  # another version has its own opinion
        await shadow.settled()
        shadow.close()

    run(story)
    assert [len(call) for call in arm.calls] == [16, 16, 8, 1]


def test_what_finds_the_queue_full_is_shed_and_counted():
    async def story() -> None:
        shadow = Shadow(Arm(), ShadowPolicy(queue=10, linger=0.0))
        taken = [shadow.offer("treatment", work(n)) for n in range(25)]
        assert (sum(taken), shadow.shed) == (10, 15)
        await shadow.settled()
        assert shadow.offer("treatment", work(24))  # what was shed may be offered again
        shadow.close()
        assert shadow.shed == 16

    run(story)


def test_what_has_waited_too_long_is_shed():
    now = [0.0]

    async def story() -> None:
        arm = Arm()
        shadow = Shadow(arm, QUICK, clock=lambda: now[0])
        shadow.offer("treatment", work(1))
        now[0] = 60.0
        shadow.offer("treatment", work(2))
        await shadow.settled()
        assert (arm.calls, shadow.shed, shadow.done) == ([["2"]], 1, 1)
        shadow.close()

    run(story)


def test_what_an_arm_cannot_do_is_counted_and_may_come_again():
    async def story() -> None:
        arm = Arm(good=False)
        shadow = Shadow(arm, QUICK)
        shadow.offer("treatment", work(1))
        await shadow.settled()
        assert (shadow.failed, shadow.done) == (1, 0)
        assert shadow.offer("treatment", work(1))
        shadow.close()

    run(story)


def test_an_arm_that_raises_fails_nobody():
    async def raises(*_: object) -> bool:
        raise ValueError

    async def story() -> None:
        shadow = Shadow(raises, QUICK)
        for n in range(3):
            shadow.offer("treatment", work(n))
            await shadow.settled()
        assert shadow.failed == 3
        shadow.close()

    run(story)


def test_it_rests_while_the_event_loop_is_late_but_not_for_ever():
    now, slept = [0.0], list[float]()

    async def late(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds + 0.2  # each sleep takes 200 ms longer than asked for
        await asyncio.sleep(0)

    async def story() -> None:
        arm = Arm()
        shadow = Shadow(arm, QUICK, clock=lambda: now[0], sleep=late)
        shadow.offer("treatment", work(1))
        await shadow.settled()
        assert arm.calls == [["1"]]
        shadow.close()

    run(story)
    assert len(slept) > 3


@pytest.mark.parametrize("arms", [1, 3])
def test_each_arm_has_a_queue_of_its_own(arms: int):
    async def story() -> None:
        arm = Arm()
        shadow = Shadow(arm, ShadowPolicy(queue=5, linger=0.0))
        for name in range(arms):
            for n in range(5):
                assert shadow.offer(f"treatment-{name}", work(n))
        await shadow.settled()
        assert (shadow.done, len(arm.calls)) == (5 * arms, arms)
        shadow.close()

    run(story)
