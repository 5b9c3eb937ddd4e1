"""The floors of the house: imports point down, and the pure floors stay pure.

`FLOORS` is the plan of the house. A module that is not in it fails the first test, so that a new room is placed on
purpose. An import inside a function counts like any other, and so does one for type checkers: both are knowledge.
"""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FLOORS: dict[str, int] = {
    # 0: the words, and what every floor may know
    **dict.fromkeys(("oracle", "oracle.race", "oracle.errors", "oracle.settings", "oracle.progress"), 0),
    "oracle.compiled": 0,
    # 1: values in, values out
    **dict.fromkeys(
        (f"oracle.data.{name}" for name in ("check", "rules", "fingerprint", "splits", "simulate", "sources", "cards")),
        1,
    ),
    "oracle.data": 1,
    "oracle.features": 1,
    "oracle.ranking": 1,
    "oracle.staking": 1,
    "oracle.leakage": 1,
    "oracle.governance": 1,
    "oracle.process": 1,
    **dict.fromkeys(
        (
            f"oracle.drift.{n}"
            for n in ("columns", "numeric", "categorical", "grid", "counting", "sketch", "measures", "distance")
        ),
        1,
    ),
    **dict.fromkeys(
        (
            f"oracle.drift.{n}"
            for n in (
                *("words", "contrast", "tally", "starters", "racing", "expectation", "season", "selftest"),
                *("prediction", "concept", "outcome", "multiple", "causes", "verdict", "report", "pictures"),
                *("calibration", "months"),
            )
        ),
        1,
    ),
    "oracle.drift": 1,
    **dict.fromkeys((f"oracle.drift.{n}" for n in ("parquet", "files", "on_ray")), 3),
    **dict.fromkeys(
        (
            f"oracle.experiment.{n}"
            for n in (
                *("assignment", "sizing", "sequential", "betting", "observed", "arms", "health", "plan"),
                *("accuracy", "verdict", "simulate", "resplit", "pictures", "report"),
            )
        ),
        1,
    ),
    "oracle.experiment": 1,
    "oracle.alerts": 1,
    "oracle.alerts.message": 1,
    "oracle.artifacts": 1,
    **dict.fromkeys((f"oracle.artifacts.{n}" for n in ("envelope", "place")), 1),
    "oracle.retraining": 1,
    **dict.fromkeys((f"oracle.retraining.{n}" for n in ("trigger", "evidence", "why", "validation", "report")), 1),
    "oracle.registry": 1,
    **dict.fromkeys((f"oracle.registry.{n}" for n in ("compare", "side_by_side")), 1),
    "oracle.registry.versioning": 1,
    **dict.fromkeys((f"oracle.tracking_server{n}" for n in ("", ".routes", ".attempt", ".guard", ".flood")), 1),
    "oracle.tracking": 1,
    "oracle.tracking.catalogue": 1,
    "oracle.tracking.entries": 1,
    # 2: models, still without cluster and tracking
    "oracle.models": 2,
    "oracle.ensemble": 2,
    "oracle.tuning": 2,
    **dict.fromkeys(
        (f"oracle.tuning.{n}" for n in ("space", "proposals", "objective", "verdict", "final", "pictures")), 2
    ),
    # 3: the outside world
    **dict.fromkeys(
        (
            f"oracle.tuning.{n}"
            for n in (
                *("ledger", "children", "phase", "table", "on_tune", "trainables"),
                *("searches", "outcome", "sweep"),
            )
        ),
        3,
    ),
    **dict.fromkeys(
        (f"oracle.data.{name}" for name in ("dataset", "extra", "folder", "ingest", "results", "spool", "told")), 3
    ),
    **dict.fromkeys(
        (f"oracle.tracking.{name}" for name in ("client", "connection", "patience", "provenance", "runs")), 3
    ),
    **dict.fromkeys(
        (f"oracle.registry.{n}" for n in ("content", "lifecycle", "mlmodel", "pyfunc", "reach", "versions")), 3
    ),
    **dict.fromkeys(
        (
            f"oracle.registry.{n}"
            for n in ("acts", "subject", "world", "record", "local", "authority", "people", "life", "remote")
        ),
        3,
    ),
    **dict.fromkeys(
        (
            f"oracle.artifacts.{n}"
            for n in ("keyring", "files", "plugin", "repository", "stores", "bucket", "protection", "sweep")
        ),
        3,
    ),
    "oracle.cluster": 3,
    "oracle.drift.history": 3,
    "oracle.store": 3,
    **dict.fromkeys((f"oracle.alerts.{n}" for n in ("webhook", "outbox", "direct")), 3),
    "oracle.experiment.evidence": 3,
    "oracle.experiment.conduct": 4,
    # 4: what runs
    "oracle.training": 4,
    "oracle.serving": 4,
    "oracle.deployment": 4,
    **dict.fromkeys(
        (
            f"oracle.retraining.{n}"
            for n in (
                *("submission", "processes", "on_ray", "shepherd", "news", "monitor", "every", "surroundings"),
                *("contender", "simulate"),
            )
        ),
        4,
    ),
    "oracle.watching": 4,
    **dict.fromkeys(
        (
            f"oracle.tracking_server.{n}"
            for n in ("standing", "identity", "gate", "door", "users", "launch", "acts", "app")
        ),
        4,
    ),
    **dict.fromkeys((f"oracle.experiment.{n}" for n in ("replay", "trial")), 4),
    **dict.fromkeys(
        (
            f"oracle.retraining.{n}"
            for n in (
                *("steps", "snapshot", "candidate", "comparing", "measuring", "by_hand", "testing", "promotion"),
                "pipeline",
            )
        ),
        4,
    ),
    # 5: the edges
    "oracle.cli": 5,
    "oracle.replay": 5,
    "jobs": 5,
}
"""Floor of each module, or of each whole room: the longest name that fits a module decides."""
SPLIT = {
    "oracle",
    "oracle.alerts",
    "oracle.artifacts",
    "oracle.data",
    "oracle.drift",
    "oracle.experiment",
    "oracle.registry",
    "oracle.retraining",
    "oracle.tracking",
    "oracle.tracking_server",
    "oracle.tuning",
}
"""Packages that stretch over floors: each module inside is placed by its own name; the entry is their `__init__`."""
PURE = 2
OUTSIDE = {"ray", "mlflow", "boto3", "botocore", "sqlalchemy"}


def modules() -> dict[str, Path]:
    """Return every module of oracle/ and jobs/ by its name."""
    files = [*REPOSITORY.glob("oracle/**/*.py"), *REPOSITORY.glob("jobs/*.py")]
    return {".".join(f.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


MODULES = modules()


def floor(name: str) -> int | None:
    """Return the floor of a module, None where nobody has placed it."""
    if name in FLOORS:
        return FLOORS[name]
    parent = name.rpartition(".")[0]
    return None if not parent or parent in SPLIT else floor(parent)


def room(name: str) -> str:
    """Return the room of a module: the first two words of its name."""
    return ".".join(name.split(".")[:2])


@cache
def imports(name: str) -> frozenset[str]:
    """Return what a module imports anywhere in its text: full names, of our modules to the module itself."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} line {node.lineno}: imports are written in full"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {w if w in MODULES else str(node.module) for w in whole}
    return frozenset(found)


def ours(name: str) -> Iterator[str]:
    return (other for other in imports(name) if other.split(".")[0] in ("oracle", "jobs"))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_has_its_floor(name: str) -> None:
    assert floor(name) is not None, f"{name} is not in the plan: place it in FLOORS (and in the house's documents)"


def test_the_plan_has_no_rooms_that_are_not_there() -> None:
    assert set(FLOORS) - {"jobs"} <= set(MODULES)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down_or_sideways(name: str) -> None:
    mine = floor(name) or 0
    upwards = [f"{other} (floor {floor(other)})" for other in ours(name) if (floor(other) or 0) > mine]
    assert not upwards, f"{name} (floor {mine}) looks up at {', '.join(upwards)}"


def test_no_two_rooms_need_each_other() -> None:
    """Rooms are the units here, except that a room on several floors is one unit a floor."""
    graph: dict[str, set[str]] = defaultdict(set)
    for name in MODULES:
        for other in ours(name):
            mine, its = (f"{room(n)} on {floor(n)}" for n in (name, other))
            if mine != its and other != "oracle":
                graph[mine].add(its)
    graphlib.TopologicalSorter(graph).prepare()


def test_no_two_modules_import_each_other_while_they_load() -> None:
    graph = {name: {other for other in ours(name) if other != name} for name in MODULES}
    for name in graph:  # a package imports its modules, and they need nothing of it but its name
        graph[name] -= {parent for parent in MODULES if name.startswith(f"{parent}.") and parent in graph[name]}
    graphlib.TopologicalSorter(graph).prepare()


PURE_MODULES = sorted(name for name in MODULES if (floor(name) or 0) <= PURE)


@pytest.mark.parametrize("name", PURE_MODULES)
def test_the_pure_floors_name_nothing_of_the_outside_world(name: str) -> None:
    assert not {other.split(".")[0] for other in imports(name)} & OUTSIDE


def test_a_fresh_interpreter_that_loads_the_pure_floors_has_not_met_the_outside_world() -> None:
    script = (
        f"import sys\nfor name in {PURE_MODULES!r}: __import__(name)\nprint(sorted({OUTSIDE!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
