"""Trainings on the real races: minutes each, so each is done once however many tests look at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.training.commands import oracle

FOLDERS = {"hkjc": "hkjc", "netkeiba": "netkeiba/race_results", "racingpost": "racingpost-ie"}
"""Format -> where its races are kept."""


@dataclass(frozen=True)
class RealTraining:
    """A dataset of real races, a home with the model of it, and what `oracle train --json` printed."""

    dataset: Path
    home: Path
    document: dict[str, Any]
    seconds: float
    """Wall-clock time of the whole command."""


_done: dict[str, RealTraining] = {}


def real_training(layout: str, real_data: Path, factory: pytest.TempPathFactory) -> RealTraining:
    """Return the training on the real races of a layout; the first call ingests and trains, as a user would."""
    if layout not in _done:
        home, dataset = factory.mktemp(f"home-{layout}"), factory.mktemp("data") / layout
        told = oracle(home, "ingest", real_data / FOLDERS[layout], "--format", layout, "--out", dataset, "--json")
        assert told.code == 0, told.err
        trained = oracle(home, "train", "--data", dataset, "--json")
        assert trained.code == 0, trained.err
        _done[layout] = RealTraining(dataset, home, trained.document, trained.seconds)
    return _done[layout]
