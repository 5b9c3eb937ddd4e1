"""Alarms that cannot wait in our store for their delivery, because it is the store that is away.

The first process of a machine that misses something opens a file beside the journals; whoever of the others comes by
goes on with it. So an outage is told once by each machine, a delivery that failed is tried again, and who dies in
between leaves it to the next. When the part is back the alarm is kept in the store with how far it got, the news that
it is back goes the usual way, and the file is gone. A receiver is told twice only where the one who told it died before
he noted it; `X-Oracle-Alert` is the same then.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from oracle.alerts.message import Message, Part, away, back
from oracle.alerts.outbox import Outbox, Post, kept, over_http
from oracle.settings import AlertSettings
from oracle.store import Delivery, Store

LOG = logging.getLogger("oracle.alerts")
WAIT = 2.0
"""Seconds from a delivery that failed to the next try, doubled each time: an outage is short, or somebody is needed."""
LONGEST_WAIT = 60.0
AGAIN = dt.timedelta(seconds=15)
"""How long a process may find the part away after another one has found it back, until that is an outage of its own."""


@dataclass(frozen=True, slots=True)
class Open:
    """An outage that is being told."""

    alarm: Message
    since: dt.datetime
    told: dict[str, str]
    """When each receiver took it."""
    tries: dict[str, int]
    next_at: dict[str, str]


class Alarm:
    """Tells that one part is away, and that it is back; one per process and part.

    Args:
        part: What.
        folder: Where the processes of this machine meet.
        settings: Receivers.
        post: Delivers, by default an HTTP request.
        machine: What this machine is called.
    """

    def __init__(
        self,
        part: Part,
        folder: Path,
        settings: AlertSettings,
        post: Post | None = None,
        machine: str | None = None,
    ) -> None:
        self._part, self._folder, self._settings = part, folder, settings
        self._post = post or over_http(settings)
        self._machine = machine or socket.gethostname()
        self._file = folder / f"{part}-away.json"
        self._seen = False
        self._missed: dt.datetime | None = None

    def ring(self, since: dt.datetime, why: str, now: dt.datetime) -> None:
        """Tell that the part is away, to whom nobody has told it yet and where it is time; cheap to call again."""
        with self._alone() as mine:
            if not mine:
                return
            found = self._read()
            if found is None and self._settled_by_another(now):
                return
            if found is None:
                told = away(self._part, self._machine, why, since)
                LOG.error("%s: %s", told.kind, told.title)
                found = Open(told, since, {}, {}, {})
                self._write(found)
            self._seen, self._missed = True, None
            due = [t for t in self._settings.webhooks if t not in found.told and found.next_at.get(t, "") <= _text(now)]
            if due:
                with ThreadPoolExecutor(len(due), thread_name_prefix="alarm") as pool:
                    errors = list(pool.map(lambda target: self._post(target, found.alarm, now), due))
                for target, error in zip(due, errors, strict=True):
                    _note(found, target, error, now)
                self._write(found)

    def settle(self, store: Store, now: dt.datetime) -> bool:
        """Keep what was told in the store and tell that the part is back; return whether there was anything to settle.

        Raises:
            Unavailable: the store does not answer; what is open stays open.
        """
        self._seen, self._missed = False, None
        if not self._file.exists():
            return False
        with self._alone() as mine:
            found = self._read() if mine else None
            if found is None:
                return False
            store.alerts.add(kept(found.alarm), self._settings.webhooks)
            for target, at in found.told.items():
                moment = dt.datetime.fromisoformat(at)
                tries = found.tries.get(target, 0)
                store.alerts.note(
                    Delivery(alert_id=found.alarm.alert_id, target=target, attempts=tries, delivered_at=moment)
                )
            outbox = Outbox(store, self._settings, self._post)
            outbox.tell(back(self._part, self._machine, found.since, now))
            outbox.deliver(now)
            self._file.unlink(missing_ok=True)
            return True

    def _settled_by_another(self, now: dt.datetime) -> bool:
        """Return whether somebody else found the part back a moment ago, and this process is about to find the same."""
        if not self._seen:
            return False
        self._missed = self._missed or now
        return now - self._missed < AGAIN

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Tell whether nobody else of this machine is at it; he would do the same."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._folder / f".{self._part}-away.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    def _read(self) -> Open | None:
        try:
            said: dict[str, Any] = orjson.loads(self._file.read_bytes())
            alarm = Message(**{**said["alarm"], "at": dt.datetime.fromisoformat(said["alarm"]["at"])})
            return Open(alarm, dt.datetime.fromisoformat(said["since"]), said["told"], said["tries"], said["next_at"])
        except (OSError, ValueError, KeyError, TypeError):  # none there, or half of one: it is told anew
            return None

    def _write(self, found: Open) -> None:
        fresh = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        content = orjson.dumps(
            {
                "alarm": found.alarm.as_dict(),
                "since": found.since,
                "told": found.told,
                "tries": found.tries,
                "next_at": found.next_at,
            }
        )
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
            out.write(content)
        fresh.replace(self._file)


def _note(found: Open, target: str, error: str | None, now: dt.datetime) -> None:
    tries = found.tries.get(target, 0) + 1
    found.tries[target] = tries
    if error is None:
        found.told[target] = _text(now)
        return
    wait = min(WAIT * 2.0 ** min(tries - 1, 10), LONGEST_WAIT)
    found.next_at[target] = _text(now + dt.timedelta(seconds=wait))
    LOG.warning("alarm %s was not taken by %s: %s", found.alarm.alert_id, target, error)


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")
