"""What the door costs: processor time per card with tokens and without, in the same process and through `oracle serve`.

    python -m benchmarks.access --home DIR --card FILE [--rounds N] [--served]

In one process a gateway answers the same card (kept answers) and cards that differ, once through a door with tokens and
once through one without, in turn, a block each: what differs is the door. `--served` asks two real servers in turn as
well, HAProxy and all, where the noise of a busy machine is larger than the door. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.serving_bench import card as cards
from benchmarks.serving_bench import rounds
from benchmarks.serving_bench.contestants import ORACLE, Contestant, own_python
from benchmarks.serving_bench.rounds import DISTINCT, IDENTICAL, Measuring, Sample
from benchmarks.serving_bench.running import Generator, ending, start
from benchmarks.serving_bench.subject import own_copy
from oracle.governance.roles import Actor
from oracle.serving import http
from oracle.serving.access import Access, FromStore
from oracle.serving.door import Door, Guard
from oracle.serving.issue import Issuer
from oracle.serving.turned_away import TurnedAway
from oracle.serving.wiring import GatewayArgs, gateway, wire
from oracle.store import Store, embedded

BLOCK, AT_ONCE = 256, 16
MOST = 10_000_000


def token(store: Store) -> str:
    """Return a token that no benchmark exhausts."""
    issuer = Issuer(store, Actor("benchmark", frozenset({"admin"})), dt.datetime.now(dt.UTC), secrets.token_hex)
    return issuer.create("benchmark", ["predict"], per_minute=MOST).text


def in_process(home: Path, card: dict[str, Any], blocks: int) -> dict[str, Any]:
    """Return microseconds of processor time per card, door with tokens and door without."""
    found = gateway(wire(GatewayArgs(home=home)))
    access = Access(FromStore(found.store))
    shown = token(found.store)
    access.refresh()
    away = TurnedAway(found.store.audit.append, replica="benchmark", now=lambda: dt.datetime.now(dt.UTC))
    app = http.build(found, max_body_bytes=262_144)
    doors = {
        name: Door(app, found, guard=guard, pseudonym=found.kit.pseudonym, max_body_bytes=262_144)
        for name, guard in (("off", Guard(None, away)), ("tokens", Guard(access, away)))
    }
    spent: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in doors} for kind in (IDENTICAL, DISTINCT)}
    for number in range(blocks + 1):
        for kind, by_door in spent.items():
            for name in sorted(doors, reverse=number % 2 == 0):
                bodies = [_body(card, kind == DISTINCT, number, name, n) for n in range(BLOCK)]
                began = time.process_time()
                asyncio.run(_block(doors[name], bodies, shown))
                if number:  # the first warms up
                    by_door[name].append(1e6 * (time.process_time() - began) / BLOCK)
    found.close()
    return {kind: _compared(by_door) for kind, by_door in spent.items()}


def _body(card: dict[str, Any], distinct: bool, *which: object) -> bytes:
    return orjson.dumps({**card, "race_id": "-".join(map(str, which))} if distinct else card)


async def _block(door: Door, bodies: Sequence[bytes], shown: str) -> None:
    headers = [(b"host", b"x"), (b"content-type", b"application/json"), (b"authorization", f"Bearer {shown}".encode())]
    headers += [
        (b"x-request-id", b""),
        (b"x-oracle-peer", b"127.0.0.1"),
        (b"user-agent", b"bench"),
        (b"accept", b"*/*"),
    ]
    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "query_string": b"", "headers": headers}

    async def one(body: bytes) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            assert message.get("status", 200) == 200

        await door(dict(scope), receive, send)

    for begin in range(0, len(bodies), AT_ONCE):
        await asyncio.gather(*(one(body) for body in bodies[begin : begin + AT_ONCE]))


def _compared(by_door: dict[str, list[float]]) -> dict[str, Any]:
    """Return the medians, and that of the differences between blocks that stood side by side."""
    off, tokens = by_door["off"], by_door["tokens"]
    more = [b - a for a, b in zip(off, tokens, strict=True)]
    return {
        "off_us": rounds.spread(off),
        "tokens_us": rounds.spread(tokens),
        "more_us": rounds.spread(more),
        "more_percent": round(100 * statistics.median(more) / statistics.median(off), 2),
    }


def served(home: Path, card: dict[str, Any], scratch: Path, count: int, seconds: float) -> dict[str, Any]:
    """Return processor milliseconds per card of two real servers, all their processes counted."""
    homes = {name: own_copy(home, scratch / name) for name in ("off", "tokens")}
    store = embedded(homes["tokens"])
    shown = token(store)
    store.close()
    field = [
        Contestant(
            name,
            "oracle serve",
            (*ORACLE, "serve", "--port", "{port}"),
            cards.plain(card, headers=f"Authorization: Bearer {shown}\r\n"),
            variables={"ORACLE_HOME": str(folder), "ORACLE_SERVING__AUTH": name},
        )
        for name, folder in homes.items()
    ]
    samples: dict[str, dict[str, list[Sample]]] = {kind: {n: [] for n in homes} for kind in (IDENTICAL, DISTINCT)}
    with contextlib.ExitStack() as stack:
        running = [start(each, own_python(), scratch) for each in field]
        stack.enter_context(ending(running))
        for server in running:
            server.until_ready()
        generator = Generator()
        stack.callback(generator.end)
        measuring = Measuring(generator, seconds)
        for server in running:
            measuring.warm_up(server, seconds)
        for number in range(count):
            for kind, by_name in samples.items():
                for server in running[:: -1 if number % 2 else 1]:
                    by_name[server.contestant.name].append(measuring.sample(server, kind, AT_ONCE))
    return {kind: _of_servers(by_name) for kind, by_name in samples.items()}


def _of_servers(by_name: dict[str, list[Sample]]) -> dict[str, Any]:
    found = _compared({n: [1e6 * s.cpu_seconds / s.requests for s in taken] for n, taken in by_name.items()})
    every = [sample for taken in by_name.values() for sample in taken]
    return found | {
        "requests": sum(sample.requests for sample in every),
        "errors": sum(sample.errors for sample in every),
        "others_cores": rounds.spread(sample.others for sample in every),
    }


def main(given: Sequence[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="benchmarks.access", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="home with a production version")
    parser.add_argument("--card", type=Path, required=True, help="card to ask")
    parser.add_argument("--blocks", type=int, default=30, help="blocks of each door in one process")
    parser.add_argument("--served", action="store_true", help="ask two real servers too")
    parser.add_argument("--rounds", type=int, default=6, help="how often each server is asked")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each time")
    asked = parser.parse_args(given)
    card = json.loads(asked.card.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="access-") as scratch:
        home = own_copy(asked.home.absolute(), Path(scratch) / "home")
        document: dict[str, Any] = {"in_process": in_process(home, card, asked.blocks)}
        if asked.served:
            document["served"] = served(asked.home.absolute(), card, Path(scratch), asked.rounds, asked.seconds)
    document |= {"load_average": rounds.load_average(), "cores": len(os.sched_getaffinity(0))}
    sys.stdout.buffer.write(orjson.dumps(document) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
