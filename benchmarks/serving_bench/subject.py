"""What is served: a home with two registered versions and a card, somebody's own or made of a simulated world."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.serving_bench.contestants import ORACLE, QUIET, Subject, filled
from benchmarks.serving_bench.environments import REPOSITORY
from oracle import settings
from oracle.registry.lifecycle import download
from oracle.registry.versions import resolve
from oracle.tracking.connection import connect

RACES, VERSIONS = 3_000, 2


def simulated(folder: Path) -> tuple[Path, Path]:
    """Return a home and a card of a simulated world, made where they are not there yet: some two minutes."""
    home, world, card = folder / "home", folder / "world", folder / "card.json"
    if card.exists():
        return home, card
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _oracle(home, "simulate", "--races", str(RACES), "--seed", "7", "--out", str(world))
    for _ in range(VERSIONS):
        _oracle(home, "train", "--data", str(world))
    told = _oracle(home, "card", "--data", str(world))
    card.write_text(told, encoding="utf-8")  # last: it says that the rest is there
    return home, card


def subject(home: Path, card: Path) -> Subject:
    """Return what a home has to serve.

    Raises:
        NoSuchModel: no version is registered there.
    """
    found = settings.load(home=home.absolute())
    tracking = connect(found)
    version = resolve(tracking)
    return Subject(
        home=home.absolute(),
        package=download(tracking, version, found.root / "models"),
        mlflow_model=str(tracking.client.get_model_version_download_uri(version.name, str(version.number))),
        card=json.loads(card.read_text(encoding="utf-8")),
    )


def own_copy(home: Path, to: Path) -> Path:
    """Return a copy of a home without what its servers had answered, so that each server writes into its own."""
    shutil.copytree(home, to, ignore=shutil.ignore_patterns("oracle.db*", "*.lock"))
    return to


def _oracle(home: Path, *words: str) -> str:
    environment = {**os.environ, **QUIET, "ORACLE_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        filled((*ORACLE, *words), python=sys.executable),
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
