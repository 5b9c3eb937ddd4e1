"""What stands by for our store: takes answers while it is away, asks for it, and brings them in when it is back.

The first commit that finds no store within its short patience says so, and from then on nobody waits for it: answers
go to the journal at once. One thread asks for the store twice a second. When it answers, the journals are read out in
their order and written in batches, by keys, so that doing it again adds nothing; only when the last record is in does
the store take answers itself again. Whoever dies in between leaves journals that the next one takes over.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from oracle.errors import OracleError, Unavailable
from oracle.store.journal import Journal
from oracle.store.predictions import Prediction, kept_answers
from oracle.store.scorings import Scoring
from oracle.store.spool import Entry, Spool, pieces, unpacked
from oracle.store.store import Store
from oracle.store.tables import PREDICTIONS, SCORINGS, Rows

LOG = logging.getLogger("oracle.store")
EVERY = 0.5
"""Seconds between two questions whether the store is back."""
BATCH = 256
"""Rows brought in in one transaction."""
UNHURRIED = 5.0
"""Times the patience for a batch that nobody waits for."""
CLAIM_EVERY = 4
"""So many rounds between two looks for journals of the dead."""


@dataclass(frozen=True, slots=True)
class Away:
    """That something outside does not answer."""

    since: dt.datetime
    """When that was noticed."""
    why: str


class Standby:
    """Takes the place of a store that is away; safe to call from several threads.

    Args:
        store: The store.
        spool: Where answers go meanwhile.
        now: The clock, UTC.
        patience: Seconds that the store has for one question or one batch.
        every: Seconds between two questions.
    """

    def __init__(
        self,
        store: Store,
        spool: Spool,
        now: Callable[[], dt.datetime],
        *,
        patience: float = 1.0,
        every: float = EVERY,
    ) -> None:
        self._store, self._spool, self._patience, self._every, self._now = store, spool, patience, every, now
        self._predictions: Rows[Prediction] = Rows(PREDICTIONS, store.database.dialect)
        self._scorings: Rows[Scoring] = Rows(SCORINGS, store.database.dialect)
        self._turn = threading.Lock()
        self._closed = threading.Event()
        self._done: dict[Journal, int] = {}
        self.away: Away | None = None
        """Since when the store is away, and why; None where it takes answers itself."""
        self.spooled = 0
        """Records that went to the journal."""
        self.brought_in = 0
        """Records that went from journals to the store, those of the dead included."""
        self.otherwise = 0
        """Answers for which the store held another one under their id: a caller may have seen both."""
        self.refused = 0
        """Records that the store will not take: they are kept in files of their own."""
        if not store.made:
            self.suspect(store.trouble or "it did not answer when this process began")
        self._thread = threading.Thread(target=self._run, name="standby", daemon=True)
        self._thread.start()

    def suspect(self, why: object) -> None:
        """Have it that the store is away: somebody waited for it in vain."""
        with self._turn:
            if self.away is None and not self._closed.is_set():
                self.away = Away(self._now(), str(why)[:500])
                self._store.database.away = True
                LOG.warning("our store is away, answers go to %s: %s", self._spool.folder, self.away.why)

    def take(self, entries: Sequence[Entry]) -> list[str | None] | None:
        """Keep entries on this machine; return for each None or the answer that stands, or None: the store is back.

        Raises:
            Unavailable: neither the store nor the journal took them.
        """
        with self._turn:
            if self.away is None:
                return None
            kept = self._spool.append(entries)
            self.spooled += len(entries)
            return kept

    def answer(self, prediction_id: str) -> str | None:
        """Return an answer that is on its way to the store, or None."""
        with self._turn:
            return self._spool.answer(prediction_id)

    @property
    def waiting(self) -> int:
        """How many records wait in the journals held."""
        return self._spool.rows

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return self._spool.size

    def pending(self) -> bool:
        """Return whether the store may lack an answer that this machine gave, whichever process did."""
        return self._spool.rows > 0 or self._spool.others()

    def close(self) -> None:
        """Stop asking; what waits stays on the disk for the next one. Answers are no longer taken."""
        self._closed.set()
        self._thread.join(30)
        with self._turn:
            self._spool.close()

    def _run(self) -> None:
        turn = 0
        while True:
            try:
                self._look(claim=turn % CLAIM_EVERY == 0)
            except Exception as error:
                LOG.error("what stands by for our store failed", exc_info=error)
            turn += 1
            if self._closed.wait(self._every):
                return

    def _look(self, *, claim: bool) -> None:
        """Take over what the dead left; where the store is away ask for it; bring in what waits."""
        if claim:
            with self._turn:
                self._spool.claim()
        if self.away is None and not self._spool.rows:
            return
        try:
            self._store.complete()
            self._store.check(patience=self._patience)
            self._bring_in()
        except Unavailable as error:
            self.suspect(error)

    def _bring_in(self) -> None:
        """Write all that waits to the store; what comes meanwhile queues behind it."""
        while not self._closed.is_set():
            with self._turn:
                journals = self._spool.journals()
                if all(self._done.get(journal) == journal.size for journal in journals):
                    self._back()
                    return
            for journal in journals:
                until = journal.size
                for end, records in pieces(journal, self._done.get(journal, 0), BATCH):
                    self._write(records)
                    self._done[journal] = end
                    if self._closed.is_set():
                        return
                self._done[journal] = max(self._done.get(journal, 0), until)

    def _back(self) -> None:
        if self.away is not None:
            gone = (self._now() - self.away.since).total_seconds()
            LOG.warning("our store is back after %.1f s; %d records were brought in", gone, self._spool.rows)
        self._spool.clear()
        self._done = {}
        self.away, self._store.database.away = None, False

    def _write(self, records: Sequence[bytes]) -> None:
        """Write some records; one that is at fault itself must not keep the others out."""
        entries = [(record, self._readable(record)) for record in records]
        known = [(record, entry) for record, entry in entries if entry is not None]
        try:
            self._commit([entry for _, entry in known])
        except OracleError:
            raise
        except Exception:  # noqa: BLE001 - the driver's, and which row is at fault it does not say
            for record, entry in known:
                try:
                    self._commit([entry])
                except OracleError:
                    raise
                except Exception as error:  # noqa: BLE001 - this one is
                    self._set_aside(record, error)
        self.brought_in += len(records)

    def _commit(self, entries: Sequence[Entry]) -> None:
        predictions = [e.prediction for e in entries if e.prediction is not None]
        scorings = {(s.card_key, s.model_version): s for e in entries if (s := e.scoring) is not None}

        def work(cursor: Any) -> int:
            new = self._predictions.put(cursor, predictions)
            self._scorings.put(cursor, list(scorings.values()))
            if new == len(predictions):
                return 0
            return sum(kept is not None for kept in kept_answers(cursor, predictions, self._predictions.mark))

        self.otherwise += self._store.database.drive(work, patience=UNHURRIED * self._patience)

    def _readable(self, record: bytes) -> Entry | None:
        try:
            return unpacked(record)
        except (ValueError, TypeError, KeyError) as error:
            self._set_aside(record, error)
            return None

    def _set_aside(self, record: bytes, why: Exception) -> None:
        """Keep a record that the store does not take in a file of its own: somebody has to look at it."""
        self.refused += 1
        LOG.error("a record of the journal cannot be brought in, it is kept beside it: %s", why)
        with suppress(OSError):
            aside = Journal.make(self._spool.folder, f"refused-{self._now():%Y%m%dT%H%M%S%f}-{self.refused}")
            aside.append([record])
            aside.path.rename(aside.path.with_suffix(".refused"))
            aside.close()
