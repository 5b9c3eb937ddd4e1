"""What a store is asked about a stretch of time: the last answers before the off, and results as they were known."""

from __future__ import annotations

import datetime as dt

from oracle.store import Store
from tests.store.rows import NOON, OFF, prediction, result

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def names(store: Store, **given: object) -> list[str]:
    span = {"version": "3", "after": OFF - DAY, "until": OFF + DAY} | given
    return [p.prediction_id.removeprefix("p") for p in store.predictions.last_of_races(**span)]  # type: ignore[arg-type]  # as told


def test_the_last_answer_of_a_version_before_the_off_counts_whatever_the_race_was_called(store: Store) -> None:
    store.predictions.add(
        [
            prediction("early", at=OFF - 3 * HOUR),
            prediction("last", at=OFF - HOUR, race_id=None),
            prediction("late", at=OFF + HOUR),
            prediction("other", at=OFF - HOUR / 2, model_version="4"),
            prediction("long ago", at=OFF - 8 * DAY, race_id="r2", course="Bluehill"),
        ]
    )
    assert names(store) == ["last"]
    assert names(store, version="4") == ["other"]


def test_answers_under_other_weights_are_the_versions_own(store: Store) -> None:
    store.predictions.add(
        [
            prediction("plain", at=OFF - 2 * HOUR),
            prediction("weighed", at=OFF - HOUR, model_version="3+0a1b2c3d"),
            prediction("another", at=OFF - HOUR / 2, model_version="31"),
        ]
    )
    assert names(store) == ["weighed"]


def test_a_window_has_its_begin_its_end_and_its_most(store: Store) -> None:
    offs = {str(i): OFF + i * HOUR for i in range(5)}
    store.predictions.add([prediction(n, at=off - HOUR / 2, race_id=n, off=off) for n, off in offs.items()])
    assert names(store) == ["0", "1", "2", "3", "4"]
    assert names(store, after=OFF, until=OFF + 3 * HOUR) == ["1", "2", "3"]
    assert names(store, most=2) == ["3", "4"]
    assert names(store, most=0) == []
    assert names(store, until=OFF + 3 * HOUR, most=2) == ["2", "3"]


def test_a_race_that_was_put_off_counts_once_as_it_was_run(store: Store) -> None:
    store.predictions.add([prediction("first", at=OFF - HOUR), prediction("again", at=OFF, off=OFF + HOUR)])
    assert names(store) == ["again"]


def test_results_are_those_that_were_known_at_a_moment(store: Store) -> None:
    store.results.add([result("r1", received_at=NOON + HOUR)])
    store.results.add(
        [result("r1", (2, 1, 3, 4), received_at=NOON + 3 * HOUR), result("r2", received_at=NOON + 2 * HOUR)]
    )
    before = OFF - DAY
    assert store.results.known(NOON, before) == []
    assert [(r.race_id, r.seq) for r in store.results.known(NOON + 2 * HOUR, before)] == [("r1", 1), ("r2", 3)]
    assert [(r.race_id, r.seq) for r in store.results.known(NOON + DAY, before)] == [("r1", 2), ("r2", 3)]
    assert store.results.known(NOON + DAY, OFF) == []
