"""Answers as the bytes that leave: written once for a card, signed with an id and a moment for each request.

What a model says of a card does not change until its version, its weights or the form do, so a card that is asked
about again gets the same words under a new id. The bytes are those that `PredictionMessage.model_dump_json` gives, to
the last letter; a test holds both together. Pure; the cache may be used by several threads.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from oracle.race import CardPrediction
from oracle.serving.exotics import ExoticsMessage
from oracle.serving.messages import CardMessage, ModelMessage

T = TypeVar("T")

ENTRIES, MOST_BYTES = 4_096, 64 * 2**20
"""Cards kept at most, and bytes of them: a day's racing of a country is some fifty."""


def written(
    card: CardMessage, said: CardPrediction, model: ModelMessage, exotics: ExoticsMessage | None = None
) -> bytes:
    """Return an answer without its beginning, which is the only part that differs between two requests: see `signed`.

    Args:
        card: The card as it came in.
        said: What the model says of it, runners in the order of the card.
        model: The version that said it.
        exotics: The likeliest combinations, where they were asked for.
    """
    runners = [
        {
            "number": asked.number,
            "horse": asked.horse,
            "horse_id": asked.horse_id,
            "withdrawn": asked.withdrawn,
            "rank": told.rank,
            "score": told.score,
            "win": told.win,
            "place": told.place,
            "fair_odds": told.fair_odds,
            "odds": asked.odds,
            "edge": told.edge,
            "known": told.known,
        }
        for asked, told in zip(card.runners, said.runners, strict=True)
    ]
    rest = {
        "race_id": card.race_id,
        "model": {"name": model.name, "version": model.version, "semver": model.semver},
        "ensemble": said.ensemble,
        "places": said.places,
        "notes": said.notes,
        "runners": runners,
        "exotics": None if exotics is None else orjson.Fragment(exotics.model_dump_json()),
    }
    return b"," + orjson.dumps(rest)[1:]


def signed(rest: bytes, prediction_id: str, at: dt.datetime) -> bytes:
    """Return the whole answer.

    Args:
        rest: What `written` made.
        prediction_id: Id of this answer.
        at: The moment of the answer, with a time zone; told in UTC.
    """
    moment = at.astimezone(dt.UTC).isoformat().removesuffix("+00:00")
    return b'{"prediction_id":%b,"at":"%bZ"%b' % (orjson.dumps(prediction_id), moment.encode(), rest)


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """What a cache has done, and what it holds."""

    hits: int
    misses: int
    evicted: int
    entries: int
    bytes: int


class AnswerCache(Generic[T]):
    """Keeps what was found for the cards asked about last, at most so many and of so many bytes in all.

    The key has to hold everything that the answer depends on: the body, the query, the version, the form and the
    weights. A key that is none of a kept one is a miss, so nothing has ever to be thrown away because it went stale.
    """

    def __init__(self, entries: int = ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        """Keep nothing yet.

        Args:
            entries: Answers kept at most; 0 keeps none.
            most_bytes: Bytes kept at most.
        """
        self._most, self._most_bytes = entries, most_bytes
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._bytes = self._hits = self._misses = self._evicted = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """Return what is kept under the key, which counts as its latest use, or None."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                self._misses += 1
                return None
            self._hits += 1
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep a value; whatever was used longest ago makes room. A value larger than the whole room is not kept.

        Args:
            key: Everything the value depends on.
            value: What to keep.
            size: Its bytes, those of the key included.
        """
        with self._lock:
            old = self._kept.pop(key, None)
            if old is not None:
                self._bytes -= old[1]
            if size > self._most_bytes or self._most < 1:
                return
            self._kept[key] = (value, size)
            self._bytes += size
            while len(self._kept) > self._most or self._bytes > self._most_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed
                self._evicted += 1

    @property
    def counts(self) -> CacheCounts:
        """What it has done so far."""
        with self._lock:
            return CacheCounts(self._hits, self._misses, self._evicted, len(self._kept), self._bytes)
