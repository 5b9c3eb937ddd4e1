"""Processor time, throughput and latency of `oracle serve`, side by side with how else one would serve the same model.

    python -m benchmarks.serving [--home DIR --card FILE] [--peers DIR] [--rounds N] [--json] [SERVER...]

Starts every server at once, each with all its processes under a keeper, and asks them in turn, round after round, at 1,
16 and 64 connections. Processor time is what the kernel counted for all processes of a server; the load generator is a
process of its own and is not counted. Peers get environments of their own (benchmarks/peers/*.txt), kept in `--peers`.
A server that could not be installed or started is told of. docs/speed.md says what each row does and what came of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from tqdm import tqdm

from benchmarks.serving_bench import environments, report, rounds
from benchmarks.serving_bench.contestants import Contestant, ours, own_python, peers
from benchmarks.serving_bench.environments import NotInstalled
from benchmarks.serving_bench.rounds import DISTINCT, IDENTICAL, Measuring, Row, Sample
from benchmarks.serving_bench.running import Generator, NotStarted, Server, ending, start
from benchmarks.serving_bench.subject import own_copy, simulated, subject

CACHE = Path.home() / ".cache" / "equine-oracle-benchmark"
IDLE_SECONDS = 10.0


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.serving", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("servers", nargs="*", help="names of servers; default: all")
    parser.add_argument("--home", type=Path, help="home with a production version; default: a simulated one")
    parser.add_argument("--card", type=Path, help="card to ask; needed with --home")
    parser.add_argument("--peers", type=Path, default=CACHE / "peers", help="keeps the environments of the peers")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is asked at each load")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each time")
    parser.add_argument("--connections", type=_counts, default=[1, 16, 64], help="loads, such as 1,16,64")
    parser.add_argument("--json", action="store_true", help="one document on standard output, no table")
    found = parser.parse_args(given)
    if (found.home is None) != (found.card is None):
        parser.error("--home and --card go together")
    return found


def _counts(told: str) -> list[int]:
    return [int(each) for each in told.split(",")]


def main(given: Sequence[str]) -> int:
    """Measure; 0 if every target that could be measured was met, 1 otherwise."""
    asked = arguments(given)
    home, card = (asked.home, asked.card) if asked.home else simulated(CACHE / "simulated")
    with tempfile.TemporaryDirectory(prefix="serving-benchmark-") as scratch, contextlib.ExitStack() as stack:
        served = subject(home, card)
        field = [
            ours(served, report.OURS, Path(scratch) / "oracle", experiment=False),
            ours(served, report.OURS_TESTING, Path(scratch) / "oracle-ab", experiment=True),
            *peers(served),
        ]
        if asked.servers:
            field = [each for each in field if each.name in asked.servers]
        for each in field:
            if each.environment is None:
                own_copy(served.home, Path(scratch) / each.name)
        running: list[Server] = []
        stack.enter_context(ending(running))
        missing = list(_started(field, asked.peers, Path(scratch), running))
        generator = Generator()
        stack.callback(generator.end)
        document = _measured(running, generator, asked)
        document["missing"] = missing
        document["card"] = {"runners": len(served.card["runners"]), "package": served.package.name}
    _tell(document, as_json=asked.json)
    return 0 if all(target["met"] for target in document["targets"]) else 1


def _started(field: Sequence[Contestant], cache: Path, logs: Path, running: list[Server]) -> Iterator[dict[str, str]]:
    """Start every server, add those that answer to `running`, and yield those that do not, with the reason."""
    for each in tqdm(field, desc="starting", unit="server", mininterval=1.0):
        try:
            python = environments.make(each.environment, cache).python if each.environment else own_python()
            server = start(each, python, logs)
            running.append(server)
            server.until_ready()
        except (NotInstalled, NotStarted) as error:
            if running and running[-1].contestant is each:
                failed = running.pop()
                with ending([failed]):
                    pass
            yield {"server": each.name, "why": str(error)}


def _traffic(server: Server) -> Sequence[str]:
    """Return the kinds of traffic a server is asked with: peers keep no answers, so theirs cost the same by any."""
    return (IDENTICAL, DISTINCT) if server.contestant.environment is None else (DISTINCT,)


def _measured(running: Sequence[Server], generator: Generator, asked: argparse.Namespace) -> dict[str, Any]:
    measuring = Measuring(generator, asked.seconds)
    for server in tqdm(running, desc="warming up", unit="server", mininterval=1.0):
        measuring.warm_up(server, asked.seconds)
    idle_before = rounds.idle(running, IDLE_SECONDS)
    samples: dict[Row, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    total = asked.rounds * len(asked.connections) * sum(len(_traffic(server)) for server in running)
    todo = rounds.measure(running, _traffic, measuring, asked.connections, asked.rounds)
    for row, count, sample in tqdm(todo, desc="measuring", unit="sample", total=total, mininterval=1.0):
        samples[row][count].append(sample)
    idle_after = rounds.idle(running, IDLE_SECONDS)
    idle = {name: (idle_before[name] + idle_after[name]) / 2 for name in idle_before}
    figures: dict[Row, dict[int, dict[str, Any]]] = {
        row: {count: rounds.summary(found, idle[row[0]]) for count, found in by_count.items()}
        for row, by_count in samples.items()
    }
    does = {server.contestant.name: server.contestant.does for server in running}
    return {
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "load_average": rounds.load_average(),
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "rows": [
            {"server": server, "does": does[server], "cards": kind, "idle_cores": idle[server], "by_connections": found}
            for (server, kind), found in figures.items()
        ],
        "targets": report.ratios(figures) + report.latency_target(figures),
        "table": report.table(figures, idle),
    }


def _tell(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        plain = {name: value for name, value in document.items() if name != "table"}
        sys.stdout.buffer.write(orjson.dumps(plain, option=orjson.OPT_NON_STR_KEYS) + b"\n")
        return
    does = "\n".join(f"{name:14}  {what}" for name, what in {r["server"]: r["does"] for r in document["rows"]}.items())
    absent = "\n".join(f"{each['server']:14}  NOT MEASURED: {each['why']}" for each in document["missing"])
    load = f"load average {document['load_average']}, {document['machine']['cores']} cores"
    parts = (does, absent, document["table"], report.verdicts(document["targets"]), load)
    sys.stdout.write("\n\n".join(part for part in parts if part) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
