"""From something that happened to everybody who should know: kept once, logged, and delivered until it is taken.

An alert and its open deliveries are in the store before anybody is told, so a delivery that was cut off is taken up by
whoever comes next. Only one process delivers at a time; a receiver is told at least once, and exactly once unless we
die between its answer and our note of it: `X-Oracle-Alert` says which it has seen. Receivers do not wait for each
other: one that hangs or refuses costs the others nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import orjson

from oracle.alerts.message import Message
from oracle.alerts.webhook import Webhook
from oracle.errors import Unavailable
from oracle.settings import AlertSettings
from oracle.store import Alert, Delivery, Store

LOG = logging.getLogger("oracle.alerts")
LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
AT_ONCE = 100
ALL = 1_000_000
LOCK = "alerts"

Post = Callable[[str, Message, dt.datetime], str | None]
"""Delivers to an address and says what went wrong, None where nothing did."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round of deliveries came to."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(self.delivered + other.delivered, self.failed + other.failed, self.given_up + other.given_up)

    def as_dict(self) -> dict[str, int]:
        """Return plain values."""
        return {"delivered": self.delivered, "failed": self.failed, "given_up": self.given_up}


class Outbox:
    """What is to be told, and to whom."""

    def __init__(self, store: Store, settings: AlertSettings, post: Post | None = None) -> None:
        """Prepare to tell.

        Args:
            store: Where alerts are kept.
            settings: Receivers and patience.
            post: What delivers, by default an HTTP request.
        """
        self._store, self._settings = store, settings
        self._post = post or over_http(settings)
        self.said: list[Message] = []
        """The alerts that were new here, in order."""

    def tell(self, *messages: Message) -> list[Message]:
        """Keep and log alerts, and return those that nobody had told before; they go out with `deliver`.

        Raises:
            Unavailable: the store did not answer.
        """
        new = [m for m in messages if self._store.alerts.add(kept(m), self._settings.webhooks)]
        for each in new:
            LOG.log(LEVELS[each.severity], "%s: %s", each.kind, each.title)
        self.said += new
        return new

    def deliver(self, now: dt.datetime) -> Delivered:
        """Try every delivery that is due, and return how it went.

        Returns nothing done where another process is delivering already.

        Raises:
            Unavailable: the store did not answer.
        """
        try:
            with self._store.database.exclusive(LOCK):
                return self._deliver(now)
        except Unavailable as busy:
            if not busy.what.startswith("somebody else"):
                raise
            return Delivered()

    def _deliver(self, now: dt.datetime) -> Delivered:
        due = sorted(self._store.alerts.due(now, AT_ONCE), key=lambda d: d[1].target)
        by_target = [list(group) for _, group in groupby(due, key=lambda d: d[1].target)]
        if not by_target:
            return Delivered()
        with ThreadPoolExecutor(len(by_target), thread_name_prefix="alerts") as pool:
            return sum(pool.map(lambda each: self._to_one(each, now), by_target), Delivered())

    def _to_one(self, due: Sequence[tuple[Alert, Delivery]], now: dt.datetime) -> Delivered:
        """Deliver to one receiver in order, up to its first failure: what stands behind it waits as long."""
        done = Delivered()
        for i, (alert, delivery) in enumerate(due):
            if delivery.target not in self._settings.webhooks:
                self._store.alerts.note(replace(delivery, next_at=None, error="no longer among alerts.webhooks"))
                done += Delivered(given_up=1)
                continue
            error = self._post(delivery.target, _message(alert), now)
            if error is None:
                tries = delivery.attempts + 1
                told = replace(delivery, attempts=tries, next_at=None, delivered_at=now, error=None)
                self._store.alerts.note(told)
                done += Delivered(delivered=1)
                continue
            failed = self._failed(delivery, error, now)
            self._store.alerts.note(failed)
            for _, behind in due[i + 1 :]:
                later = failed.next_at or now + dt.timedelta(seconds=self._settings.longest_wait_seconds)
                self._store.alerts.note(replace(behind, next_at=later))
            LOG.warning("alert %s was not taken by %s: %s", alert.alert_id, delivery.target, error)
            return done + Delivered(failed=1, given_up=int(failed.next_at is None))
        return done

    def _failed(self, delivery: Delivery, error: str, now: dt.datetime) -> Delivery:
        tries = delivery.attempts + 1
        wait = min(self._settings.first_wait_seconds * 2.0 ** min(tries - 1, 30), self._settings.longest_wait_seconds)
        again = None if tries >= self._settings.attempts else now + dt.timedelta(seconds=wait)
        return replace(delivery, attempts=tries, next_at=again, error=error[:300])

    def shown(self, most: int) -> list[dict[str, Any]]:
        """Return the last alerts as plain values, the last first, each with how far its receivers have been told."""
        return [
            _message(alert).as_dict()
            | {"deliveries": [asdict(d) for d in self._store.alerts.deliveries(alert.alert_id)]}
            for alert in self._store.alerts.latest(most)
        ]

    def retry(self, now: dt.datetime) -> int:
        """Make every delivery that has not arrived due now, those given up included, and return how many there are."""
        count = 0
        for alert in self._store.alerts.latest(ALL):
            for delivery in self._store.alerts.deliveries(alert.alert_id):
                if delivery.delivered_at is None and delivery.target in self._settings.webhooks:
                    self._store.alerts.note(replace(delivery, attempts=0, next_at=now))
                    count += 1
        return count


def over_http(settings: AlertSettings) -> Post:
    """Return what delivers alerts as signed HTTP requests."""
    secret = settings.secret.get_secret_value() if settings.secret else ""
    return lambda address, told, now: Webhook(address, secret, settings.timeout_seconds).post(told, now)


def kept(told: Message) -> Alert:
    """Return an alert as our store keeps it."""
    return Alert(
        alert_id=told.alert_id,
        at=told.at,
        kind=told.kind,
        severity=told.severity,
        title=told.title,
        document=orjson.dumps(told.document, option=orjson.OPT_SERIALIZE_NUMPY, default=str).decode(),
    )


def _message(alert: Alert) -> Message:
    document = orjson.loads(alert.document)
    return Message(alert.alert_id, alert.at, alert.kind, alert.severity, alert.title, document)  # type: ignore[arg-type]
