"""What serving counts about itself: nothing gets lost, and the page lists what there is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from threading import Thread

import pytest

from oracle.serving.challenger import FALLBACKS
from oracle.serving.metrics import METRICS, Tally

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text("utf-8")


def test_the_page_lists_every_metric_with_its_kind_tags_and_meaning():
    rows = re.findall(r"^\| `(oracle_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", tags)), meaning) for name, kind, tags, meaning in rows}
    assert told == {name: (m.kind, m.tags, m.meaning) for name, m in METRICS.items()}


def test_the_page_lists_every_fallback():
    assert not [why for why in FALLBACKS if f"| `{why}` |" not in PAGE]


def test_what_is_counted_between_two_takes_is_in_one_of_them():
    tally, seen = Tally(), Counter[str]()
    threads = [Thread(target=lambda: [tally.count("oracle_repeats") for _ in range(5000)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for name, _, _, values in tally.take():
            seen[name] += int(sum(values))
    for name, _, _, values in tally.take():
        seen[name] += int(sum(values))
    assert seen == {"oracle_repeats": 15_000}


def test_a_gauge_is_its_last_value_and_a_histogram_has_all_of_them():
    tally = Tally()
    for value in (1.0, 2.0):
        tally.gauge("oracle_form_seq", value=value)
        tally.observe("oracle_latency_ms", "control", "1", value=value)
    told = {name: (tags, kind, values) for name, tags, kind, values in tally.take()}
    assert told == {
        "oracle_form_seq": ((), "gauge", [2.0]),
        "oracle_latency_ms": (("control", "1"), "histogram", [1.0, 2.0]),
    }
    assert not list(tally.take())


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metrics_name_is_one_that_prometheus_takes(name: str):
    assert re.fullmatch(r"oracle_[a-z0-9_]+", name)
    assert METRICS[name].meaning.endswith(".")
