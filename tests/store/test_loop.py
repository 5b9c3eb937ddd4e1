"""What the closed loop is remembered by: checks, decisions, retrainings and their steps, alerts and who was told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from oracle.errors import BadInput, Unavailable
from oracle.store import Decision, Delivery, Step, Store
from oracle.store.retrainings import NoSuchRetraining, RetrainingInFlight
from tests.store.rows import NOON, alert, check, retraining

LATER = NOON + dt.timedelta(days=1)


def test_a_check_is_kept_once_and_the_last_of_a_version_is_found(store: Store):
    assert store.checks.add(check())
    assert not store.checks.add(check(verdict="no drift"))
    assert store.checks.add(check("c2", at=LATER, model_version="4", window_from=NOON, window_to=LATER))
    assert store.checks.get("c1") == check()
    assert store.checks.get("c9") is None
    assert [c.check_id for c in store.checks.latest(5)] == ["c2", "c1"]
    assert [c.check_id for c in store.checks.latest(5, model_version="3")] == ["c1"]
    assert [c.window_to for c in store.checks.since(LATER)] == [LATER]


def test_the_same_word_on_the_same_event_is_kept_once(store: Store):
    waits = Decision(event_id="e1", at=NOON, decision="wait", causes="[]", check_id="c1")
    assert store.retrainings.decide(waits)
    assert not store.retrainings.decide(replace(waits, at=LATER))
    assert store.retrainings.decide(replace(waits, at=LATER, decision="retrain", retraining_id="n1"))
    assert [d.decision for d in store.retrainings.decisions("e1")] == ["retrain", "wait"]
    assert store.retrainings.decisions("e2") == []
    assert len(store.retrainings.decisions()) == 2


def test_a_retraining_goes_through_its_steps_and_ends_once(store: Store):
    assert store.retrainings.start(retraining()) == (retraining(), True)
    assert store.retrainings.start(retraining(at=LATER)) == (retraining(), False)
    store.retrainings.update("n1", status="running", candidate="4")
    for status, seconds in (("started", None), ("done", 2.5)):
        step = Step(retraining_id="n1", step="train", status=status, at=LATER, seconds=seconds)
        for _ in range(2):
            store.retrainings.step(step)
    assert [(s.status, s.seconds) for s in store.retrainings.steps("n1")] == [("started", None), ("done", 2.5)]
    assert store.retrainings.unfinished() == retraining(status="running", candidate="4")
    ended = store.retrainings.end("n1", "promoted", "better", LATER)
    assert (ended.status, ended.reason, ended.ended_at, ended.ended) == ("promoted", "better", LATER, True)
    assert store.retrainings.end("n1", "failed", "late", LATER) == ended
    assert store.retrainings.update("n1", candidate="5") == ended == store.retrainings.get("n1")
    assert store.retrainings.unfinished() is None


def test_of_many_events_at_once_one_retraining_is_started(opened: Callable[..., Store]):
    stores = [opened() for _ in range(4)]

    def start(number: int) -> str:
        try:
            stores[number].retrainings.start(retraining(f"n{number}"))
        except RetrainingInFlight as error:
            return "refused" if "oracle retrain status n" in str(error) else str(error)
        return "started"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(start, range(4))) == ["refused"] * 3 + ["started"]
    assert len(stores[0].retrainings.all()) == 1


def test_what_is_no_retraining_or_no_end_is_refused(store: Store):
    with pytest.raises(NoSuchRetraining, match="none was started yet"):
        store.retrainings.update("n1", status="running")
    store.retrainings.start(retraining())
    with pytest.raises(NoSuchRetraining, match="n1"):
        store.retrainings.end("n2", "failed", "x", LATER)
    with pytest.raises(BadInput, match="promoted, rejected, failed, superseded"):
        store.retrainings.end("n1", "testing", "x", LATER)
    with pytest.raises(BadInput, match="no such status"):
        store.retrainings.update("n1", status="asleep")


def test_an_alert_is_kept_once_and_each_target_is_told_until_it_has_heard(store: Store):
    assert store.alerts.add(alert(), ["https://a", "https://b"])
    assert not store.alerts.add(alert(), ["https://a", "https://c"])
    assert [d.target for _, d in store.alerts.due(NOON)] == ["https://a", "https://b"]
    told = Delivery(alert_id="a1", target="https://a", attempts=1, delivered_at=NOON)
    store.alerts.note(told)
    failed = Delivery(alert_id="a1", target="https://b", attempts=1, next_at=LATER, error="refused")
    store.alerts.note(failed)
    store.alerts.note(replace(told, error="late word", delivered_at=None))
    assert store.alerts.due(NOON) == []
    assert store.alerts.due(LATER) == [(alert(), failed)]
    assert store.alerts.deliveries("a1") == [told, failed]
    assert store.alerts.latest() == [alert()]


@pytest.mark.parametrize("log", ["drift_checks", "retraining_decisions", "retraining_steps", "alerts"])
def test_the_database_itself_keeps_the_logs_from_being_changed(store: Store, log: str):
    store.checks.add(check())
    store.retrainings.decide(Decision(event_id="e1", at=NOON, decision="wait", causes="[]"))
    store.retrainings.step(Step(retraining_id="n1", step="train", status="started", at=NOON))
    store.alerts.add(alert())
    for change in (f"UPDATE {log} SET at = at", f"DELETE FROM {log}"):
        with pytest.raises((sa.exc.SQLAlchemyError, Exception), match="append-only"):
            store.database.write(lambda connection, line=change: connection.exec_driver_sql(line))


def test_one_at_a_time_is_inside_what_is_exclusive(opened: Callable[..., Store]):
    one, other = opened(), opened(patience=0.05)
    with one.database.exclusive("promotion"):
        with pytest.raises(Unavailable, match="busy with promotion"), other.database.exclusive("promotion"):
            pytest.fail("two were inside")
        with other.database.exclusive("something else"):
            pass
    with other.database.exclusive("promotion"):
        pass
