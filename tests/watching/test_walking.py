"""A walker that goes from window to window gives what a walk from the beginning gives, and walks no race twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.features.state import State
from oracle.store import Store, embedded
from oracle.watching import live, walking
from oracle.watching.walking import Walker
from tests.watching.conftest import Work

ALL = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def told(work: Work, tmp_path: Path) -> Iterator[Store]:
    """A store with the same predictions and results, to which results can be added."""
    store = embedded(tmp_path)
    store.predictions.add(list(work.store.predictions.between()))
    store.results.add(work.store.results.known(work.now, ALL))
    yield store
    store.close()


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many results each walk folded in."""
    monkeypatch.setattr(walking, "STRIDE", 3)
    counts: list[int] = []
    whole = State.walk

    def walk(self: State, races, cards=None):  # type: ignore[no-untyped-def]
        counts.append(len(races) if cards is None else int((~cards).sum()))
        return whole(self, races, cards)

    monkeypatch.setattr(State, "walk", walk)
    return counts


def same(work: Work, store: Store, walker: Walker, now: dt.datetime) -> None:
    """Both ways say the same of the last four races."""
    mine = live.window(store, work.model, "1", now, races=4, walker=walker)
    anew = live.window(store, work.model, "1", now, races=4)
    assert mine.table.to_pandas().equals(anew.table.to_pandas())
    assert (mine.skew, mine.through, mine.with_result) == (anew.skew, anew.through, anew.with_result)


def moments(work: Work) -> list[dt.datetime]:
    offs = sorted(off.to_pydatetime() for off in work.served["off"].unique())
    return [off + dt.timedelta(hours=2) for off in offs[-5:]]


def test_window_after_window_is_what_a_walk_from_the_beginning_gives(work: Work, told: Store) -> None:
    walker = Walker(work.model)
    for now in (*moments(work), moments(work)[0], work.now):  # and a look back
        same(work, told, walker, now)


def test_what_lies_before_a_window_is_walked_once(work: Work, told: Store, walked: list[int]) -> None:
    walker, now = Walker(work.model), work.now
    live.window(told, work.model, "1", now, races=4, walker=walker)
    first = sum(walked)
    walked.clear()
    live.window(told, work.model, "1", now, races=4, walker=walker)
    assert sum(walked) <= 6 < first
    same(work, told, walker, now)


def test_a_correction_from_before_the_window_begins_the_walk_anew(work: Work, told: Store, walked: list[int]) -> None:
    walker = Walker(work.model)
    live.window(told, work.model, "1", work.now, races=4, walker=walker)
    whole = sum(walked)
    old = told.results.known(work.now, ALL)[0]
    said = old.runners.replace('"position":1,', '"position":7,', 1)
    told.results.add([replace(old, runners=said, received_at=work.now)])
    walked.clear()
    live.window(told, work.model, "1", work.now, races=4, walker=walker)
    assert sum(walked) == whole
    same(work, told, walker, work.now)
