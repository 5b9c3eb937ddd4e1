"""Takes PostgreSQL and S3 away from a server under load, and counts: what fails, what waits, what is lost.

    python -m benchmarks.outage [--seconds 60] [--rate 40] [--only stopped frozen killed replica s3] [--direct]

Starts a PostgreSQL, an S3 server (`rclone serve s3`), an MLflow server, a receiver of webhooks and the app on a Ray of
its own (two gateways), trains a small model into them, and asks for cards at a steady rate, each request once and under
an id of its own. Then, in turn, for so many seconds: PostgreSQL is stopped, frozen (SIGSTOP of all its processes),
killed (SIGKILL); stopped while a gateway is killed in the middle; and S3 is killed, and a gateway with it. At the end
every answer that a user saw is held against the store. Prints one JSON document; ends with 1 where an answer was lost
or changed, where a request failed in a phase in which none had to, where an alarm did not come, or where anything
needed a hand to recover.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.outage_bench.load import Load, held_against, phases
from benchmarks.outage_bench.plant import Plant, plant, wait_for
from oracle.store import Store

ONSET = 2.0
"""Seconds in which the outage is found out."""
QUIET = 5.0
"""Seconds before each outage, and after its end was told."""
RECOVERY = 60.0

End = Callable[[], None]


def stopped(found: Plant) -> End:
    """Stop PostgreSQL as `pg_ctl stop -m immediate` does."""
    found.postgres.stop()
    return found.postgres.start


def frozen(found: Plant) -> End:
    """Freeze every process of PostgreSQL: it closes no connection and answers nothing."""
    return found.postgres.freeze()


def killed(found: Plant) -> End:
    """Kill the postmaster with SIGKILL."""
    found.postgres.kill()
    return found.postgres.start


def away(found: Plant) -> End:
    """Kill the S3 server."""
    found.bucket.stop()
    return found.bucket.start


OUTAGES: dict[str, tuple[Callable[[Plant], End], str, bool]] = {
    "stopped": (stopped, "store", False),
    "frozen": (frozen, "store", False),
    "killed": (killed, "store", False),
    "replica": (stopped, "store", True),
    "s3": (away, "artifacts", True),
}
"""How it is taken away, the part that its alarm is about, and whether a gateway is killed in the middle."""


def outage(found: Plant, name: str, seconds: float, rate: float) -> tuple[dict[str, Any], Load]:
    """Take something away for so many seconds under load; return how that went."""
    take, part, kill = OUTAGES[name]
    told, load = len(found.alarms), Load(found.app.port, found.card, rate)
    marks = {"before": time.monotonic()}
    with load.running():
        time.sleep(QUIET)
        marks["onset"] = time.monotonic()
        end = take(found)
        marks["during"] = marks["onset"] + ONSET
        try:
            _sit_out(found, name, seconds - (time.monotonic() - marks["onset"]), kill)
        finally:
            end()
        marks["recovery"] = time.monotonic()
        recovered = _within(found.well)
        marks["after"] = time.monotonic()
        _within(lambda: f"{part}_back" in found.alarms[told:])
        time.sleep(QUIET)
    document = {
        "seconds": round(marks["recovery"] - marks["onset"], 1),
        "recovered_after_s": recovered,
        "alarms": found.alarms[told:],
        "phases": phases(load.asked, marks),
    }
    return document, load


def _within(true: Callable[[], bool]) -> float | None:
    """Return the seconds until a condition holds; None where it does not within the time that recovery may take."""
    try:
        return round(wait_for(true, "recovery", RECOVERY), 1)
    except TimeoutError:
        return None


def _sit_out(found: Plant, name: str, seconds: float, kill: bool) -> None:
    until = time.monotonic() + seconds
    middle = time.monotonic() + seconds / 2 if kill else float("inf")
    with tqdm(total=round(seconds), desc=name, mininterval=1.0, leave=False) as bar:
        while time.monotonic() < until:
            if time.monotonic() >= middle:
                found.app.kill("gateway")
                middle = float("inf")
            time.sleep(min(1.0, max(until - time.monotonic(), 0.0)))
            bar.update(1)


def rows(found: Plant) -> dict[str, str]:
    """Return the answer of each prediction in the store."""
    store = Store(found.postgres.address)
    try:
        return {row.prediction_id: row.answer for row in store.predictions.between()}
    finally:
        store.close()


def left(found: Plant) -> list[str]:
    """Return what still lies in the folder of the journals and should not."""
    return sorted(path.name for path in (found.app.home / "spool").glob("*.[jrd]*") if path.suffix != ".json")


def faults(name: str, told: dict[str, Any]) -> list[str]:
    """Return what is not as promised."""
    _, part, kill = OUTAGES[name]
    found = [] if told["alarms"] == [f"{part}_away", f"{part}_back"] else [f"alarms: {told['alarms']}"]
    if told["recovered_after_s"] is None:
        found.append(f"not recovered within {RECOVERY:g} s")
    if not kill:  # what a killed process was at is lost with its connection
        found += [f"{each}: {n['failed']} failed" for each, n in told["phases"].items() if n["failed"]]
    kept = told["answers"]
    return found + [f"{word}: {kept[word]}" for word in ("changed", "lost") if kept[word]]


def measure(found: Plant, names: Sequence[str], seconds: float, rate: float) -> dict[str, Any]:
    """Return what each outage came to."""
    told: dict[str, Any] = {}
    for name in names:
        document, load = outage(found, name, seconds, rate)
        document["answers"] = held_against(load.asked, rows(found))
        document["faults"] = faults(name, document)
        told[name] = document
        sys.stderr.write(f"{name}: {json.dumps(document)}\n")
    return {"outages": told, "left_in_the_spool": left(found), "rate": rate, "replicas": found.replicas}


def main(given: Sequence[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="benchmarks.outage", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each is away")
    parser.add_argument("--rate", type=float, default=40.0, help="cards a second")
    parser.add_argument("--only", nargs="+", choices=OUTAGES, default=list(OUTAGES))
    parser.add_argument(
        "--direct", action="store_true", help="MLflow as a file and S3 direct, without a server between"
    )
    asked = parser.parse_args(given)
    with (
        tempfile.TemporaryDirectory(prefix="outage-") as scratch,
        plant(Path(scratch), server=not asked.direct) as found,
    ):
        told = measure(found, asked.only, asked.seconds, asked.rate)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 1 if told["left_in_the_spool"] or any(each["faults"] for each in told["outages"].values()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
