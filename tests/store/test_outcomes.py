"""Results and events: late, corrected, twice, in any order; each is kept once and joined to what was predicted."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle.store.results
from oracle.store import Store, place_key
from oracle.store.results import Receipt
from tests.store.rows import NOON, OFF, event, prediction, result


def test_a_result_is_new_then_the_same_then_corrected(store: Store):
    assert store.results.add([result()]) == [Receipt(1, "r1", "new", 0)]
    later = result(received_at=NOON + dt.timedelta(days=1), source="another")
    assert store.results.add([later]) == [Receipt(1, "r1", "same", 0)]
    assert store.results.add([result(positions=(2, 1, 3, 4))]) == [Receipt(2, "r1", "corrected", 0)]
    assert store.results.add([result()])[0].what == "corrected"  # back to what it said first is news too
    assert [r.seq for r in store.results.revisions("r1")] == [1, 2, 3]
    assert store.results.latest() == 3


def test_the_same_rows_written_in_another_order_of_keys_are_the_same_result(store: Store):
    store.results.add([result()])
    turned = json.dumps([dict(reversed(row.items())) for row in json.loads(result().runners)])
    assert store.results.add([result(runners=turned)])[0].what == "same"


def test_a_receipt_counts_the_predictions_of_the_race_by_id_or_by_place_and_time(store: Store):
    store.predictions.add(
        [
            prediction(1),
            prediction(2, race_id=None),
            prediction(3, race_id="mine", off=OFF + dt.timedelta(seconds=30)),
            prediction(4, off=OFF + dt.timedelta(minutes=20)),  # put off after it was priced
            prediction(5, race_id="r2", off=OFF + dt.timedelta(minutes=40)),
            prediction(6, race_id=None, course="Elsewhere"),
        ]
    )
    assert store.results.add([result()])[0].predictions == 4


def test_all_or_none_of_the_results_are_kept(store: Store):
    with pytest.raises(ValueError, match="time zone"):
        store.results.add([result("r1"), result("r2", received_at=dt.datetime(2026, 5, 3))])
    assert store.results.latest() == 0


def test_a_reader_who_knows_up_to_a_number_is_given_the_latest_of_each_race_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(oracle.store.results, "AT_ONCE", 2)
    store.results.add([result(f"r{i}", off=OFF + dt.timedelta(hours=i)) for i in range(5)])
    store.results.add([result("r1", (2, 1, 3, 4), off=OFF + dt.timedelta(hours=1))])
    found = store.results.since(0)
    assert [(r.seq, r.race_id) for r in found] == [(1, "r0"), (3, "r2"), (4, "r3"), (5, "r4"), (6, "r1")]
    assert [r.seq for r in store.results.since(4)] == [5, 6]
    assert [r.seq for r in store.results.since(0, limit=3)] == [1, 3, 4]
    assert store.results.since(6) == []


def test_a_result_without_an_id_is_named_by_place_and_time(store: Store):
    [receipt] = store.results.add([result(None)])
    assert receipt.what == "new"
    assert store.results.since(0)[0].race_key == place_key("Redmile", OFF)


@given(st.lists(st.tuples(st.integers(0, 3), st.permutations([1, 2, 3, 4])), max_size=12))
@settings(max_examples=25)
def test_whatever_comes_in_the_latest_content_of_each_race_is_what_was_told_last(store: Store, told):
    last: dict[str, str] = {}
    name = f"{len(told)}-{hash(tuple((n, tuple(p)) for n, p in told))}"
    for number, positions in told:
        one = result(f"{name}-{number}", tuple(positions))
        store.results.add([one])
        last[one.race_key] = one.runners
    assert {r.race_key: r.runners for r in store.results.since(0) if r.race_key.startswith(f"{name}-")} == last


def test_numbers_become_visible_in_their_order_whoever_writes(opened: Callable[..., Store]):
    """A reader that polls while four writers write never sees a number appear below one it has seen already."""
    opened()
    stores = [opened() for _ in range(5)]
    seen: list[int] = []

    def write(worker: int) -> None:
        for number in range(12):
            stores[worker].results.add([result(f"{worker}-{number}")])

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(write, w) for w in range(4)]
        while not all(d.done() for d in done):
            seen += [r.seq for r in stores[4].results.since(seen[-1] if seen else 0)]
    seen += [r.seq for r in stores[4].results.since(seen[-1] if seen else 0)]
    assert [d.result() for d in done] == [None] * 4
    assert len(seen) == 48
    assert seen == sorted(seen)


def test_an_event_is_kept_once_and_one_of_an_unknown_prediction_is_reported_and_not_kept(store: Store):
    store.predictions.add([prediction()])
    counts = store.events.add([event(1), event(2, kind="bet", value=5.0), event(3, "nobody's"), event(1, kind="click")])
    assert (counts.new, counts.same, counts.unknown) == (2, 1, ("e3",))
    counts = store.events.add([event(1), event(3, "nobody's")])
    assert (counts.new, counts.same, counts.unknown) == (0, 1, ("e3",))
    assert [(e.event_id, e.kind, e.value) for e in store.events.of_prediction("p1")] == [
        ("e1", "view", None),
        ("e2", "bet", 5.0),
    ]
    assert store.events.count() == 2
    assert store.events.add([]).new == 0
