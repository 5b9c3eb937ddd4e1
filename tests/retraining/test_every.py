"""Look after look: a failed one is told and followed by the next, and a stop is heard while it waits."""

from __future__ import annotations

import logging

import pytest

from oracle.errors import BadInput, Unavailable
from oracle.retraining.every import every, seconds_of


class Stop:
    """Says stop after so many waits."""

    def __init__(self, waits: int) -> None:
        self.left, self.waited = waits, []

    def wait(self, timeout: float) -> bool:
        self.waited.append(timeout)
        self.left -= 1
        return self.left <= 0


def test_a_look_that_fails_does_not_end_the_looking(caplog: pytest.LogCaptureFixture):
    seen, clock = [], iter([0.0, 10.0, 100.0, 170.0, 200.0, 205.0])

    def look() -> None:
        seen.append(len(seen))
        if len(seen) == 2:
            raise Unavailable("the store is away")

    stop = Stop(3)
    with caplog.at_level(logging.ERROR):
        assert every(look, 60.0, stop, lambda: next(clock)) == 3
    assert seen == [0, 1, 2]
    assert stop.waited == [50.0, 0.0, 55.0], "the next look comes on time, or at once where one took longer"
    assert "the store is away" in caplog.text


@pytest.mark.parametrize(
    ("words", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("1.5h", 5400), ("2d", 172_800), (" 1H ", 3600)]
)
def test_a_time_is_a_number_and_a_unit(words: str, seconds: float):
    assert seconds_of(words) == seconds


@pytest.mark.parametrize("words", ["", "1", "h", "0h", "-1h", "1w", "1h30m", "nan"])
def test_what_is_no_time_is_refused(words: str):
    with pytest.raises(BadInput, match="no time"):
        seconds_of(words)
