"""Many answers, one commit: the way of the hot path into the store.

A commit waits for the disk, and the disk takes as long for one row as for two hundred. So one thread writes whatever is
waiting in one transaction, and while it does, the next batch gathers: nobody waits for a timer, and a lone row is
written at once. A row's future resolves when the row is on the disk and not before.

What may be lost goes second: the challengers' shadow scorings (`note`) ride along with the answers, wait in a queue of
fixed length, and are shed, and counted, when it is full.

Where somebody stands by for the store (`oracle.store.standby`), a row that the store does not take in a short patience
goes to a journal on this machine, which is as durable, and its future resolves all the same.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from oracle.errors import Unavailable
from oracle.store.database import PATIENCE
from oracle.store.predictions import Prediction, kept_answers
from oracle.store.scorings import Scoring
from oracle.store.spool import Entry, SpoolFull
from oracle.store.standby import Away, Standby
from oracle.store.store import Store
from oracle.store.tables import PREDICTIONS, SCORINGS, Rows

MOST = 256
"""Rows of one transaction."""
MOST_WAITING = 10_000
"""Answers that may wait for their commit; beyond, the database is surely down, and a caller is told at once."""
MOST_NOTED = 4096
"""Shadow scorings that may wait."""
RECENT = 4096
"""Answers written last: a request that is repeated while the store is away gets the one that was given."""
REMEMBERED = 8192
"""Scorings known to be written: a card that a thousand users ask for is scored once."""


@dataclass(slots=True)
class _Waiting:
    prediction: Prediction
    scoring: Scoring | None
    since: float
    future: Future[str | None] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    awaited: asyncio.Future[str | None] | None = None


class GroupCommit:
    """Writes predictions and scorings in batches on a thread of its own; safe to call from several threads."""

    def __init__(
        self, store: Store, *, most: int = MOST, patience: float = PATIENCE, standby: Standby | None = None
    ) -> None:
        """Start the writer.

        Args:
            store: Where to.
            most: Rows of one transaction.
            patience: Seconds after which a row that could not be written is given up, and its future says so.
            standby: Takes such rows instead; closed with this writer.
        """
        self.standby = standby
        self._recent: dict[str, str] = {}
        self._database, self._most, self._patience = store.database, most, patience
        self._predictions: Rows[Prediction] = Rows(PREDICTIONS, store.database.dialect)
        self._scorings: Rows[Scoring] = Rows(SCORINGS, store.database.dialect)
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._noted: deque[Scoring] = deque()
        self._written: dict[tuple[str, str], None] = {}
        self._closed = False
        self.commits = 0
        """Transactions committed."""
        self.rows = 0
        """Predictions committed, those that were there already included."""
        self.shed = 0
        """Shadow scorings that were given up."""
        self.last_commit_seconds = 0.0
        """How long the last transaction took, from its begin to the disk."""
        self._thread = threading.Thread(target=self._write, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, prediction: Prediction, scoring: Scoring | None = None) -> Future[str | None]:
        """Hand in an answer; the future resolves once it is on the disk.

        It resolves to None where the row was written, and to the answer that was kept where the id was there already:
        that one is to be sent. It fails with `Unavailable` where the row could not be written within the patience;
        the row may have been written all the same, and a retry finds out.
        """
        future: Future[str | None] = Future()
        waiting = _Waiting(prediction, scoring, time.perf_counter(), future=future)
        if (why := self._full()) is not None:
            future.set_exception(why)
        else:
            self._queue.put(waiting)
        return future

    def keep(self, prediction: Prediction, scoring: Scoring | None = None) -> asyncio.Future[str | None]:
        """Do as `submit`, for a caller on an event loop: the loop is woken once for a batch and not for each row."""
        loop = asyncio.get_running_loop()
        awaited: asyncio.Future[str | None] = loop.create_future()
        if (why := self._full()) is not None:
            awaited.set_exception(why)
        else:
            self._queue.put(_Waiting(prediction, scoring, time.perf_counter(), loop=loop, awaited=awaited))
        return awaited

    def note(self, scorings: Iterable[Scoring]) -> int:
        """Hand in shadow scorings, which nobody waits for; return how many were shed because too many wait already."""
        shed = 0
        for scoring in scorings:
            if self._closed or len(self._noted) >= MOST_NOTED:
                shed += 1
            else:
                self._noted.append(scoring)
        self.shed += shed
        self._queue.put(None)
        return shed

    @property
    def away(self) -> Away | None:
        """Since when the store is away, and why; None where it takes answers, or nobody stands by for it."""
        return None if self.standby is None else self.standby.away

    def answer(self, prediction_id: str) -> str | None:
        """Return an answer of that id as far as this machine knows it without asking the store."""
        found = self._recent.get(prediction_id)
        return found if found is not None or self.standby is None else self.standby.answer(prediction_id)

    @property
    def depth(self) -> int:
        """How many answers wait for their commit."""
        return self._queue.qsize()

    @property
    def noted(self) -> int:
        """How many shadow scorings wait."""
        return len(self._noted)

    def close(self) -> None:
        """Write what was handed in and stop; what is handed in afterwards is refused."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()
            if self.standby is not None:
                self.standby.close()

    def _full(self) -> Unavailable | None:
        if self._closed:
            return Unavailable("the writer of our store has been closed")
        if self._queue.qsize() >= MOST_WAITING:
            return Unavailable(
                f"{MOST_WAITING} answers wait to be written", next_step="check that the database answers"
            )
        return None

    def _write(self) -> None:
        while True:
            batch = self._gather()
            noted = [self._noted.popleft() for _ in range(min(len(self._noted), self._most))]
            if batch or noted:
                self._settle(batch, noted)
            elif self._closed and self._queue.empty():
                return

    def _gather(self) -> list[_Waiting]:
        """Wait for one and take all that are there."""
        if self._noted or (self._closed and self._queue.empty()):
            first: _Waiting | None = None
        else:
            first = self._queue.get()
        batch = [] if first is None else [first]
        with suppress(Empty):
            while len(batch) < self._most:
                if (more := self._queue.get_nowait()) is not None:
                    batch.append(more)
        return batch

    def _settle(self, batch: Sequence[_Waiting], noted: Sequence[Scoring]) -> None:
        """Commit a batch and tell everybody; a row that is at fault itself must not fail its neighbours."""
        if self.away is not None and self._set_aside(batch, noted):
            return
        begun = time.perf_counter()
        waited = begun - min((w.since for w in batch), default=begun)
        try:
            kept = self._commit(batch, noted, max(self._patience - waited, 0.0))
        except Unavailable as error:
            self._missed(batch, noted, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who handed it in is told, and the writer lives
            if len(batch) + len(noted) <= 1:
                self.shed += len(noted)
                _tell(batch, [None] * len(batch), error)
                return
            for one in batch:
                self._settle([one], [])
            for scoring in noted:
                self._settle([], [scoring])
        else:
            self.commits += 1
            self.rows += len(batch)
            self.last_commit_seconds = time.perf_counter() - begun
            self._recall(batch, kept)
            _tell(batch, kept, None)

    def _missed(self, batch: Sequence[_Waiting], noted: Sequence[Scoring], error: Unavailable) -> None:
        """Hand rows that the store did not take to whoever stands by for it, or tell that they are given up."""
        if self.standby is None:
            self.shed += len(noted)
            _tell(batch, [None] * len(batch), error)
            return
        self.standby.suspect(error)
        if not self._set_aside(batch, noted):  # it came back in this very moment
            self._settle(batch, noted)

    def _set_aside(self, batch: Sequence[_Waiting], noted: Sequence[Scoring]) -> bool:
        """Have rows kept on this machine and tell everybody; False where the store is back."""
        assert self.standby is not None
        given = {w.prediction.prediction_id: self._recent.get(w.prediction.prediction_id) for w in batch}
        fresh = [w for w in batch if given[w.prediction.prediction_id] is None]
        entries = [Entry(w.prediction, w.scoring) for w in fresh]
        entries += [Entry(None, scoring) for scoring in self._unwritten(noted).values()]
        try:
            kept = self.standby.take(entries)
        except Unavailable as error:
            return self._refuse(batch, noted, error)
        if kept is None:
            return False
        self._remember((s.card_key, s.model_version) for entry in entries if (s := entry.scoring) is not None)
        repeated = [w for w in batch if given[w.prediction.prediction_id] is not None]
        self._recall(fresh, kept[: len(fresh)])
        _tell(fresh, kept[: len(fresh)], None)
        _tell(repeated, [given[w.prediction.prediction_id] for w in repeated], None)
        return True

    def _refuse(self, batch: Sequence[_Waiting], noted: Sequence[Scoring], error: Unavailable) -> bool:
        """Tell that rows cannot be kept here either, after as many as there is room for."""
        self.shed += len(noted)
        if isinstance(error, SpoolFull) and len(batch) > 1:
            half = len(batch) // 2
            return self._set_aside(batch[:half], []) and self._set_aside(batch[half:], [])
        _tell(batch, [None] * len(batch), error)
        return True

    def _recall(self, batch: Sequence[_Waiting], kept: Sequence[str | None]) -> None:
        """Keep in mind which answers stand now, the last ones."""
        if self.standby is None:
            return
        for waiting, other in zip(batch, kept, strict=True):
            self._recent[waiting.prediction.prediction_id] = waiting.prediction.answer if other is None else other
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def _commit(self, batch: Sequence[_Waiting], noted: Sequence[Scoring], patience: float) -> list[str | None]:
        predictions = [w.prediction for w in batch]
        scorings = self._unwritten([w.scoring for w in batch if w.scoring is not None] + list(noted))

        def work(cursor: Any) -> list[str | None]:
            new = self._predictions.put(cursor, predictions)
            self._scorings.put(cursor, list(scorings.values()))
            return (
                [None] * len(batch) if new == len(batch) else kept_answers(cursor, predictions, self._predictions.mark)
            )

        kept = self._database.drive(work, patience=patience)
        self._remember(scorings)
        return kept

    def _unwritten(self, scorings: Iterable[Scoring]) -> dict[tuple[str, str], Scoring]:
        found: dict[tuple[str, str], Scoring] = {}
        for scoring in scorings:
            key = (scoring.card_key, scoring.model_version)
            if key not in self._written:
                found.setdefault(key, scoring)
        return found

    def _remember(self, scorings: Iterable[tuple[str, str]]) -> None:
        self._written.update(dict.fromkeys(scorings))
        while len(self._written) > REMEMBERED:
            del self._written[next(iter(self._written))]


def _tell(batch: Sequence[_Waiting], kept: Sequence[str | None], error: BaseException | None) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[str | None], str | None]]] = {}
    for waiting, answer in zip(batch, kept, strict=True):
        if waiting.future is not None:
            with suppress(InvalidStateError):  # the caller has gone: the row stays
                if error is None:
                    waiting.future.set_result(answer)
                else:
                    waiting.future.set_exception(error)
        elif waiting.loop is not None and waiting.awaited is not None:
            loops.setdefault(waiting.loop, []).append((waiting.awaited, answer))
    for loop, told in loops.items():
        with suppress(RuntimeError):  # the loop has been closed: nobody is there to be told
            loop.call_soon_threadsafe(_resolve, told, error)


def _resolve(told: Sequence[tuple[asyncio.Future[str | None], str | None]], error: BaseException | None) -> None:
    for awaited, answer in told:
        if not awaited.done():
            if error is None:
                awaited.set_result(answer)
            else:
                awaited.set_exception(error)
