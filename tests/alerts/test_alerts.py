"""Alerts are said once, signed, and delivered until they are taken, whatever a receiver or a restart does."""

from __future__ import annotations

import datetime as dt
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from oracle import store
from oracle.alerts import message
from oracle.alerts.message import Message
from oracle.alerts.outbox import Delivered, Outbox
from oracle.settings import AlertSettings
from oracle.store import Store
from tests.alerts.receiver import receiving

NOW = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
SECRET = "a secret of some length"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    opened = store.embedded(tmp_path)
    yield opened
    opened.close()


def settings(*addresses: str, **more: float) -> AlertSettings:
    return AlertSettings.model_validate({"webhooks": addresses, "secret": SECRET, "timeout_seconds": 1.0, **more})


def news(of: str = "r1") -> Message:
    return message.retraining_started(of, "concept drift", NOW)


def genuine(headers: dict[str, str], body: bytes, secret: str = SECRET, now: dt.datetime = NOW) -> bool:
    shown = headers["X-Oracle-Timestamp"], headers["X-Oracle-Signature"]
    return message.genuine(secret, shown[0], body, shown[1], now.timestamp(), 300.0)


def test_a_receiver_that_fails_twice_is_told_once_and_can_tell_who_told_it(kept: Store):
    with receiving(500, 503) as receiver:
        waits = settings(receiver.address, first_wait_seconds=10)
        assert [m.alert_id for m in Outbox(kept, waits).tell(news())] == [news().alert_id]
        assert Outbox(kept, waits).tell(news()) == []
        rounds = [Outbox(kept, waits).deliver(NOW + s * SECOND) for s in (0, 9, 10, 29, 30, 31, 9999)]
    assert [r.delivered for r in rounds] == [0, 0, 0, 0, 1, 0, 0]
    assert [r.failed for r in rounds] == [1, 0, 1, 0, 0, 0, 0]
    ((headers, body),) = receiver.accepted
    assert headers["X-Oracle-Alert"] == news().alert_id
    assert genuine(headers, body, now=NOW + 40 * SECOND)
    assert not genuine(headers, body, secret="another secret of a length")
    assert not genuine(headers, body + b" ")
    assert not genuine(headers, body, now=NOW + 3600 * SECOND)
    told = json.loads(body)
    assert told["kind"] == "retraining_started"
    assert told["document"]["why"] == "concept drift"
    (delivery,) = kept.alerts.deliveries(news().alert_id)
    assert (delivery.attempts, delivery.delivered_at, delivery.error) == (3, NOW + 30 * SECOND, None)


def test_a_receiver_that_is_down_or_redirects_costs_the_others_nothing(kept: Store):
    with socket.socket() as taken, receiving(307) as redirects, receiving() as well:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        down = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        outbox = Outbox(kept, settings(down, redirects.address, well.address))
        outbox.tell(news("r1"), news("r2"))
        assert outbox.deliver(NOW) == Delivered(delivered=2, failed=2)
    assert [json.loads(body)["document"]["retraining_id"] for _, body in well.accepted] == ["r1", "r2"]
    assert len(redirects.requests) == 1, "what stands behind a failure waits, and no redirect is followed"
    assert "HTTP 307" in str([d.error for d in kept.alerts.deliveries(news().alert_id)])


def test_what_is_given_up_waits_for_somebody_to_ask_again(kept: Store):
    answers = ["refused", "refused", None]
    outbox = Outbox(kept, settings("https://a.example/", attempts=2), lambda *_: answers.pop(0))
    outbox.tell(news())
    late = NOW + dt.timedelta(days=1)
    assert [outbox.deliver(NOW), outbox.deliver(late), outbox.deliver(late)] == [
        Delivered(failed=1),
        Delivered(failed=1, given_up=1),
        Delivered(),
    ]
    assert outbox.retry(late) == 1
    assert outbox.deliver(late) == Delivered(delivered=1)
    assert outbox.retry(late) == 0


def test_a_target_that_was_taken_out_of_the_settings_is_told_no_more(kept: Store):
    Outbox(kept, settings("https://a.example/")).tell(news())
    posted: list[str] = []
    without = Outbox(kept, settings("https://b.example/"), lambda target, *_: posted.append(target))
    assert without.deliver(NOW) == Delivered(given_up=1)
    assert not posted


def test_only_one_process_delivers_at_a_time(tmp_path: Path):
    first, second = store.embedded(tmp_path), store.Store(f"sqlite:///{tmp_path / 'oracle.db'}", patience=0.05)
    posted: list[Delivered] = []

    def post(*_: object) -> None:
        posted.append(Outbox(second, settings("https://a.example/")).deliver(NOW))

    outbox = Outbox(first, settings("https://a.example/"), post)
    outbox.tell(news())
    assert outbox.deliver(NOW) == Delivered(delivered=1)
    assert posted == [Delivered()]
    first.close()
    second.close()


def test_a_drift_that_lasts_is_told_once_a_day_and_at_once_where_it_grows():
    def told(hours: float, *kinds: str) -> str:
        at = NOW + dt.timedelta(hours=hours)
        return message.drifted("c", "7", dict.fromkeys(kinds, ""), [], at, 24.0).alert_id

    assert told(0, "data") == told(11, "data")
    assert len({told(0, "data"), told(12, "data"), told(0, "data", "concept")}) == 3


def test_what_a_step_tells_is_what_a_monitor_reads_out_of_the_store():
    def step(kind: message.AlertKind, name: str, **document: object) -> str:
        return message.of_step(kind, "it happened", {"retraining_id": "r1", "step": name, **document}, NOW).alert_id

    assert step("retraining_started", "snapshot") == message.retraining_started("r1", "drift", NOW).alert_id
    assert step("candidate_staged", "register") == message.candidate_staged("r1", "8", NOW).alert_id
    assert step("promoted", "promote") == message.promoted("r1", "8", "7", NOW).alert_id
    assert step("retraining_failed", "train") == message.retraining_failed("r1", "no data", NOW).alert_id
    assert step("rolled_back", "live_ab", experiment="t") == message.rolled_back("t", "slow", "x", NOW).alert_id
    assert step("verdict", "live_ab", experiment="t") == message.verdict("t", "shipped", None, NOW).alert_id
    assert step("verdict", "validate") != step("verdict", "replay_ab")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"webhooks": ["http://example.com/"], "secret": SECRET}, "https"),
        ({"webhooks": ["ftp://example.com/"], "secret": SECRET}, "https"),
        ({"webhooks": ["https://me:word@example.com/"], "secret": SECRET}, "password"),
        ({"webhooks": ["https://example.com/"]}, "alerts.secret"),
        ({"webhooks": ["https://example.com/"], "secret": "short"}, "16"),
        ({"webhooks": ["https://example.com/"] * 2, "secret": SECRET}, "twice"),
    ],
)
def test_a_webhook_that_would_tell_strangers_or_prove_nothing_is_refused(wrong: dict, says: str):
    with pytest.raises(ValidationError, match=says):
        AlertSettings.model_validate(wrong)
