"""Users who ask for cards at a steady rate, each request once and under an id of its own, and what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oracle.race import RaceCard

LONGEST = 30.0
"""Seconds after which a request is given up."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    request_id: str
    sent: float
    took: float
    """Seconds."""
    status: int
    said: bytes
    why: str = ""


class Load:
    """Asks from a thread of its own until it is ended.

    Args:
        port: Where.
        card: What is asked; each request has a race of its own.
        rate: Requests a second.
    """

    def __init__(self, port: int, card: RaceCard, rate: float) -> None:
        self._port, self._rate = port, rate
        self._card = asdict(card) | {"off": card.off.isoformat()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_all()), daemon=True)
        self.asked: list[Asked] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[Load]:
        """Ask while the block runs, and wait for the last answers."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join(2 * LONGEST)

    async def _ask_all(self) -> None:
        began, number = time.monotonic(), 0
        pending: set[asyncio.Task[None]] = set()
        while not self._stop.is_set():
            await asyncio.sleep(max(began + number / self._rate - time.monotonic(), 0.0))
            task = asyncio.create_task(self._one(number))
            pending.add(task)
            task.add_done_callback(pending.discard)
            number += 1
        await asyncio.gather(*pending)

    async def _one(self, number: int) -> None:
        name = f"outage-{time.time_ns():x}-{number}"
        body = json.dumps({**self._card, "race_id": f"race-{number}"}).encode()
        sent = time.monotonic()
        try:
            status, said = await asyncio.wait_for(_post(self._port, body, name), LONGEST)
            why = "" if status == 200 else said[:200].decode(errors="replace")
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            status, said, why = 0, b"", repr(error)
        self.asked.append(Asked(name, sent, time.monotonic() - sent, status, said, why))


async def _post(port: int, body: bytes, name: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        headers = ("Host: x", "Connection: close", "Content-Type: application/json", f"X-Request-Id: {name}")
        head = "\r\n".join(("POST /v1/predict HTTP/1.1", *headers, f"Content-Length: {len(body)}"))
        writer.write(f"{head}\r\n\r\n".encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
        return int(lines[0].split()[1]), await reader.readexactly(length)
    finally:
        writer.close()


def summary(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return how a phase went: requests, failures by what came instead, and milliseconds."""
    took = sorted(1e3 * each.took for each in asked if each.status == 200)
    failures = Counter(str(each.status or each.why) for each in asked if each.status != 200)
    told: dict[str, Any] = {"requests": len(asked), "failed": sum(failures.values())}
    if failures:
        told["failures"] = dict(failures)
    if took:
        told |= {
            "p50_ms": round(statistics.median(took), 1),
            "p99_ms": round(took[int(0.99 * len(took))], 1),
            "max_ms": round(took[-1], 1),
        }
    return told


def phases(asked: Sequence[Asked], marks: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return a summary of each phase, from its mark to the next one's."""
    names, begins = list(marks), [*marks.values(), float("inf")]
    return {
        name: summary([each for each in asked if begins[i] <= each.sent < begins[i + 1]])
        for i, name in enumerate(names)
    }


def held_against(asked: Sequence[Asked], rows: Mapping[str, str]) -> dict[str, int]:
    """Return what became of the acknowledged answers: kept as they were sent, changed, or lost.

    Args:
        asked: All requests.
        rows: The answer that the store has under each prediction id.
    """
    found: Counter[str] = Counter()
    for each in asked:
        if each.status == 200:
            kept = rows.get(json.loads(each.said)["prediction_id"])
            found["lost" if kept is None else "kept" if kept.encode() == each.said else "changed"] += 1
    return {"acknowledged": found.total(), **{name: found[name] for name in ("kept", "changed", "lost")}}
