"""Who takes part: how each server is started, what it is asked, and what it does for an answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving_bench import card as cards
from benchmarks.serving_bench.card import Message
from benchmarks.serving_bench.environments import REPOSITORY

QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_raylet_start_wait_time_s": "120",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""One thread per library call, no telemetry: the same for all."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server under measurement."""

    name: str
    does: str
    """What it does for an answer, in a line."""
    command: tuple[str, ...]
    """With `{python}` and `{port}` in it."""
    message: Message
    environment: str | None = None
    """Name of its own environment (benchmarks/peers/NAME.txt); None for ours, which runs where the benchmark does."""
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[tuple[str, ...], ...] = ()
    """Commands to run before it starts, with `{python}` in them."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is served: a home with registered models, and the card that is asked."""

    home: Path
    package: Path
    """The package of the production version."""
    mlflow_model: str
    """The MLflow model of the same version."""
    card: Mapping[str, Any]


ORACLE = ("{python}", "-c", "from oracle.cli.app import main; main()")


def ours(subject: Subject, name: str, home: Path, experiment: bool) -> Contestant:
    """Return our own server, on a home of its own."""
    does = "oracle serve: features, members, calibration; each answer durable in the store before it leaves"
    if experiment:
        does += "; an experiment at 10 %, both versions score every race"
    return Contestant(
        name,
        does,
        (*ORACLE, "serve", "--port", "{port}"),
        cards.plain(subject.card, headers="X-User-Id: user-{user}\r\n" if experiment else ""),
        variables={"ORACLE_HOME": str(home), "ORACLE_SERVING__AUTH": "off"},
        prepare=(("{python}", "-m", "benchmarks.serving_bench.experiment"),) if experiment else (),
    )


def peers(subject: Subject) -> list[Contestant]:
    """Return the servers that ours is held against."""
    package = {"BENCHMARK_PACKAGE": str(subject.package)}
    plain = cards.plain(subject.card)
    uvicorn = ("{python}", "-m", "uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "warning")
    bento = ("{python}", "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", "{port}")
    wrapped = cards.plain(subject.card, path="/predict", wrapped="card")
    return [
        Contestant(
            "fastapi",
            "FastAPI on uvicorn, our package and its compiled features, forests by Booster.predict; keeps nothing",
            (*uvicorn, "benchmarks.peers.fastapi_app:app"),
            plain,
            "fastapi",
            package,
        ),
        Contestant(
            "fastapi-plain",
            "the same without our compiled features: plain numpy, every member asked, forests by Booster.predict",
            (*uvicorn, "benchmarks.peers.plain_app:app"),
            plain,
            "fastapi",
            package,
        ),
        Contestant(
            "bentoml",
            "BentoML service with the same model, a plain `def` as its documentation writes it; keeps nothing",
            (*bento, "benchmarks.peers.bento_service:Oracle"),
            wrapped,
            "bentoml",
            package,
        ),
        Contestant(
            "bentoml-async",
            "the same, priced in BentoML's event loop",
            (*bento, "benchmarks.peers.bento_service:OracleAsync"),
            wrapped,
            "bentoml",
            package,
        ),
        Contestant(
            "mlflow",
            "mlflow models serve, one worker, our registered model (a table of runners in, a table out); keeps nothing",
            (*_MLFLOW, subject.mlflow_model),
            cards.table(subject.card),
            "mlflow",
        ),
        Contestant(
            "ray-textbook",
            "Ray Serve by its tutorials: FastAPI ingress, each forest a deployment, default switches; keeps nothing",
            ("{python}", "-m", "benchmarks.peers.ray_textbook", "{port}"),
            plain,
            "ray",
            package,
        ),
        Contestant(
            "fastapi-matrix",
            "another task: FastAPI, 60 ready-made features a runner in the body, pandas, 3 forests of 300 trees",
            (*uvicorn, "benchmarks.peers.textbook_app:app"),
            cards.matrix(60, len(subject.card["runners"])),
            "fastapi",
        ),
    ]


_MLFLOW = (
    *("{python}", "-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"),
    *("--host", "127.0.0.1", "--port", "{port}", "-m"),
)


def filled(command: tuple[str, ...], **values: str) -> list[str]:
    """Return a command with its `{names}` filled in.

    >>> filled(("{python}", "-m", "http.server", "{port}"), python="python3", port="80")
    ['python3', '-m', 'http.server', '80']
    """
    found = list(command)
    for name, value in values.items():
        found = [word.replace(f"{{{name}}}", value) for word in found]
    return found


def variables(contestant: Contestant, python: str) -> dict[str, str]:
    """Return the environment variables a contestant runs under, besides those of the machine."""
    found = {**QUIET, **contestant.variables}
    if contestant.name != "mlflow":  # MLflow brings the copy of our code that was registered with the model
        found["PYTHONPATH"] = str(REPOSITORY)
    if contestant.environment is not None:
        found["VIRTUAL_ENV"] = str(Path(python).parents[1])
        found["PATH"] = f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin"
    return found


def own_python() -> str:
    """Return the interpreter that runs ours."""
    return sys.executable
