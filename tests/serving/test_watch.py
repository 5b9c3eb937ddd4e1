"""What is looked at beside the requests, and what is not when nothing is new."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from oracle.errors import Unavailable
from oracle.serving.watch import Background, Chore, Watch


@dataclass
class Pulse:
    results_seq: int = 0
    experiments_seq: int = 0


class Story:
    """A watch over a pulse that the test moves."""

    def __init__(self) -> None:
        self.pulse, self.now, self.done = Pulse(), 0.0, list[str]()
        self.broken: set[str] = set()
        chores = (Chore(10.0, lambda: self.do("chore")),)
        self.watch = Watch(
            self.ask,
            on_results=lambda: self.do("results"),
            on_experiments=lambda: self.do("experiments"),
            chores=chores,
            clock=lambda: self.now,
        )

    def ask(self) -> Pulse:
        if "pulse" in self.broken:
            raise Unavailable("our store did not answer")
        return Pulse(self.pulse.results_seq, self.pulse.experiments_seq)

    def do(self, what: str) -> None:
        if what in self.broken:
            raise Unavailable(what)
        self.done.append(what)

    def look(self) -> list[str]:
        self.done.clear()
        self.watch.look()
        return list(self.done)


def test_the_first_look_sees_everything_and_the_next_only_what_is_new():
    story = Story()
    assert story.look() == ["experiments", "results"]
    assert story.look() == []
    story.pulse.results_seq = 1
    assert story.look() == ["results"]
    story.pulse.experiments_seq = 1
    assert story.look() == ["experiments"]


def test_chores_come_when_they_are_due():
    story = Story()
    story.look()
    seen = []
    for story.now in (5.0, 10.0, 11.0, 19.0, 20.0, 45.0, 46.0):
        seen.append(story.look())
    assert seen == [[], ["chore"], [], [], ["chore"], ["chore"], []]


@pytest.mark.parametrize("what", ["pulse", "results", "experiments"])
def test_what_failed_is_told_and_done_again(what: str):
    story = Story()
    story.broken = {what}
    story.look()
    assert story.watch.trouble
    story.broken = set()
    assert {"results", "experiments"} - {what} <= {*story.look(), "results", "experiments"}
    assert story.watch.trouble is None
    story.pulse.results_seq += 1
    assert story.look() == ["results"]


def test_a_background_survives_what_nobody_foresaw_and_ends_when_it_is_closed():
    calls, enough = [0], threading.Event()

    def do() -> None:
        calls[0] += 1
        if calls[0] >= 3:
            enough.set()
        raise ZeroDivisionError

    background = Background(do, name="test", every=0.001)
    background.start()
    assert enough.wait(10)
    background.close()
    assert background.faults >= 3
    assert not background._thread.is_alive()
