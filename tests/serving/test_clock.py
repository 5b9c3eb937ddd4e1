"""The time at the edge: a request may tell it in a replay, and nowhere else."""

from __future__ import annotations

import datetime as dt

import pytest

from oracle.serving.body import MalformedCard
from oracle.serving.clock import Clock, ToldTheTime

SAID = b"2018-01-01T12:00:00+08:00"


def test_a_replay_is_told_the_time():
    clock = Clock(told=True)
    clock.hear(SAID)
    assert clock() == dt.datetime(2018, 1, 1, 4, tzinfo=dt.UTC)


def test_elsewhere_whoever_tells_the_time_is_refused():
    clock = Clock()
    with pytest.raises(ToldTheTime):
        clock.hear(SAID)
    assert clock().year > 2018


@pytest.mark.parametrize("value", [b"yesterday", b"2018-01-01T12:00:00", b"\xff"])
def test_what_is_no_moment_is_refused(value: bytes):
    with pytest.raises(MalformedCard):
        Clock(told=True).hear(value)
