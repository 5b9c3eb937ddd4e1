"""Old answers go by whole days, and never those that a running experiment is judged by."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle.store.retention
from oracle.errors import BadInput
from oracle.store import Store
from oracle.store.retention import HABITS, Boundary, Counts, boundary, prunable, prune
from tests.store.rows import NOON, event, experiment, prediction, result, scoring

DAY = dt.timedelta(days=1)
MIDNIGHT = dt.datetime(2026, 5, 3, tzinfo=dt.UTC)


@given(days=st.integers(0, 4000), seconds=st.integers(0, 86_399), started=st.lists(st.integers(0, 3000), max_size=3))
def test_the_boundary_is_a_midnight_old_enough_and_before_all_that_is_needed(days: int, seconds: int, started):
    now = MIDNIGHT + dt.timedelta(seconds=seconds)
    running = [experiment(f"t{i}", started_at=now - i * DAY) for i in started]
    found = boundary(days, now, running)
    assert found.before.time() == dt.time()
    assert found.before <= now - days * DAY
    assert all(found.before <= e.started_at - HABITS for e in running)
    if found.held_by is None:
        assert found.before > now - (days + 1) * DAY


def test_without_a_running_experiment_the_age_alone_decides_and_no_age_is_negative():
    assert boundary(30, NOON, []) == Boundary(MIDNIGHT - 30 * DAY, None)
    assert boundary(0, NOON, [experiment(started_at=NOON)]).held_by == "t1"
    with pytest.raises(BadInput, match="0 days"):
        boundary(-1, NOON, [])


def test_what_is_old_goes_with_its_events_and_the_rest_stays(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(oracle.store.retention, "AT_ONCE", 3)
    moments = [MIDNIGHT - dt.timedelta(microseconds=1), *[MIDNIGHT - i * DAY for i in range(1, 8)], MIDNIGHT, NOON]
    store.predictions.add([prediction(i, at=m) for i, m in enumerate(moments)])
    store.scorings.add([scoring(f"c{i}", v, at=m) for i, m in enumerate(moments) for v in ("3", "4")])
    store.events.add([event(i, f"p{i}") for i in range(10)])
    store.results.add([result()])
    told = Counts(predictions=8, scorings=16, events=8)
    assert prunable(store, MIDNIGHT) == told
    assert store.predictions.count() == 10, "saying is not doing"
    assert prune(store, MIDNIGHT) == told
    assert prune(store, MIDNIGHT) == prunable(store, MIDNIGHT) == Counts(0, 0, 0)
    assert [p.prediction_id for p in store.predictions.between()] == ["p8", "p9"]
    assert (store.scorings.count(), store.events.count(), store.results.latest()) == (4, 2, 1)
