"""Kills a retraining again and again, and compares its end with that of one which nobody killed.

    python -m benchmarks.retraining_kills [30]

A small simulated world, a recipe that is learned in a second, and the whole way: data version, training, validation,
staging, instant replay, a live test on invented traffic, an approval, promotion, archive. The process that works on it
is killed (SIGKILL) at places spread over all steps, at their borders, within them, and after each change of the
registry, and begun again; where more kills are wanted than there are places, it is killed at some of them twice. Then
versions, aliases, tags, experiments and the log must be those of the undisturbed retraining: one candidate, and no step
done twice. Prints one JSON document; ends with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oracle.data.dataset import Dataset
from oracle.data.results import results
from oracle.data.simulate import WorldPolicy, simulate
from oracle.ensemble.recipe import EVEN, Member, Pool, Recipe
from oracle.registry.versions import versions
from oracle.retraining.pipeline import STEPS, advance
from oracle.retraining.promotion import answer
from oracle.retraining.steps import Context
from oracle.settings import CandidatePolicy, EvaluationPolicy, ExperimentPolicy, GovernanceSettings, Settings
from oracle.store import RaceResult, Retraining, Scoring, embedded
from oracle.tracking.connection import connect, load_mlflow
from oracle.training import train

RACES, BEFORE, ID = 420, 300, "0123456789abcdef"
POLICY = WorldPolicy(horses=700, meetings_by_weekday=(0, 0, 1, 1, 0, 1, 1))
QUICK = Recipe(
    members={
        "conditional_logit": Member("conditional_logit", {"penalties": (3000.0,)}),
        "market": Member("market"),
        "market_power": Member("market_power"),
    },
    form=Pool(("conditional_logit",), EVEN),
    market=Pool(("market_power",), EVEN),
)
LIVE_RACES, MOST_PROCESSES = 240, 200


def now() -> dt.datetime:
    """Return the moment that all of it happens at."""
    return dt.datetime(2016, 1, 1, tzinfo=dt.UTC)


def settings_of(home: Path, *, four_eyes: bool = True) -> Settings:
    """Return the tree of the small world: floors that it can reach, a live test, and somebody's approval."""
    return Settings(
        home=home,
        evaluation=EvaluationPolicy(resamples=200),
        experiment=ExperimentPolicy(effect=0.2, min_days=0.0, min_predictions=0),
        candidate=CandidatePolicy(
            data=str(home / "world"),
            holdout_days=21,
            min_races=20,
            min_meetings=3,
            ndcg_margin=0.5,
            log_loss_margin=0.5,
            max_ece=0.5,
            max_latency_ms=5000.0,
            test_days=3650.0,
            live="always",
            max_attempts=100,
        ),
        governance=GovernanceSettings(approval="four eyes" if four_eyes else "automatic", expire_hours=24.0 * 365),
    )


def prepare(home: Path) -> None:
    """Make a home with a model in service, the dataset it learned from, and the results since."""
    rows = pd.concat([b.runners for b in simulate(RACES, seed=5, policy=POLICY)], ignore_index=True)
    names = rows["race_id"].drop_duplicates()
    known = rows["race_id"].isin(set(names[:BEFORE]))
    Dataset(home / "world").append(rows[known])
    train(str(home / "world"), settings_of(home, four_eyes=False), recipe=QUICK)
    store = embedded(home)
    later = rows[~known].reset_index(drop=True)
    store.results.add(list(results(later, now())))
    store.retrainings.start(Retraining(retraining_id=ID, event_id="e1", at=now(), cause='["by hand"]', production="1"))
    store.close()


def traffic(home: Path, control: str, treatment: str) -> None:
    """Let both versions score races of which one knows the result and the other nothing; again, it adds nothing."""
    chance, store = np.random.default_rng(3), embedded(home)
    scorings, told = [], []
    for race in range(LIVE_RACES):
        off = now() + dt.timedelta(days=race // 8 + 1, minutes=30 * (race % 8))
        order = chance.permutation(8)
        for version, score in ((control, chance.normal(size=8)), (treatment, -order.astype(float))):
            win = np.exp(score) / np.exp(score).sum()
            said = [[i + 1, f"h{i}", f"Horse {i}", float(score[i]), float(win[i]), 0.5] for i in range(8)]
            name: dict[str, Any] = {"race_key": f"live{race}", "course": "Redmile", "off": off}
            at = off - dt.timedelta(minutes=9)
            key = f"c{race}"
            scorings.append(Scoring(card_key=key, model_version=version, at=at, runners=json.dumps(said), **name))
        rows = [
            {"number": i + 1, "horse_id": f"h{i}", "horse": f"Horse {i}", "status": "finished"}
            | {"position": int(order[i]) + 1, "date": f"{off:%Y-%m-%d}"}
            for i in range(8)
        ]
        told.append(RaceResult(received_at=off, source="live", runners=json.dumps(rows), **name))
    store.scorings.add(scorings)
    store.results.add(told)
    store.close()


CHANGES = ("create_", "set_", "delete_", "finalize_", "log_model_artifacts", "log_outputs")
"""What a call of MLflow's client begins with that changes runs, versions, tags or aliases."""


class Watched:
    """A client of MLflow after each of whose changes the process may be killed."""

    def __init__(self, client: Any, mark: Callable[[str], None]) -> None:
        self._client, self._mark = client, mark
        self._calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        """Return the client's own, or the same with a mark behind it."""
        own = getattr(self._client, name)
        if not name.startswith(CHANGES):
            return own

        def call(*given: Any, **named: Any) -> Any:
            done = own(*given, **named)
            about = str(given[2]) if name in ("set_model_version_tag", "set_registered_model_alias") else ""
            self._calls[name] += 1
            self._mark(f"mlflow.{name}.{about or self._calls[name]}")
            return done

        return call


@dataclass
class Driver:
    """Works on the retraining of a home in processes of its own, each killed at a place of its own."""

    home: Path
    places: list[str] = field(default_factory=list)
    """Where the next processes are killed, in turn."""
    passed: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    processes: int = 0
    at: dt.datetime = field(default_factory=now)
    """The moment; time passes while a live test runs."""

    def child(self, place: str | None) -> bool:
        """Advance in a process of its own; return whether it was killed. It notes the places that it passes."""
        noted = self.home / "passed"
        process = os.fork()
        if process == 0:
            try:
                self._work(place, noted)
                os._exit(0)
            except BaseException as error:  # noqa: BLE001 - a child of a fork must not return into its parent's code
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
        status = os.waitpid(process, 0)[1]
        self.processes += 1
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError("a process failed: see above")
        return os.WIFSIGNALED(status)

    def _work(self, place: str | None, noted: Path) -> None:
        def mark(where: str) -> None:
            with noted.open("a") as file:
                file.write(f"{where}\n")
            if where == place:
                os.kill(os.getpid(), signal.SIGKILL)

        settings = settings_of(self.home)
        context = Context(settings, embedded(self.home), recipe=QUICK, mark=mark)
        tracking = context.tracking
        watched = replace(tracking, client=Watched(tracking.client, mark))  # type: ignore[arg-type]
        context.__dict__["tracking"] = watched  # in the place where the cached property keeps it
        advance(context, ID, self.at)

    def run(self) -> dict[str, Any]:
        """Go on until the retraining has ended; return its state then."""
        places = list(self.places)
        while self.processes < MOST_PROCESSES:
            place = places.pop(0) if places else None
            if self.child(place):
                self.killed[str(place)] += 1
                continue
            if place is not None:
                places.insert(0, place)  # it was not passed: something has to be waited for first
            if self._attended():
                return state(self.home)
        raise RuntimeError(f"no end after {self.processes} processes")

    def _attended(self) -> bool:
        """Do what others do, traffic and approval; return whether the retraining has ended."""
        store = embedded(self.home)
        there = store.retrainings.get(ID)
        assert there is not None
        if there.status == "testing" and there.candidate:
            traffic(self.home, there.production, there.candidate)
            self.at = now() + dt.timedelta(days=60)
        if there.status == "awaiting_approval":
            context = Context(settings_of(self.home), store)
            answer(context, ID, approved=True, actor=None, reason="looks well", now=now() + dt.timedelta(days=61))
        store.close()
        return there.ended


def state(home: Path) -> dict[str, Any]:
    """Return all that a retraining leaves: versions, experiments, its row, and how often each step was done."""
    store, tracking = embedded(home), connect(settings_of(home))
    there = store.retrainings.get(ID)
    steps = store.retrainings.steps(ID)
    promotions = store.promotions.all(tracking.model_name)
    found = {
        "versions": [
            [v.number, v.label, list(v.aliases), v.lifecycle, v.reason, v.retraining] for v in versions(tracking)
        ],
        "promotions": [[p.version, p.kind, p.replaced, p.actor, p.approver is None] for p in promotions],
        "allowed": dict(Counter(link.entry.action for link in store.audit.links() if link.entry.outcome == "allowed")),
        "experiments": [[e.name, e.status, e.control, list(e.treatments)] for e in store.experiments.all()],
        "retraining": None if there is None else [there.status, there.candidate, there.experiment, there.reason],
        "retrainings": len(store.retrainings.all()),
        "done": dict(Counter(step.step for step in steps if step.status == "done")),
        "data": [json.loads(s.document)["fingerprint"] for s in steps if (s.step, s.status) == ("snapshot", "done")],
        "files": sorted(p.name for p in (home / "retrainings" / ID).iterdir()),
    }
    store.close()
    return found


def spread(passed: Sequence[str], kills: int) -> list[str]:
    """Return where to kill: each place that was passed, evenly thinned out or repeated to so many."""
    at = np.linspace(0, len(passed) - 1, kills).round().astype(int)
    return [passed[i] for i in at.tolist()]


def compare(home: Path, kills: int, tell: Callable[[str], object]) -> dict[str, Any]:
    """Run the retraining of a prepared home twice, undisturbed and with kills, and return both ends."""
    load_mlflow()
    quiet = Driver(Path(shutil.copytree(home, home.with_name(f"{home.name}-quiet"))))
    began = time.perf_counter()
    undisturbed = quiet.run()
    seconds = time.perf_counter() - began
    passed = list(dict.fromkeys((quiet.home / "passed").read_text("utf-8").split()))
    tell(f"{len(passed)} places in {seconds:.1f} s")
    struck = Driver(Path(shutil.copytree(home, home.with_name(f"{home.name}-struck"))), spread(passed, kills))
    began = time.perf_counter()
    disturbed = struck.run()
    return {
        "kills": sum(struck.killed.values()),
        "places": len(struck.killed),
        "steps": sorted({place.split(".")[0] for place in struck.killed}),
        "killed": dict(struck.killed),
        "processes": struck.processes,
        "seconds_undisturbed": round(seconds, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "equal": disturbed == undisturbed,
        "done_twice": [name for name, times in disturbed["done"].items() if times > 1],
        "not_done": [name for name in STEPS if name not in disturbed["done"]],
        "undisturbed": undisturbed,
        "disturbed": disturbed,
    }


def main(given: Sequence[str]) -> int:
    """Prepare, kill, compare and tell."""
    parser = argparse.ArgumentParser(prog="benchmarks.retraining_kills", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("kills", type=int, nargs="?", default=30)
    asked = parser.parse_args(given)
    with tempfile.TemporaryDirectory(prefix="retraining-kills-") as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        process = os.fork()
        if process == 0:  # what trains has threads, and is not forked from afterwards
            prepare(home)
            os._exit(0)
        os.waitpid(process, 0)
        told = compare(home, asked.kills, lambda line: sys.stderr.write(f"{line}\n"))
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if told["equal"] and not told["done_twice"] and not told["not_done"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
