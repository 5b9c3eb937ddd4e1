"""Kills parts of a server under load, and counts: is every acknowledged prediction in our store, and once?

    python -m benchmarks.kills --home DIR --card FILE [--kills 20] [--store ADDRESS]

Two gateways and a challenger answer some fifty cards a second. In turn a gateway, the challenger and the store are
struck: processes by SIGKILL, PostgreSQL by ending all backends of ours, SQLite by somebody who holds its write lock for
two seconds and is then killed. A request that fails is sent again under its id, as a proxy would. At the end each
answer that a client saw is looked up: it must be there as it was sent, and one row must stand under each request id.
Prints one JSON document; ends with 1 where a prediction was lost, changed or stands twice.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from tqdm import tqdm

from benchmarks.serving_bench.card import Message, plain
from benchmarks.serving_bench.contestants import ORACLE, Contestant, own_python
from benchmarks.serving_bench.processes import living, tree
from benchmarks.serving_bench.running import Server, ending, start
from benchmarks.serving_bench.shooter import number
from benchmarks.serving_bench.subject import own_copy

CLIENTS, PER_SECOND, TRIES = 8, 50.0, 60
BETWEEN_KILLS = 6.0
HOLD = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(60)
"""


@dataclass(slots=True)
class Seen:
    """What the clients saw."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    """Request id to the body of its answer."""
    failures: Counter[str] = field(default_factory=Counter)
    """Attempts that were not answered with 200, by what came instead."""
    given_up: list[str] = field(default_factory=list)


def ask(port: int, message: Message, i: int, seen: Seen) -> None:
    """Post a card until it is answered, always under the same id."""
    name = uuid.uuid4().hex
    body = f"{message.before}{number(i)}{message.after}".encode()
    headers = {"Content-Type": "application/json", "X-Request-Id": name, "X-User-Id": f"user-{i % 200}"}
    for _ in range(TRIES):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("POST", message.path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status == 200:
                seen.acknowledged[name] = said
                return
            seen.failures[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            seen.failures[type(error).__name__] += 1
        finally:
            connection.close()
        time.sleep(0.5)
    seen.given_up.append(name)


def clients(port: int, message: Message, seen: Seen, stop: threading.Event) -> list[threading.Thread]:
    """Return threads that ask until they are stopped, together so many cards a second."""
    cards = itertools.count()

    def work() -> None:
        while not stop.wait(CLIENTS / PER_SECOND):
            ask(port, message, next(cards), seen)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    return threads


def replicas(server: Server, deployment: str) -> list[int]:
    """Return the processes of a deployment's replicas: Ray writes the name into the title of the process."""
    found = []
    for process in tree(living(), server.keeper.pid):
        title = Path(f"/proc/{process.pid}/cmdline")
        if title.exists() and f"ServeReplica:oracle:{deployment}".encode() in title.read_bytes():
            found.append(process.pid)
    return found


def kill_replica(server: Server, deployment: str) -> str:
    """Kill one replica of a deployment by its id; return what was done."""
    found = replicas(server, deployment)
    if not found:
        return f"{deployment}: none there"
    os.kill(found[0], signal.SIGKILL)
    return f"{deployment}: killed"


def strike_store(address: str) -> str:
    """End every backend of ours, or hold SQLite's write lock for two seconds and be killed; return what was done."""
    if not address.startswith("sqlite"):
        engine = sa.create_engine(address)
        with engine.begin() as connection:
            ended = connection.execute(
                sa.text(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
            ).scalar_one()
        engine.dispose()
        return f"store: {ended} backends ended"
    file = address.removeprefix("sqlite:///")
    with subprocess.Popen([sys.executable, "-c", HOLD, file], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        time.sleep(2.0)
        holder.kill()
    return "store: its lock was held, and the holder killed"


def counted(address: str, seen: Seen) -> dict[str, object]:
    """Return how many acknowledged predictions are kept once and as they were sent, lost, changed, or kept twice."""
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select prediction_id, request_id, answer from predictions")).all()
    engine.dispose()
    kept = {row.prediction_id: row.answer for row in rows}
    per_request = Counter(row.request_id for row in rows)
    found: Counter[str] = Counter()
    for name, said in seen.acknowledged.items():
        answer = kept.get(json.loads(said)["prediction_id"])
        found["lost" if answer is None else "kept" if answer.encode() == said else "changed"] += 1
        found["twice"] += per_request[name] > 1
    counts = {name: found[name] for name in ("kept", "lost", "changed", "twice")}
    return {"acknowledged": len(seen.acknowledged), "rows": len(rows), **counts}


def main(given: Sequence[str]) -> int:
    """Strike, count and tell."""
    parser = argparse.ArgumentParser(prog="benchmarks.kills", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="home with two registered versions")
    parser.add_argument("--card", type=Path, required=True, help="card to ask")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--store", help="address of an empty PostgreSQL database; default: SQLite under the home")
    asked = parser.parse_args(given)
    message = plain(json.loads(asked.card.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        home = own_copy(asked.home, Path(scratch) / "home")
        address = asked.store or f"sqlite:///{home / 'oracle.db'}"
        variables = {"ORACLE_HOME": str(home), "ORACLE_SERVING__AUTH": "off"} | (
            {"ORACLE_STORE__URI": asked.store} if asked.store else {}
        )
        server = start(
            Contestant(
                "oracle",
                "two gateways and a challenger",
                (*ORACLE, "serve", "--port", "{port}", "--replicas", "2"),
                message,
                variables=variables,
                prepare=(("{python}", "-m", "benchmarks.serving_bench.experiment"),),
            ),
            own_python(),
            Path(scratch),
        )
        with ending([server]):
            server.until_ready()
            done, seen = _struck(server, message, address, asked.kills)
        told = counted(address, seen)
    told |= {"kills": dict(Counter(done)), "failures": dict(seen.failures), "given_up": len(seen.given_up)}
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if told["lost"] or told["changed"] or told["twice"] else 0


def _struck(server: Server, message: Message, address: str, kills: int) -> tuple[list[str], Seen]:
    seen, stop = Seen(), threading.Event()
    threads = clients(server.port, message, seen, stop)
    strikes: list[Callable[[], str]] = [
        lambda: kill_replica(server, "gateway"),
        lambda: kill_replica(server, "treatment"),
        lambda: strike_store(address),
    ]
    done = []
    try:
        for strike in tqdm(list(itertools.islice(itertools.cycle(strikes), kills)), desc="kills", mininterval=1.0):
            time.sleep(BETWEEN_KILLS)
            done.append(strike())
        time.sleep(BETWEEN_KILLS)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return done, seen


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
